"""Events to dense grids, float32: what networks eat.

Axes are (channel, row, column). Windows are half open on the left, ``(t0, t1]``, as everywhere in the package.
Events outside the grid's height and width are left out.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.events.buffer import GridBuffer, checked, zeroed
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit

_NO_LOG = np.empty(0, np.int32)


@njit()
def _bin_counts(x, y, t, p, t0_us, bin_us, bins, grid, log):
    """Adds counts to ``grid``; notes each touched cell in ``log`` unless that is empty; returns how many."""
    height, width = grid.shape[1], grid.shape[2]
    cells = grid.reshape(-1)
    index = 0
    logged = 0
    lower = t0_us
    upper = t0_us + bin_us
    last = t0_us + (bins - 1) * bin_us
    for i in range(len(t)):
        now = t[i]
        if now <= lower or now > upper:
            if now <= t0_us:
                continue
            if now > last:
                index = bins - 1
                lower = last
                upper = np.iinfo(np.int64).max
            else:
                index = (now - t0_us - 1) // bin_us
                lower = t0_us + index * bin_us
                upper = lower + bin_us
        if x[i] < width and y[i] < height:
            cell = np.uint64(((2 * index + np.int64(p[i])) * height + y[i]) * width + x[i])
            cells[cell] += np.float32(1)
            if len(log):
                log[logged] = cell
                logged += 1
    return logged


def check_bins(bins: int, bin_us: int) -> None:
    """Raises ParameterError unless there is at least one bin of at least 1 us."""
    if bins < 1 or bin_us < 1:
        raise ParameterError(f"bins {bins} of {bin_us} us: both must be at least 1")


def add_bin_counts(events: Events, t0_us: int, bin_us: int, bins: int, buffer: GridBuffer) -> None:
    """Adds the events to the counts that ``buffer`` holds; as `bin_counts` otherwise."""
    log = buffer.log(len(events))
    buffer.logged(_bin_counts(events.x, events.y, events.t_us, events.polarity, t0_us, bin_us, bins, buffer.array, log))


def bin_counts(
    events: Events,
    *,
    t0_us: int,
    bin_us: int,
    bins: int,
    height: int,
    width: int,
    out: np.ndarray | GridBuffer | None = None,
) -> np.ndarray:
    """Counts per polarity and anchored bin: the grid that the streaming network eats.

    Bin k holds ``t0 + k bin_us < t <= t0 + (k + 1) bin_us``; events at or before ``t0_us`` are ignored, those after
    the last bin's end go to the last bin.

    Args:
        events: in any order.
        t0_us: start of bin 0.
        bin_us: width of a bin.
        bins: number of bins.
        height: rows.
        width: columns.
        out: a ``(2 * bins, height, width) float32`` array or buffer to fill, zeroed here; None makes one.

    Returns:
        ``(2 * bins, height, width) float32``; channel = 2 * bin + polarity (off 0, on 1).

    Raises:
        ParameterError: no bins, no width of a bin, or an `out` of another shape.
    """
    check_bins(bins, bin_us)
    shape = (2 * bins, height, width)
    if isinstance(out, GridBuffer):
        grid = checked(shape, out)
        out.clear()
        add_bin_counts(events, t0_us, bin_us, bins, out)
        return grid
    grid = zeroed(shape, out)
    _bin_counts(events.x, events.y, events.t_us, events.polarity, t0_us, bin_us, bins, grid, _NO_LOG)
    return grid


@njit()
def _voxel_any_order(x, y, t, p, t0_us, t1_us, scale, grid, log):
    """Adds events to ``grid``; notes the lower touched cell in ``log`` unless that is empty; returns how many."""
    bins, height, width = grid.shape
    plane = height * width
    cells = grid.reshape(-1)
    logged = 0
    for i in range(len(t)):
        if t[i] < t0_us or t[i] > t1_us or x[i] >= width or y[i] >= height:
            continue
        at = (t[i] - t0_us) * scale
        index = min(np.int64(at), bins - 1)
        value = np.float32(1) if p[i] else np.float32(-1)
        right = value * np.float32(at - index)
        # Unsigned: numba looks for negative indices else.
        cell = np.uint64(index * plane + np.int64(y[i]) * width + x[i])
        cells[cell] += value - right
        if index + 1 < bins:
            cells[cell + np.uint64(plane)] += right
        if len(log):
            log[logged] = cell
            logged += 1
    return logged


@njit()
def _voxel_by_time(x, y, t, p, t0_us, t1_us, scale, grid, pair):
    """As `_voxel_any_order` for times that do not decrease, one plane after the other; False when they do.

    All events between two planes add to one array ``pair`` (height, width, 2) of (value, value * fraction), so each
    touches one cache line instead of two, and every plane of the grid is written once, without zeroing it first.
    """
    bins, height, width = grid.shape
    i = np.searchsorted(t, t0_us)
    previous = t0_us
    pair[:] = 0
    grid[0] = 0
    for index in range(bins):
        i, previous, sorted_so_far = _one_plane(x, y, t, p, i, index, bins, previous, t0_us, t1_us, scale, pair)
        if not sorted_so_far:
            return False
        # What the plane below left here, plus our share; the rest is for the plane above.
        for row in range(height):
            for column in range(width):
                right = pair[row, column, 1]
                grid[index, row, column] += pair[row, column, 0] - right
                if index + 1 < bins:
                    grid[index + 1, row, column] = right
                pair[row, column, 0] = 0
                pair[row, column, 1] = 0
    return True


@njit()
def _one_plane(x, y, t, p, i, index, bins, previous, t0_us, t1_us, scale, pair):
    height, width = pair.shape[0], pair.shape[1]
    while i < len(t) and t[i] <= t1_us:
        now = t[i]
        if now < previous:
            return i, previous, False
        at = (now - t0_us) * scale
        if at >= index + 1 and index < bins - 1:
            break
        previous = now
        if x[i] < width and y[i] < height:
            value = np.float32(1) if p[i] else np.float32(-1)
            pair[y[i], x[i], 0] += value
            pair[y[i], x[i], 1] += value * np.float32(at - index)
        i += 1
    return i, previous, True


def voxel_grid(
    events: Events,
    *,
    height: int,
    width: int,
    t0_us: int | None = None,
    t1_us: int | None = None,
    out: np.ndarray | GridBuffer | None = None,
    bins: int = 10,
) -> np.ndarray:
    """The time-normalised voxel grid with bilinear weights in time (Zhu et al., CVPR 2019, eq. 1 and 2).

    ``t* = (bins - 1) (t - t0) / (t1 - t0)``; each event adds +1 (on) or -1 (off), split between the planes below and
    above t*. Events outside [t0, t1] are left out.

    Args:
        events: in any order; sorted by time they go faster.
        height: rows.
        width: columns.
        t0_us: time of plane 0; None: the first event's.
        t1_us: time of the last plane; None: the last event's.
        out: a ``(bins, height, width) float32`` array to fill; None makes one.
        bins: number of planes.

    Returns:
        ``(bins, height, width) float32``.
    """
    if bins < 1:
        raise ParameterError(f"bins {bins}: at least 1 is needed")
    shape = (bins, height, width)
    if not len(events):
        return zeroed(shape, out)
    t = events.t_us
    t0 = int(t[0]) if t0_us is None else t0_us
    t1 = int(t[-1]) if t1_us is None else t1_us
    scale = (bins - 1) / (t1 - t0) if t1 > t0 else 0.0
    columns = (events.x, events.y, t, events.polarity)
    # Below about one event per 8 cells the passes over whole planes cost more than they save.
    if 8 * len(events) > bins * height * width:
        grid = checked(shape, out)
        if isinstance(out, GridBuffer):
            out.touch_all()
        if _voxel_by_time(*columns, t0, t1, scale, grid, np.empty((height, width, 2), np.float32)):
            return grid
    if isinstance(out, GridBuffer):
        grid = checked(shape, out)
        out.clear()
        out.logged(_voxel_any_order(*columns, t0, t1, scale, grid, out.log(len(events), height * width)))
        return grid
    grid = zeroed(shape, out)
    _voxel_any_order(*columns, t0, t1, scale, grid, _NO_LOG)
    return grid
