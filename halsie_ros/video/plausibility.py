"""Whether a decoded picture looks as the one before it does.

Some damage decodes without any complaint and ends where it should: variable-length codes that turn into others of the
same length, or codecs whose pictures are not read to their end here. This is a second line of defence and a statistical
one: it finds large damage, not all, and may take what appears all at once for damage.

The measure: the picture is cut into blocks; a block's mean should lie within what the nine blocks around the same place
of the picture before span, as long as motion stays below a block. How far it lies outside, on average over the
picture, is `excess`, in grey levels. Noise averages out, and neither texture nor motion adds much.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.vectors import CELL

_REMEMBERED = 32  # pictures
_FEW = 3  # pictures that say nothing yet
_OUTLIERS = 8  # one in so many (cuts, flashes) does not count: the usual excess is the largest of the others
_LARGE = 4  # grey levels by which a block stands out
_ENOUGH = 320 * 240  # pixels; of larger pictures, blocks are larger
_SIDE = 4  # points of a block that are read, squared
_LEVELS = 256
_SHARE = 0.03  # of the block edges may stand out more than the measure says


@dataclass(frozen=True)
class Bounds:
    """When a picture is implausible (our choice, measured on many kinds of content and damage).

    Attributes:
        factor, floor: excess above factor times the usual one plus floor (grey levels).
        share: with more blocks than this standing out it is another scene, and plausible.
    """

    factor: float
    floor: float
    share: float


# FFmpeg complains of nearly all damage in variable-length codes, and a picture that is wrong as a whole never escapes.
CHECKED = Bounds(factor=6.0, floor=1.0, share=0.15)
UNCHECKED = Bounds(factor=4.0, floor=1.0, share=1.0)
# A smaller excess will do where block edges stand out more than before as well, by a factor and a floor: in any
# picture, and in I-frames, whose damage spreads within them; their edges are sharper than a P-frame's in any case, so
# that they are held against those of the I-frame before as well.
_FACTOR, _FLOOR = 2.0, 0.3
_EDGE_FACTOR, _EDGE_FLOOR = 1.5, 5.0
_INTRA_FACTOR, _INTRA_FLOOR = 0.25, 0.1
_INTRA_EDGE_FACTOR, _INTRA_EDGE_FLOOR = 2.5, 8.0


class Plausibility:
    """Compares each picture with the one before it."""

    def __init__(self, bounds: Bounds = CHECKED) -> None:
        self._bounds = bounds
        self._usual: deque[float] = deque(maxlen=_REMEMBERED)
        self._before: np.ndarray | None = None
        self._luma: np.ndarray | None = None
        self._intra_edges = 0.0

    def check(self, luma: np.ndarray, *, follows: bool, intra: bool = False) -> str:
        """Says why a picture is implausible; "" where it is not.

        Args:
            luma: `(H, W) uint8` of a picture that is trusted so far.
            follows: the picture before it in time was checked just before.
            intra: it is an I-frame.
        """
        height, width = luma.shape
        side = CELL * max(round((height * width / _ENOUGH) ** 0.5), 1)
        means = _block_means(luma, side)
        before, self._before = self._before, means
        last, self._luma = self._luma, luma
        skip = side // CELL
        edges = _edge_excess(luma, skip) if intra else 0.0
        last_intra, self._intra_edges = self._intra_edges, edges or self._intra_edges
        if not follows or before is None or last is None or before.shape != means.shape or not means.size:
            return ""
        excess, share = _excess(before, means)
        known = sorted(self._usual, reverse=True)
        self._usual.append(excess)
        if len(known) < _FEW or share > self._bounds.share:
            return ""
        usual = known[len(known) // _OUTLIERS]
        odd = excess > self._bounds.factor * usual + self._bounds.floor
        smallest = min(_FACTOR * usual + _FLOOR, _INTRA_FACTOR * usual + _INTRA_FLOOR if intra else np.inf)
        if not odd and excess > smallest:
            edges = edges if intra else _edge_excess(luma, skip)
            edges_before = max(_edge_excess(last, skip), last_intra if intra else 0.0)
            if excess > _FACTOR * usual + _FLOOR:
                odd = edges > _EDGE_FACTOR * edges_before + _EDGE_FLOOR
            if not odd and intra:
                odd = edges > _INTRA_EDGE_FACTOR * edges_before + _INTRA_EDGE_FLOOR
        if not odd:
            return ""
        self._intra_edges = last_intra
        return f"blocks differ from those before by {excess:.1f} grey levels, {usual:.1f} is usual"


@njit()
def _block_means(luma: np.ndarray, side: int) -> np.ndarray:
    """Means of blocks of `side` pixels, from 16 points each: `(rows, columns) float32`; cut blocks are left out."""
    rows, columns, step = luma.shape[0] // side, luma.shape[1] // side, side // _SIDE
    means = np.empty((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            total = np.int32(0)
            for y in range(row * side + step // 2, row * side + side, step):
                for x in range(column * side + step // 2, column * side + side, step):
                    total += np.int32(luma[y, x])
            means[row, column] = np.float32(total) / np.float32(_SIDE * _SIDE)
    return means


@njit()
def _excess(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """How far means lie outside of what the nine around their place span: the mean, and the share beyond `_LARGE`."""
    rows, columns = now.shape
    total, large = np.float32(0), 0
    for row in range(rows):
        top, bottom = max(row - 1, 0), min(row + 2, rows)
        for column in range(columns):
            lowest = highest = before[row, column]
            for y in range(top, bottom):
                for x in range(max(column - 1, 0), min(column + 2, columns)):
                    lowest = min(lowest, before[y, x])
                    highest = max(highest, before[y, x])
            mean = now[row, column]
            outside = max(lowest - mean, mean - highest)
            if outside > 0:
                total += outside
                large += outside > _LARGE
    return total / (rows * columns), large / (rows * columns)


@njit()
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
