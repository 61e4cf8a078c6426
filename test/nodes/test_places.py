"""Where it runs: without a home, without a name for the user, on a disk that cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
from halsie_ros.nodes import logs


@pytest.mark.parametrize(
    "setting", [{}, {"HOME": "/dev/null/none"}, {"HOME": ""}, {"ROS_HOME": "/dev/null/none", "HOME": "/tmp"}]
)
def test_logs_go_to_the_users_temporary_folder_where_there_is_no_home(setting):
    environment = dict(setting)
    assert logs.ensure_log_folder(environment) == []
    assert environment["ROS_LOG_DIR"].endswith(f"halsie_ros-{os.getuid()}/log")


@pytest.mark.parametrize("setting", [{"ROS_LOG_DIR": "/proc/mine"}, {"HOME": "/tmp"}, {"ROS_HOME": "/tmp"}])
def test_a_place_for_logs_that_is_there_is_left_alone(setting):
    environment = dict(setting)
    assert logs.ensure_log_folder(environment) == [] and environment == setting


def test_log_files_are_turned_off_where_nothing_can_be_written(monkeypatch):
    monkeypatch.setattr(logs, "writable", lambda folder: False)
    assert logs.ensure_log_folder({}) == ["--ros-args", "--disable-external-lib-logs"]


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root, to become nobody in particular"
)
@pytest.mark.parametrize("words", [["halsie_ros.cli.main", "models"], ["halsie_ros.nodes.event_monitor"]])
def test_it_starts_without_home_and_under_a_user_id_of_no_list(words, tmp_path):
    reading = "+dac_override,+dac_read_search"
    user = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", "--inh-caps", reading]
    user += ["--ambient-caps", reading, "env", "-u", "HOME", "-u", "XDG_CACHE_HOME", "-u", "ROS_LOG_DIR"]
    node = words[0].startswith("halsie_ros.nodes")
    try:
        run = subprocess.run(
            [*user, sys.executable, "-m", *words],
            capture_output=True,
            text=True,
            timeout=6 if node else 60,
            cwd=tmp_path,
        )
    except subprocess.TimeoutExpired as still:  # a node that runs
        assert node and not (still.stderr or b"").strip(), still.stderr
        return
    assert run.returncode == 0 and not node, run.stdout + run.stderr
