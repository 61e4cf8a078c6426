"""What is wrong with an event stream: hot pixels and lines, floods, the flicker of lamps."""

from __future__ import annotations

import numpy as np

from halsie_ros.events import Events
from halsie_ros.kernels import njit

PERIOD_US = 500_000
"""What is judged at once. A pixel is hot when it is so twice in a row: it is left out after a second."""
_HOT = 25
_TIMES = 8.0
"""A hot pixel fires at least so often in a period, and so many times as often as its neighbours."""
_LINE_TIMES = 8.0
FLOOD_PER_PIXEL_S = 60.0
"""Events per pixel and second: 18 million a second at 640x480, twice what a noisy night makes."""
_FLICKER = 0.3
"""Depth of modulation of the whole sensor's rate, at twice the mains frequency, that no motion makes."""
_LAMPS_HZ = (100, 120)
_FEWEST = 5000


class EventFaults:
    """Judges a stream of events period by period, and leaves hot pixels out.

    Attributes:
        word: flood or flicker; empty where all is well.
        reason: one line for people.
        hot_pixels: how many pixels are left out.
        left_out: events left out so far.
    """

    def __init__(self) -> None:
        self.word = self.reason = ""
        self.hot_pixels = 0
        self.left_out = 0
        self._size: tuple[int, int] | None = None
        self._start_us = self._end_us = 0
        self._forget((0, 0))

    @property
    def flooded(self) -> bool:
        """Whether events are so many that they tell nothing of motion."""
        return self.word == "flood"

    def clean(self, events: Events, size: tuple[int, int], t0_us: int, t1_us: int) -> Events:
        """Takes the events of a step and gives them without those of hot pixels.

        Args:
            events: in sensor pixels.
            size: (height, width) of the sensor.
            t0_us: start of the step's window.
            t1_us: its end.
        """
        if size != self._size or not t0_us - PERIOD_US <= self._end_us <= t1_us:
            self._forget(size)
            self._start_us = t0_us
        self._end_us = t1_us
        _count(events.x, events.y, events.t_us, self._counts, self._pulse, self._start_us)
        if t1_us - self._start_us >= PERIOD_US:
            self._judge(t1_us)
        if not self.hot_pixels:
            return events
        keep = ~self._hot[events.y, events.x]
        self.left_out += len(events) - int(keep.sum())
        return Events(events.x[keep], events.y[keep], events.t_us[keep], events.polarity[keep])

    def _forget(self, size: tuple[int, int]) -> None:
        self._size = size
        self._counts = np.zeros(size, np.int32)
        self._pulse = np.zeros(PERIOD_US // 1000, np.int32)  # events by the millisecond
        self._suspects = np.zeros(size, bool)
        self._hot = np.zeros(size, bool)
        self.hot_pixels = 0

    def _judge(self, now_us: int) -> None:
        seconds = (now_us - self._start_us) / 1e6
        total = int(self._counts.sum())
        suspects = _hot_pixels(self._counts) | _hot_lines(self._counts)
        self._hot, self._suspects = suspects & self._suspects, suspects
        self.hot_pixels = int(self._hot.sum())
        # A hot pixel is no flood, and one that is left out no flicker.
        rate = int(self._counts[~suspects].sum()) / seconds
        self.word = self.reason = ""
        if rate > FLOOD_PER_PIXEL_S * self._counts.size:
            self.word, self.reason = "flood", f"{rate / 1e6:.1f} Mevents/s, more than motion makes"
        else:
            depth, hz = self._modulation(total)
            if depth > _FLICKER:
                self.word, self.reason = "flicker", f"{depth:.0%} of the events beat at {hz} Hz: lamps on the mains"
        self._counts[:] = 0
        self._pulse[:] = 0
        self._start_us = now_us

    def _modulation(self, total: int) -> tuple[float, int]:
        """Depth of the strongest beat at a lamp's frequency, in excess of its surroundings, and that frequency."""
        if total < _FEWEST:
            return 0.0, 0
        spectrum = np.abs(np.fft.rfft(self._pulse)) / max(int(self._pulse.sum()), 1)
        bin_hz = 1000 / len(self._pulse)

        def depth(hz: int) -> float:
            near = round(hz / bin_hz)
            return 2 * float(spectrum[near - 1 : near + 2].max() - np.median(spectrum[near - 15 : near + 16]))

        return max((depth(hz), hz) for hz in _LAMPS_HZ)


def warm() -> None:
    """Compiles or loads the kernel."""
    nothing = Events.empty()
    _count(nothing.x, nothing.y, nothing.t_us, np.zeros((1, 1), np.int32), np.zeros(1, np.int32), 0)


def _hot_pixels(counts: np.ndarray) -> np.ndarray:
    """Pixels that fire often, and many times as often as those around them."""
    padded = np.pad(counts, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    around = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - counts
    hot = (counts >= _HOT) & (counts * 8 > _TIMES * around)
    # Two hot neighbours hide each other: against the median of the rows and columns they still stand out.
    usual = np.maximum(np.median(counts[counts > 0]) if counts.any() else 0, 1)
    crowd: np.ndarray = (counts >= _HOT) & (counts > 10 * _TIMES * usual) & (around < 3 * counts)
    return np.asarray(hot | crowd)


def _hot_lines(counts: np.ndarray) -> np.ndarray:
    """Rows and columns that fire many times as often as those beside them."""
    hot = np.zeros(counts.shape, bool)
    for axis in (0, 1):
        sums = counts.sum(1 - axis)
        if len(sums) < 8:
            continue
        padded = np.pad(sums, 3, mode="reflect")
        beside = np.median(np.stack([padded[k : k + len(sums)] for k in (0, 1, 5, 6)]), 0)
        lines = (sums >= _HOT * counts.shape[1 - axis] // 4) & (sums > _LINE_TIMES * np.maximum(beside, 1))
        hot |= lines[:, None] if axis == 0 else lines[None]
    return hot


@njit()
def _count(
    x: np.ndarray, y: np.ndarray, t_us: np.ndarray, counts: np.ndarray, pulse: np.ndarray, start_us: int
) -> None:
    """Counts events by pixel and by millisecond from `start_us` on; what lies outside is left out."""
    height, width = counts.shape
    for i in range(len(x)):
        if y[i] < height and x[i] < width:
            counts[y[i], x[i]] += 1
        millisecond = (t_us[i] - start_us) // 1000
        if 0 <= millisecond < len(pulse):
            pulse[millisecond] += 1
