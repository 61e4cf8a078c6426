"""Whether a decoded picture looks as its neighbours do.

Some damage decodes without any complaint: arithmetic coding turns it into other, legal symbols. What comes out has block edges where
there were none. This is a second line of defence and a statistical one: it finds large damage, not all.
"""

from __future__ import annotations

from collections import deque

import numba
import numpy as np

from halsie_ros.video.vectors import CELL

_REMEMBERED = 32  # trusted pictures
_LIKELY = 1.4  # times the most blocky of them; clean streams stay below (our choice, measured on the test streams)
_FLOOR = 3.0  # grey levels; below, edges are invisible
_LEVELS = 256
_SHARE = 0.03  # of the block edges may stand out more than the measure says


class BlockEdges:
    """Compares how far block edges stand out with the pictures before."""

    def __init__(self) -> None:
        self._usual: deque[float] = deque(maxlen=_REMEMBERED)
        self._doubted = 0.0

    def check(self, luma: np.ndarray) -> str:
        """Says why a picture `(H, W) uint8` is implausible; "" where it is not. Ask for pictures that are trusted so far."""
        edges = _edge_excess(luma)
        most = max(self._usual, default=0.0)
        if self._usual and edges > max(_LIKELY * max(most, self._doubted), _FLOOR):
            # A new scene looks like this too; the next picture asked for then looks like this one.
            self._doubted = edges
            return f"block edges stand out by {edges:.0f} grey levels, {most:.0f} at most before"
        self._doubted = 0.0
        self._usual.append(edges)
        return ""


@numba.njit(cache=True, nogil=True)
def _edge_excess(luma: np.ndarray) -> float:
    """Steps across the edges of the 8 x 8 grid, less the steps beside them: the level that 3 % of the edges exceed, quarter levels.

    Every other row or column is read.
    """
    height, width = luma.shape
    counts = np.zeros(_LEVELS * 4, np.int64)
    total = 0
    for top in range(0, height - CELL + 1, CELL):
        for x in range(CELL, width - 2, CELL):
            excess = 0
            for y in range(top, top + CELL, 2):
                b, c = int(luma[y, x - 1]), int(luma[y, x])
                excess += 2 * abs(c - b) - abs(b - int(luma[y, x - 2])) - abs(int(luma[y, x + 1]) - c)
            counts[max(excess // 2, 0)] += 1
            total += 1
    for y in range(CELL, height - 2, CELL):
        for left in range(0, width - CELL + 1, CELL):
            excess = 0
            for x in range(left, left + CELL, 2):
                b, c = int(luma[y - 1, x]), int(luma[y, x])
                excess += 2 * abs(c - b) - abs(b - int(luma[y - 2, x])) - abs(int(luma[y + 1, x]) - c)
            counts[max(excess // 2, 0)] += 1
            total += 1
    above = 0
    for level in range(_LEVELS * 4 - 1, 0, -1):
        above += counts[level]
        if above > total * _SHARE:
            return level / 4
    return 0.0
