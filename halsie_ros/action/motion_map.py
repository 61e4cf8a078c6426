"""Motion maps: where in the picture, when in the clip, and which way things moved.

A descriptor of the classical kind beside the network's tokens. Of every segment the mean of six maps is kept; the
descriptor centres them on the activity, so that it does not matter where in the picture it happens, and sorts them
into early to late.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.action.inputs import FORM, Step

CHANNELS = 6
"""Velocity to the left, up, right and down (each at least 0), residual per frame, residual to the I-frame."""
SIZE_PER_TIME = CHANNELS * 8 * 8
_WINDOW = 16  # columns about the centre of activity, of 32


def step_map(step: Step) -> np.ndarray:
    """One step's maps ``(6, 24, 32) float32``."""
    rows, columns = FORM.grid
    velocity = step.motion[:2]
    residual = step.residual.reshape(2, rows, FORM.residual_scale, columns, FORM.residual_scale).mean((2, 4))
    return np.concatenate([np.maximum(velocity, 0), np.maximum(-velocity, 0), residual])


def descriptor(maps: np.ndarray, age_s: np.ndarray, times: int, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """The descriptor of a run of segments.

    Args:
        maps: mean maps of each, oldest first, ``(K, 6, 24, 32)``.
        age_s: seconds from each one's end to the last one's, ``(K,)``.
        times: into how many times, from early to late, the run is sorted.
        shift: rows and columns by which the picture is moved (training).

    Returns:
        ``(times * SIZE_PER_TIME,) float32`` of length 1 (0 where nothing moved); each channel weighs the same.
    """
    rows, columns = FORM.grid
    activity = maps[:, 4].sum((0, 1))
    if not activity.any():
        activity = maps.sum((0, 1, 2))
    centre = (activity * np.arange(columns)).sum() / max(float(activity.sum()), 1e-6)
    left = int(np.clip(np.floor(centre + 0.5) - _WINDOW // 2 + shift[1], 0, columns - _WINDOW))
    maps = np.roll(maps, shift[0], 2) if shift[0] else maps
    cut = maps[..., left : left + _WINDOW].reshape(len(maps), CHANNELS, 8, rows // 8, 8, _WINDOW // 8).mean((3, 5))
    place = 1 - age_s / max(float(age_s.max()), 1e-3)
    weight = np.maximum(0, 1 - np.abs(place[:, None] - np.linspace(0, 1, times)) * (times - 1))
    weight /= weight.sum(0) + 1e-3
    values = np.sqrt(np.einsum("kcyx,kn->ncyx", cut, weight))
    values = (values / np.maximum(np.sqrt(np.square(values).sum((0, 2, 3), keepdims=True)), 1e-3)).ravel()
    return (values / max(float(np.linalg.norm(values)), 1e-6)).astype(np.float32)
