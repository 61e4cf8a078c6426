"""The voxel bench: rows with the case names of the design, and peers that compute the same."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from halsie_ros.bench import c_loops, voxel
from halsie_ros.events.voxel import bin_counts


def once(*functions, **_):
    """Instead of the measure: each function runs once, the k-th takes k + 0.5 s."""
    for function in functions:
        function()
    return [index + 0.5 for index in range(len(functions))]


def test_numpy_peer_computes_our_grid():
    events = voxel.sample(2000)
    size = {"bins": voxel.BINS, "bin_us": voxel.BIN_US, "height": voxel.HEIGHT, "width": voxel.WIDTH}
    ours = bin_counts(events, t0_us=0, **size)
    assert ours.sum() > 1900 and np.array_equal(ours, voxel.add_at(events))


def test_rows_have_the_designs_case_names_and_ratios_of_their_values(monkeypatch):
    monkeypatch.setattr(voxel, "median_seconds", once)
    rows = list(voxel.cases(argparse.Namespace(with_peers=False)))
    assert {row.case for row in rows} == {"voxel/1M_640x480x10", "voxel/10k_640x480x10"}
    assert "np.add.at" in {row.peer for row in rows}
    for row in rows:
        assert row.ratio == pytest.approx(row.ours / row.peer_value) == 3.0


def test_without_a_compiler_there_is_no_c_peer(monkeypatch):
    monkeypatch.setattr(c_loops, "COMPILER", "no-such-compiler")
    assert c_loops.build() is None
