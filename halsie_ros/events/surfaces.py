"""Events to images of one window: counts, and how fresh each pixel is. Axes and windows as in `voxel`."""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.events.buffer import GridBuffer, zeroed
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit


@njit()
def _histogram(x, y, t, p, t0_us, t1_us, grid):
    height, width = grid.shape[1], grid.shape[2]
    for i in range(len(t)):
        if t[i] > t0_us and t[i] <= t1_us and x[i] < width and y[i] < height:
            grid[np.int64(p[i]), y[i], x[i]] += np.float32(1)


def histogram(
    events: Events,
    *,
    height: int,
    width: int,
    t0_us: int | None = None,
    t1_us: int | None = None,
    out: np.ndarray | GridBuffer | None = None,
) -> np.ndarray:
    """Counts per pixel and polarity of the events in ``(t0, t1]`` (None: no bound), ``(2, height, width) float32``."""
    grid = zeroed((2, height, width), out)
    lower, upper = _bounds(t0_us, t1_us)
    _histogram(events.x, events.y, events.t_us, events.polarity, lower, upper, grid)
    return grid


@njit()
def _time_surface(x, y, t, p, t0_us, t1_us, tau_us, grid):
    height, width = grid.shape[1], grid.shape[2]
    for i in range(len(t)):
        if t[i] > t0_us and t[i] <= t1_us and x[i] < width and y[i] < height:
            fresh = np.float32(np.exp((t[i] - t1_us) / tau_us))
            channel = np.int64(p[i])
            grid[channel, y[i], x[i]] = max(grid[channel, y[i], x[i]], fresh)


def time_surface(
    events: Events,
    *,
    height: int,
    width: int,
    t0_us: int | None = None,
    t1_us: int | None = None,
    out: np.ndarray | GridBuffer | None = None,
    tau_us: float = 50_000.0,
) -> np.ndarray:
    """``exp((t_last - t1) / tau)`` per pixel and polarity (Lagorce et al., HOTS, 2017), 0 where nothing fired.

    Args:
        events: in any order.
        height: rows.
        width: columns.
        t0_us: events at or before are left out; None: no bound.
        t1_us: the time of the surface; None: the newest event's.
        out: a ``(2, height, width) float32`` array to fill; None makes one.
        tau_us: time constant of the decay.

    Returns:
        ``(2, height, width) float32`` in 0 to 1.
    """
    if tau_us <= 0:
        raise ParameterError(f"tau_us {tau_us}: must be above 0")
    grid = zeroed((2, height, width), out)
    if not len(events):
        return grid
    lower, upper = _bounds(t0_us, int(events.t_us.max()) if t1_us is None else t1_us)
    _time_surface(events.x, events.y, events.t_us, events.polarity, lower, upper, float(tau_us), grid)
    return grid


def _bounds(t0_us: int | None, t1_us: int | None) -> tuple[int, int]:
    limits = np.iinfo(np.int64)
    return (int(limits.min) if t0_us is None else t0_us), (int(limits.max) if t1_us is None else t1_us)
