"""Statistics of motion: how much, how spread, how sudden, whatever and wherever it is.

For scenes in which no figure stands in the middle (surveillance), where motion maps compare places that mean nothing.
Made of the same step maps (our addition).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from halsie_ros.action.inputs import FORM
from halsie_ros.action.motion_map import DIRECTIONS

_ROWS, _COLUMNS = FORM.grid
_LIVELY = 20  # cells that are taken as the liveliest of a step
_SUDDEN = 200  # cells that are taken as those of the most sudden changes of a run
SIZE = 3 * (5 * 4 + 1) + 5 + 3


def statistics(maps: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The statistics of a run of steps.

    Of speed, residual per frame and residual to the I-frame each: log of the mean, log of the liveliest cells' mean,
    share of lively cells, log of the concentration, and spread about the centre, and of these five over time the mean,
    the deviation, the 90th percentile and the mean change; then how fast the map changes. Of the directions: entropy,
    and shares of up or down, left or right and the diagonals. Of changes of velocity: mean, largest, relative to speed.

    Args:
        maps: of each step (:func:`~halsie_ros.action.motion_map.step_map`), oldest first, ``(T, 10, 24, 32)``, T at
            least 1.

    Returns:
        ``(SIZE,) float32``; zeros where nothing moved.
    """
    maps = np.asarray(maps, np.float32)
    if not maps.any():
        return np.zeros(SIZE, np.float32)
    speed = maps[:, :DIRECTIONS].sum(1)
    values = [value for kind in (speed, maps[:, -2], maps[:, -1]) for value in _of_kind(kind)]
    shares = maps[:, :DIRECTIONS].sum((0, 2, 3))
    shares = shares / max(float(shares.sum()), 1e-6)
    axes = shares[: DIRECTIONS // 2] + shares[DIRECTIONS // 2 :]
    values += [float(-(shares * np.log(shares + 1e-6)).sum()), *axes.tolist()]
    if len(maps) > 1:
        change = np.abs(np.diff(maps[:, :DIRECTIONS], axis=0)).sum(1)
    else:
        change = np.zeros_like(speed)
    largest = np.partition(change.ravel(), -min(_SUDDEN, change.size))[-_SUDDEN:]
    relative = change.mean() / max(float(speed.mean()), 1e-6)
    values += [float(np.log(change.mean() + 1e-4)), float(np.log(largest.mean() + 1e-3)), float(relative)]
    return np.array(values, np.float32)


def _of_kind(x: np.ndarray) -> list[float]:
    """21 values of one kind of map over time, ``(T, 24, 32)``."""
    flat = x.reshape(len(x), -1)
    total = np.maximum(flat.sum(1), 1e-6)
    liveliest = np.partition(flat, -_LIVELY, axis=1)[:, -_LIVELY:].mean(1)
    lively = (flat > 0.2 * flat.max()).mean(1)
    concentration = np.square(flat).sum(1) / np.square(total)
    rows, columns = x.sum(2) / total[:, None], x.sum(1) / total[:, None]
    y, across = np.arange(_ROWS), np.arange(_COLUMNS)
    spread = rows @ np.square(y) - (rows @ y) ** 2 + columns @ np.square(across) - (columns @ across) ** 2
    courses = (
        np.log(flat.mean(1) + 1e-4),
        np.log(liveliest + 1e-3),
        lively,
        np.log(concentration + 1e-4),
        np.sqrt(np.maximum(spread, 0)),
    )
    values = []
    for course in courses:
        steps = np.abs(np.diff(course)).mean() if len(course) > 1 else 0.0
        values += [float(course.mean()), float(course.std()), float(np.percentile(course, 90)), float(steps)]
    change = np.abs(np.diff(x, axis=0)).mean() if len(x) > 1 else 0.0
    return [*values, float(change / max(float(x.mean()), 1e-6))]
