"""Packet-rate accumulation: the same grid as from all events at once."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events.accumulate import BinAccumulator
from halsie_ros.events.voxel import bin_counts

SIZE = {"bin_us": 10_000, "bins": 5, "height": 24, "width": 32}


@pytest.mark.parametrize("count", [40, 5000])
def test_packets_add_up_to_the_grid_of_the_whole_window(random_events, count):
    accumulator = BinAccumulator(**SIZE)
    for window, seed in enumerate((1, 2, 3)):
        events = random_events(count, 32, 24, span_us=50_000, seed=seed, t0_us=window * 50_000 + 1)
        accumulator.start(window * 50_000)
        for packet in range(0, count, 7):
            accumulator.add(events[packet : packet + 7])
        assert np.array_equal(accumulator.grid, bin_counts(events, t0_us=window * 50_000, **SIZE))
        assert accumulator.grid.sum() == count


def test_window_without_events_is_empty(random_events):
    accumulator = BinAccumulator(**SIZE)
    accumulator.start(0)
    accumulator.add(random_events(100, 32, 24))
    accumulator.start(200_000)
    assert not accumulator.grid.any()


def test_bins_that_cannot_work_are_refused():
    with pytest.raises(ParameterError, match="bins 5 of 0 us"):
        BinAccumulator(bin_us=0, bins=5, height=1, width=1)
