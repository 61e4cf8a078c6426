"""Grids of events: hand-computed cells, float64 references, bounds and outputs."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.events.buffer import GridBuffer
from halsie_ros.events.voxel import bin_counts, voxel_grid


def reference_voxel(events, bins, height, width, t0, t1):
    grid = np.zeros((bins, height, width))
    at = (events.t_us - t0) * ((bins - 1) / (t1 - t0) if t1 > t0 else 0.0)
    left = np.minimum(np.floor(at).astype(int), bins - 1)
    value = np.where(events.polarity, 1.0, -1.0)
    np.add.at(grid, (left, events.y, events.x), value * (1 - (at - left)))
    inside = left + 1 < bins
    np.add.at(grid, (left[inside] + 1, events.y[inside], events.x[inside]), (value * (at - left))[inside])
    return grid


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


def test_voxel_grid_splits_an_event_between_its_planes():
    events = Events.of([0, 1, 2], [0, 0, 0], [0, 25, 100], [1, 0, 1])
    grid = voxel_grid(events, bins=3, height=1, width=3)
    assert np.allclose(grid[:, 0, :], [[1, -0.5, 0], [0, -0.5, 0], [0, 0, 1]])


@pytest.mark.parametrize("count", [1, 50, 20_000])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("bins", [1, 2, 10])
def test_voxel_grid_agrees_with_a_float64_reference(random_events, count, ordered, bins):
    events = random_events(count, 40, 30, span_us=50_000, seed=count)
    t0, t1 = int(events.t_us[0]), int(events.t_us[-1])
    if not ordered:
        events = events[np.random.default_rng(1).permutation(count)]
    grid = voxel_grid(events, bins=bins, height=30, width=40, t0_us=t0, t1_us=t1)
    assert np.abs(grid - reference_voxel(events, bins, 30, 40, t0, t1)).max() <= 1e-4


@pytest.mark.parametrize("count", [200, 20_000])
def test_voxel_grid_leaves_out_events_beyond_window_and_size(random_events, count):
    events = random_events(count, 40, 30, span_us=50_000)
    inside = (events.t_us >= 10_000) & (events.t_us <= 30_000) & (events.x < 20) & (events.y < 15)
    grid = voxel_grid(events, bins=5, height=15, width=20, t0_us=10_000, t1_us=30_000)
    assert np.abs(grid - reference_voxel(events[inside], 5, 15, 20, 10_000, 30_000)).max() <= 1e-4


def test_voxel_grid_of_one_instant_lies_in_the_first_plane():
    grid = voxel_grid(Events.of([0, 0], [0, 0], [5, 5], [1, 1]), bins=4, height=1, width=1)
    assert grid[:, 0, 0].tolist() == [2, 0, 0, 0]


@pytest.mark.parametrize("counts", [(5000, 10, 300, 0, 10), (40, 5000, 40)])
def test_buffer_gives_what_a_fresh_grid_gives_use_after_use(random_events, counts):
    buffer = GridBuffer((10, 24, 32))
    for seed, count in enumerate(counts):
        events = random_events(count, 40, 30, seed=seed)
        size = {"bins": 10, "height": 24, "width": 32}
        assert np.array_equal(voxel_grid(events, **size, out=buffer), voxel_grid(events, **size))
        size = {"t0_us": 5000, "bin_us": 10_000, "bins": 5, "height": 24, "width": 32}
        assert np.array_equal(bin_counts(events, **size, out=buffer), bin_counts(events, **size))


def test_no_events_make_a_grid_of_zeros():
    out = np.ones((2, 3, 4), np.float32)
    assert voxel_grid(Events.empty(), bins=2, height=3, width=4, out=out) is out
    assert not out.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: bin_counts(e, t0_us=0, bin_us=10, bins=0, height=1, width=1), "bins 0 of 10 us"),
        (lambda e: voxel_grid(e, bins=0, height=1, width=1), "bins 0"),
        (lambda e: voxel_grid(e, bins=2, height=1, width=1, out=np.zeros((1, 1, 1), np.float32)), "give C-contiguous"),
        (lambda e: voxel_grid(e, bins=2, height=1, width=1, out=GridBuffer((1, 1, 1))), "give C-contiguous"),
        (lambda e: voxel_grid(e, bins=2, height=1, width=1, out=np.zeros((2, 1, 1))), "out is float64"),
    ],
)
def test_sizes_that_cannot_work_are_refused(call, message):
    with pytest.raises(ParameterError, match=message):
        call(Events.of([0], [0], [0], [1]))
