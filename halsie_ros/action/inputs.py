"""From the video's features to the action network's inputs; training and run time both come through here.

Units are chosen so that a value of about 1 is a lively one, whatever the frame rate and the size of the stream:

- `motion` `(4, 24, 32) float32`: velocity x, y in picture widths and heights per second, then displacement since the
  I-frame x, y in tenths of the picture. Codec convention: from the picture back to its reference (content moving
  right is negative). The camera's own motion is taken out of both (:mod:`halsie_ros.action.camera_motion`).
- `residual` `(2, 48, 64) float32`: mean of |residual| per frame, then mean of |residual| to the I-frame; 1 is 32 grey
  levels.
- `dt_us` float: the time that the step covers.
- `camera` `(2,) float32`: the share of the picture that moves with the camera (1: nothing else moves), and how fast the
  camera moves it, picture widths or heights per second.
- `image` `(3, 96, 128) float32`: the I-frame, RGB 0..1.

A step takes `FRAMES_PER_STEP` P-frames together (our choice: halves the cost and loses nothing at 25 to 30 fps); the
last step of a GOP may hold fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from halsie_ros.action.camera_motion import without_camera
from halsie_ros.video.features import FeatureFormat, FrameFeatures

FORM = FeatureFormat(grid=(24, 32), residual_scale=2, image=(96, 128))
FRAMES_PER_STEP = 2
STEP_US = 66_667.0
"""Two frames at 30 fps: the step length at which an input drives a membrane with weight 1."""
SEGMENT_US = 450_000
"""Longest segment: a GOP that goes on for longer is continued as a new segment with the same I-frame tokens."""
MAX_VALUE = 4.0


@dataclass(frozen=True)
class Step:
    """One input of the P encoder; shapes and units in the module's docstring."""

    motion: np.ndarray
    residual: np.ndarray
    dt_us: float
    camera: np.ndarray = field(default_factory=lambda: np.array([1.0, 0.0], np.float32))


def merge(features: Sequence[FrameFeatures], since_ns: int) -> Step:
    """Takes consecutive P-frames' features together.

    Args:
        features: at least one, of one GOP, in order.
        since_ns: stamp of the frame before the first.

    Returns:
        The step from `since_ns` to the last frame's stamp. Frames without plausible stamps (none passed, or more than
        half a second each) count as 1/30 s each.
    """
    last = features[-1]
    dt_us = (last.stamp_ns - since_ns) / 1e3
    if not 0 < dt_us <= 500_000 * len(features):
        dt_us = STEP_US / 2 * len(features)
    velocity = sum(f.motion for f in features) * np.float32(1e6 / dt_us)
    raw = np.concatenate([velocity, last.accumulated_motion * np.float32(10)])
    motion, camera = of_things(raw)
    residual = np.stack([sum(f.residual for f in features) / len(features), last.accumulated_residual]) * np.float32(8)
    return Step(motion, np.minimum(residual, MAX_VALUE).astype(np.float32), float(dt_us), camera)


def of_things(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A step's `motion` ``(4, 24, 32)`` and `camera` ``(2,)`` from its vectors' motion ``(4, 24, 32)``."""
    velocity, share, model = without_camera(raw[:2])
    displacement, _, _ = without_camera(raw[2:])
    motion = np.clip(np.concatenate([velocity, displacement]), -MAX_VALUE, MAX_VALUE).astype(np.float32)
    return motion, np.array([share, min(float(np.hypot(*model[:, 0])), MAX_VALUE)], np.float32)


def image_input(image: np.ndarray) -> np.ndarray:
    """An I-frame `(3, 96, 128) uint8` as `(3, 96, 128) float32`, 0..1."""
    return image.astype(np.float32) / np.float32(255)
