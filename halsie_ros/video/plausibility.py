"""Whether a decoded picture looks as its neighbours do.

Some damage decodes without any complaint: arithmetic coding turns it into other, legal symbols. What comes out has
block edges where there were none, or differs from the picture before as a whole. This is a second line of defence and a
statistical one: it finds large damage, not all, and takes a new scene within a GOP for damage.
"""

from __future__ import annotations

from collections import deque

import numba
import numpy as np

from halsie_ros.video.vectors import CELL

_REMEMBERED = 32  # trusted pictures
# A picture may exceed the most of them by these factors (our choice, measured on the test streams and real ones); below
# the floors, in grey levels, nothing is visible. Fewer pictures than _FEW say nothing: P-frames may be more blocky than
# the first I-frame.
_FEW = 4
_EDGES, _EDGES_FLOOR = 1.3, 3.0
_EDGES_NOISE = 8.0  # over the square root of the number of edges: the measure is noisier in small pictures
_CHANGE, _CHANGE_FLOOR = 2.5, 10.0
_ENOUGH = 320 * 240  # pixels; of larger pictures, part of the block edges is read
_SAMPLING = 8  # pixels between those that are compared with the picture before
_LEVELS = 256
_SHARE = 0.03  # of the block edges may stand out more than the measure says


class _Measure:
    """One figure per picture, held against the largest of the remembered ones."""

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self._usual: deque[float] = deque(maxlen=_REMEMBERED)
        self._doubted = 0.0

    def check(self, value: float, factor: float) -> float | None:
        """The largest remembered value where `value` is above `factor` times it, else None."""
        most = max(self._usual, default=0.0)
        if len(self._usual) >= _FEW and value > max(factor * max(most, self._doubted), self._floor):
            # A new scene looks like this too; the next picture asked for then looks like this one.
            self._doubted = value
            return most
        self._doubted = 0.0
        self._usual.append(value)
        return None


class Plausibility:
    """Compares how far block edges stand out, and how much the picture changed, with the trusted pictures before.

    Attributes:
        new_scene: the newest picture changed as a whole: damage, or another scene.
    """

    def __init__(self) -> None:
        self._edges = _Measure(_EDGES_FLOOR)
        self._change = _Measure(_CHANGE_FLOOR)
        self._before: np.ndarray | None = None
        self.new_scene = False

    def check(self, luma: np.ndarray, *, follows: bool) -> str:
        """Says why a picture is implausible; "" where it is not.

        Args:
            luma: `(H, W) uint8` of a picture that is trusted so far.
            follows: the picture before it in time was checked just before.
        """
        height, width = luma.shape
        skip = max(round((height * width / _ENOUGH) ** 0.5), 1)
        read = 2 * height * width / (CELL * skip) ** 2
        edges = _edge_excess(luma, skip)
        most = self._edges.check(edges, _EDGES + _EDGES_NOISE / max(read, 1) ** 0.5)
        reason = "" if most is None else f"block edges stand out by {edges:.1f} grey levels, {most:.1f} at most before"
        sample = luma[::_SAMPLING, ::_SAMPLING].astype(np.int16)
        self.new_scene = False
        if follows and self._before is not None and self._before.shape == sample.shape:
            change = float(np.abs(sample - self._before).mean())
            most = self._change.check(change, _CHANGE)
            if most is not None:
                self.new_scene = True
                reason = reason or f"the picture changed by {change:.0f} grey levels, {most:.0f} at most before"
        self._before = sample
        return reason


@numba.njit(cache=True, nogil=True)
def _edge_excess(luma: np.ndarray, skip: int) -> float:
    """Steps across the edges of the 8 x 8 grid, less the steps beside them: what 3 % of them exceed, in grey levels.

    Every `skip`-th block in both directions is read, of it every other row or column. (Casts are to int32: numba's
    int() of a uint8 stays unsigned, and differences wrap.)
    """
    height, width = luma.shape
    counts = np.zeros(_LEVELS * 4, np.int64)
    total = 0
    for top in range(0, height - CELL + 1, CELL * skip):
        for x in range(CELL, width - 2, CELL * skip):
            excess = np.int32(0)
            for y in range(top, top + CELL, 2):
                b, c = np.int32(luma[y, x - 1]), np.int32(luma[y, x])
                excess += 2 * abs(c - b) - abs(b - np.int32(luma[y, x - 2])) - abs(np.int32(luma[y, x + 1]) - c)
            counts[max(int(excess) // 2, 0)] += 1
            total += 1
    for y in range(CELL, height - 2, CELL * skip):
        for left in range(0, width - CELL + 1, CELL * skip):
            excess = np.int32(0)
            for x in range(left, left + CELL, 2):
                b, c = np.int32(luma[y - 1, x]), np.int32(luma[y, x])
                excess += 2 * abs(c - b) - abs(b - np.int32(luma[y - 2, x])) - abs(np.int32(luma[y + 1, x]) - c)
            counts[max(int(excess) // 2, 0)] += 1
            total += 1
    above = 0
    for level in range(_LEVELS * 4 - 1, 0, -1):
        above += counts[level]
        if above > total * _SHARE:
            return level / 4
    return 0.0
