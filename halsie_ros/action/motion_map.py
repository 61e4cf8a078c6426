"""Motion maps: where on the person, when in the clip, and which way things moved.

A descriptor of the classical kind beside the network's tokens (our addition, not the paper's). Ten maps are kept of
every step. A run of steps is pooled in two frames of reference, one moved and scaled to the activity's centre and
height (a person far off and one near by look alike) and one moved sideways only (how high things happen counts), on
a grid of 6 x 6 places and `times` times from early to late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halsie_ros.action.inputs import FORM, Step

DIRECTIONS = 8
CHANNELS = DIRECTIONS + 2
"""Speed towards each direction, then residual per frame and residual to the I-frame."""
GRID = 6
VIEWS = 2
SIZE_PER_TIME = VIEWS * CHANNELS * GRID * GRID
_ROWS, _COLUMNS = FORM.grid
_WIDTH_TO_HEIGHT = 2 / 3  # of the window about a person, in cells
_DEVIATIONS = 2.0  # half the window's height, in standard deviations of the activity's rows
_LEAST, _MOST = 4.0, 14.0  # half the window's height, in rows


@dataclass(frozen=True)
class Nudge:
    """How a training clip's window is displaced, in cells of a window that shows the whole picture's height.

    Attributes:
        rows, columns: 0: as at run time.
    """

    rows: float = 0.0
    columns: float = 0.0


def step_map(step: Step) -> np.ndarray:
    """One step's maps ``(10, 24, 32) float32``.

    A vector's length is shared between the two of eight directions that it lies between; direction d points at
    ``2 pi d / 8`` from x towards y, codec convention (see :mod:`halsie_ros.action.inputs`).
    """
    maps = np.zeros((CHANNELS, _ROWS * _COLUMNS), np.float32)
    x, y = step.motion[0].ravel(), step.motion[1].ravel()
    moving = np.flatnonzero((x != 0) | (y != 0))  # few cells move; the rest need no angles
    x, y = x[moving], y[moving]
    angle = np.arctan2(y, x) * np.float32(DIRECTIONS / (2 * np.pi)) % np.float32(DIRECTIONS)
    below = angle.astype(np.intp) % DIRECTIONS
    share, speed = angle - np.floor(angle), np.hypot(x, y)
    maps[below, moving] = speed * (1 - share)
    maps[(below + 1) % DIRECTIONS, moving] = speed * share
    fine, scale = step.residual, FORM.residual_scale
    parts = [fine[:, i::scale, j::scale] for i in range(scale) for j in range(scale)]
    maps[DIRECTIONS:] = (sum(parts) / np.float32(scale**2)).reshape(2, -1)
    return maps.reshape(CHANNELS, _ROWS, _COLUMNS)


def mirrored(maps: np.ndarray) -> np.ndarray:
    """Maps ``(T, 10, 24, 32)`` of the clip mirrored left to right."""
    turned = [(DIRECTIONS // 2 - d) % DIRECTIONS for d in range(DIRECTIONS)]
    return maps[:, [*turned, *range(DIRECTIONS, CHANNELS)], :, ::-1]


def descriptor(maps: Sequence[np.ndarray] | np.ndarray, times: int, nudge: Nudge = Nudge()) -> np.ndarray:
    """The descriptor of a run of steps.

    Args:
        maps: of each step, oldest first, ``(T, 10, 24, 32)``, T at least 1.
        times: into how many times, from early to late, the run is sorted. Steps count, not seconds (our choice: all
            steps but a GOP's last cover two frames, and sparsely read clips leave no time empty).
        nudge: of the windows (training).

    Returns:
        ``(times * SIZE_PER_TIME,) float32`` of length 1 (0 where nothing moved); each channel weighs the same.
    """
    maps = np.asarray(maps, np.float32)
    activity = maps[:, DIRECTIONS].sum(0)
    if not activity.any():
        activity = maps.sum((0, 1))
    if not activity.any():
        return np.zeros(times * SIZE_PER_TIME, np.float32)
    activity = activity / activity.sum()
    rows, columns = activity.sum(1), activity.sum(0)
    middle_x = float(columns @ np.arange(_COLUMNS))
    middle_y = float(rows @ np.arange(_ROWS))
    deviation = float(np.sqrt(rows @ np.square(np.arange(_ROWS) - middle_y)))
    near = float(np.clip(_DEVIATIONS * deviation, _LEAST, _MOST))
    late = (np.arange(len(maps)) + 0.5) / len(maps)
    over_time = np.maximum(0, 1 - np.abs(late - (np.arange(times)[:, None] + 0.5) / times) * times)
    over_time /= over_time.sum(1, keepdims=True) + 1e-3
    timed = (over_time.astype(np.float32) @ maps.reshape(len(maps), -1)).reshape(-1, _ROWS, _COLUMNS)
    views = (
        (near, middle_y, 0.5),
        (_ROWS / 2, (_ROWS - 1) / 2, 0.7),  # the power tames strong motion; 0.5 and 0.7 tell more together than alone
    )
    parts = []
    for half, centre, power in views:
        down = _pool(centre + nudge.rows * 2 * half / _ROWS, half, _ROWS)
        across = _pool(middle_x + nudge.columns * 2 * half / _ROWS, half * _WIDTH_TO_HEIGHT, _COLUMNS)
        pooled = (down @ (timed @ across.T)).reshape(times, CHANNELS, -1) ** power
        pooled /= np.maximum(np.sqrt(np.square(pooled).sum((0, 2), keepdims=True)), 1e-3)
        parts.append(pooled.ravel() / max(float(np.linalg.norm(pooled)), 1e-6))
    result: np.ndarray = (np.concatenate(parts) / np.sqrt(VIEWS)).astype(np.float32)
    return result


def _pool(centre: float, half: float, cells: int) -> np.ndarray:
    """Weights ``(GRID, cells)`` of overlapping triangles over `centre` ± `half`, in cells."""
    pitch = 2 * half / GRID
    middles = centre + (np.arange(GRID) - (GRID - 1) / 2) * pitch
    return np.maximum(0, 1 - np.abs(np.arange(cells) - middles[:, None]) / pitch).astype(np.float32)
