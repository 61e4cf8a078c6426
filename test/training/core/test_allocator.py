"""Freed blocks are used again: measured by the page faults of a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from training.core.allocator import keep_memory
kept = keep_memory() if sys.argv[1] == "keep" else None
def faults():
    for _ in range(8):
        np.ones(16 << 20, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
print(kept, faults() - before)
"""


def faults(how):
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    kept, count = done.stdout.split()
    return kept, int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_large_blocks_are_used_again():
    _, left_alone = faults("leave")
    kept, count = faults("keep")
    assert kept == "True"
    assert count < left_alone / 10
