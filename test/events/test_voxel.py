"""Grids of events: hand-computed cells, float64 references, bounds and outputs."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.events.voxel import bin_counts


def test_bin_counts_counts_by_polarity_and_anchored_bin():
    events = Events.of([0, 1, 1, 2, 0, 0], [0, 0, 1, 0, 0, 0], [100, 101, 110, 111, 120, 999], [1, 1, 0, 1, 1, 0])
    grid = bin_counts(events, t0_us=100, bin_us=10, bins=2, height=2, width=3)
    expected = np.zeros((4, 2, 3), np.float32)
    expected[1, 0, 1] = 1  # 101: bin 0, on; the event at 100 is at the start and ignored
    expected[0, 1, 1] = 1  # 110: still bin 0, off
    expected[3, 0, 2] = 1  # 111: bin 1, on
    expected[3, 0, 0] = 1  # 120: the end of bin 1, on
    expected[2, 0, 0] = 1  # 999: after the end, last bin, off
    assert grid.dtype == np.float32
    assert np.array_equal(grid, expected)


def test_bin_counts_does_not_depend_on_order(random_events):
    events = random_events(5000, 32, 24, span_us=60_000)
    shuffled = events[np.random.default_rng(1).permutation(5000)]
    size = {"t0_us": 3000, "bin_us": 10_000, "bins": 5, "height": 24, "width": 32}
    grid = bin_counts(events, **size)
    assert np.array_equal(grid, bin_counts(shuffled, **size))
    assert grid.sum() == (events.t_us > 3000).sum()


def test_bin_counts_fills_out_and_forgets_what_it_held(random_events):
    events = random_events(100, 32, 24)
    size = {"t0_us": 0, "bin_us": 20_000, "bins": 5, "height": 24, "width": 32}
    out = np.full((10, 24, 32), 7, np.float32)
    assert bin_counts(events, **size, out=out) is out
    assert np.array_equal(out, bin_counts(events, **size))


def test_bin_counts_leaves_out_events_beyond_window_and_size(random_events):
    events = random_events(20_000, 40, 30, span_us=50_000)
    inside = events[(events.t_us > 10_000) & (events.x < 20) & (events.y < 15)]
    size = {"t0_us": 10_000, "bin_us": 4000, "bins": 5, "height": 15, "width": 20}
    assert np.array_equal(bin_counts(events, **size), bin_counts(inside, **size))
    assert bin_counts(events, **size).sum() == len(inside)


def test_bins_without_events_are_zero_wherever_they_lie():
    events = Events.of([1, 1], [0, 0], [31, 11], [1, 1])  # bin 3, then bin 1
    grid = bin_counts(events, t0_us=0, bin_us=10, bins=6, height=1, width=2, out=np.full((12, 1, 2), 9, np.float32))
    assert grid.sum() == 2 and grid[3, 0, 1] == grid[7, 0, 1] == 1


def test_no_events_make_a_grid_of_zeros():
    out = np.ones((2, 3, 4), np.float32)
    assert bin_counts(Events.empty(), t0_us=0, bin_us=10, bins=1, height=3, width=4, out=out) is out
    assert not out.any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bins": 0}, "bins 0 of 10 us"),
        ({"bin_us": 0}, "bins 1 of 0 us"),
        ({"out": np.zeros((1, 1, 1), np.float32)}, "give C-contiguous"),
        ({"out": np.zeros((2, 1, 1))}, "out is float64"),
    ],
)
def test_sizes_that_cannot_work_are_refused(changed, message):
    size = {"t0_us": 0, "bin_us": 10, "bins": 1, "height": 1, "width": 1}
    with pytest.raises(ParameterError, match=message):
        bin_counts(Events.of([0], [0], [0], [1]), **(size | changed))
