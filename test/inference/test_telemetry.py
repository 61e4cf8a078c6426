"""The inference library does not send anything home, and says nothing where it cannot write."""

from __future__ import annotations

import os
import subprocess
import sys


def test_no_usage_data_is_sent_and_a_place_without_home_is_no_warning():
    code = "import halsie_ros, os; from halsie_ros.inference import session; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment | {"HOME": "/dev/null/none"}
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "1", "")
