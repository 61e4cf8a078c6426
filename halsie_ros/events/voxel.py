"""Events to a dense grid, float32: what networks are trained on.

Axes are (channel, row, column). Windows are half open on the left, ``(t0, t1]``, as everywhere in the package.
Events outside the grid's height and width are left out.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit


@njit()
def _bin_counts(x, y, t, p, t0_us, bin_us, bins, grid):
    """Sets ``grid`` to counts. A bin is looked up by a division only where an event leaves that of the last; its two
    planes are zeroed just before its first event comes, so that they are at hand."""
    height, width = grid.shape[1], grid.shape[2]
    cells = grid.reshape(-1)
    plane = height * width
    clean = 0  # cells up to here have been zeroed
    first = 0  # the bin's OFF plane
    lower, upper = t0_us, t0_us
    last = t0_us + (bins - 1) * bin_us
    for i in range(len(t)):
        now = t[i]
        if now <= lower or now > upper:
            if now <= t0_us:
                continue
            index = min((now - t0_us - 1) // bin_us, bins - 1)
            lower = t0_us + index * bin_us
            upper = lower + bin_us if lower < last else np.iinfo(np.int64).max
            first = 2 * index * plane
            if first >= clean:
                cells[clean : first + 2 * plane] = 0
                clean = first + 2 * plane
        if x[i] < width and y[i] < height:
            # Unsigned: numba looks for negative indices else.
            cells[np.uint64(first + np.int64(p[i]) * plane + np.int64(y[i]) * width + np.int64(x[i]))] += np.float32(1)
    cells[clean:] = 0


def bin_counts(
    events: Events,
    *,
    t0_us: int,
    bin_us: int,
    bins: int,
    height: int,
    width: int,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Counts per polarity and anchored bin: the grid that the streaming network eats.

    Bin k holds ``t0 + k bin_us < t <= t0 + (k + 1) bin_us``; events at or before ``t0_us`` are ignored, those after
    the last bin's end go to the last bin.

    Args:
        events: in any order; sorted by time they go faster.
        t0_us: start of bin 0.
        bin_us: width of a bin.
        bins: number of bins.
        height: rows.
        width: columns.
        out: a ``(2 * bins, height, width) float32`` array to fill; None makes one.

    Returns:
        ``(2 * bins, height, width) float32``; channel = 2 * bin + polarity (off 0, on 1).

    Raises:
        ParameterError: no bins, no width of a bin, or an `out` of another shape.
    """
    if bins < 1 or bin_us < 1:
        raise ParameterError(f"bins {bins} of {bin_us} us: both must be at least 1")
    shape = (2 * bins, height, width)
    grid = np.empty(shape, np.float32) if out is None else out
    if grid.shape != shape or grid.dtype != np.float32 or not grid.flags.c_contiguous:
        raise ParameterError(f"out is {grid.dtype} of shape {grid.shape}: give C-contiguous float32 of shape {shape}")
    _bin_counts(events.x, events.y, events.t_us, events.polarity, t0_us, bin_us, bins, grid)
    return grid
