"""A kernel that was compiled before never runs on after something that it inlines from another file has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

# `restoration._differences` calls `agreement.luma`: brightness differences, from luma weights that another file holds.
PROGRAM = """
import numpy as np
from halsie_ros.segmentation.restoration import _DIRECTIONS, _differences
frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
print(_differences(frame, _DIRECTIONS).sum())
"""
WEIGHT = "np.float32(0.2126)"


@pytest.fixture
def copied(repository, tmp_path):
    """A copy of the package's sources, without anything that was compiled."""
    shutil.copytree(repository / "halsie_ros", tmp_path / "halsie_ros", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(copied):
    environment = {**os.environ, "PYTHONPATH": str(copied), "NUMBA_CACHE_DIR": str(copied / "cache")}
    words = [sys.executable, "-c", PROGRAM]
    answer = subprocess.run(words, capture_output=True, text=True, cwd=copied, env=environment)
    assert answer.returncode == 0, answer.stderr
    return float(answer.stdout)


def test_an_edit_of_an_inlined_function_in_another_file_changes_what_runs(copied):
    before = run(copied)
    compiled = sorted((copied / "cache").rglob("*.nbc"))
    assert compiled and run(copied) == before
    assert sorted((copied / "cache").rglob("*.nbc")) == compiled  # the second run took what the first had compiled
    callee = copied / "halsie_ros" / "segmentation" / "agreement.py"
    text = callee.read_text()
    assert text.count(WEIGHT) == 1
    callee.write_text(text.replace(WEIGHT, "np.float32(99.0)"))
    after = run(copied)
    assert after > 20 * before
    callee.write_text(text)
    assert run(copied) == before
