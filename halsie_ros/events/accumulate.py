"""The streaming network's grid, filled packet by packet as events come."""

from __future__ import annotations

import numpy as np

from halsie_ros.events.buffer import GridBuffer
from halsie_ros.events.events import Events
from halsie_ros.events.voxel import add_bin_counts, check_bins


class BinAccumulator:
    """Accumulates `voxel.bin_counts` of one window: O(events) per packet, nothing per grid cell.

    Example: ``start(t0)``, then `add` for each packet, then read `grid`; the next `start` clears what was touched.

    Attributes:
        grid: ``(2 * bins, height, width) float32``, complete at any time; overwritten by the next `start`.
    """

    def __init__(self, *, bin_us: int, bins: int, height: int, width: int) -> None:
        """Makes a grid of zeros; arguments as of `voxel.bin_counts`."""
        check_bins(bins, bin_us)
        self._bin_us = bin_us
        self._bins = bins
        self._buffer = GridBuffer((2 * bins, height, width))
        self._t0_us = 0

    @property
    def grid(self) -> np.ndarray:
        """The counts of the window so far."""
        return self._buffer.array

    def start(self, t0_us: int) -> None:
        """Begins the window that starts after ``t0_us``."""
        self._buffer.clear()
        self._t0_us = t0_us

    def add(self, events: Events) -> None:
        """Counts a packet's events into the window."""
        add_bin_counts(events, self._t0_us, self._bin_us, self._bins, self._buffer)
