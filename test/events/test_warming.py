"""The warm-up: what it loads is all that the live path calls."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import sys
import numba
from halsie_ros import events
from halsie_ros.bench.events import EventPath, _packets, ARRAY
from halsie_ros.events.messages import EventTopicDecoder, encode_event_array

def loaded():
    kernels = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("halsie_ros.events"):
            for key, value in vars(module).items():
                if isinstance(value, numba.core.registry.CPUDispatcher):
                    kernels[value.__module__ + "." + value.__name__] = len(value.signatures)
    return kernels

messages = _packets(1e5, 1000, 120)
array = encode_event_array(events.Events.of([1], [1], [1], [1]), width=4, height=4, stamp_ns=1, frame_id="")
events.warm()
after_warm = loaded()
path = EventPath(packet_us=1000)
for message in messages:
    path.push(bytearray(message))
EventTopicDecoder(ARRAY).push(memoryview(array))
assert path.steps and path._currents.any()
assert loaded() == after_warm, (after_warm, loaded())
print(sum(after_warm.values()))
"""


def test_live_path_needs_no_kernel_that_the_warm_up_did_not_load(repository):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=repository,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_kernels_are_cached_where_numba_is_told_to(repository, tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    code = "from halsie_ros.events.voxel import bin_counts; from halsie_ros.events import Events; "
    code += "bin_counts(Events.of([0], [0], [1], [1]), t0_us=0, bin_us=9, bins=1, height=1, width=1)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository, env=environment, timeout=60)
    assert list(tmp_path.rglob("*.nbi"))
