"""How a labelled picture gets a past: a simulated camera motion that ends in it, or the video before it, with the
events that a simulated sensor sees meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from halsie_ros.events import Events
from halsie_ros.pictures.flow import between, optical_flow
from halsie_ros.pictures.srgb import to_luminance
from halsie_ros.simulation.events import EventSimulator
from halsie_ros.simulation.still import CameraMotion, MovingStill

START_US = 1_000_000
"""When simulated motions begin."""
_FEWEST_STEPS = 4


@dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive frames with the events between them.

    Attributes:
        t_us: (T,) int64, times of the frames.
        t0_us: start of the first window.
        frames: (T, H, W, 3) uint8 RGB.
        labels: (T, H, W) uint8 ids, 255 where nothing is known.
        index: (T,) place of each frame in its data set, -1 where it is simulated.
        events: all events, by time.
        motion_px: (2,) mean movement in the last window, None where unknown.
    """

    t_us: np.ndarray
    t0_us: int
    frames: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    events: Events
    motion_px: np.ndarray | None


def approach(
    image: np.ndarray, label: np.ndarray, index: int, frames: int, rng: np.random.Generator, rate_hz: float
) -> tuple[Clip, EventSimulator]:
    """A simulated camera motion that ends in a picture, and the event sensor that saw it.

    Args:
        image: (H, W, 3) uint8 RGB.
        label: (H, W) uint8.
        index: place of the picture in its data set.
        frames: frames of the motion, the picture included.
        rng: draws motion and sensor.
        rate_hz: frames per second.
    """
    height, width = label.shape
    steps_us = START_US + np.rint(np.arange(frames + 1) * 1e6 / rate_hz).astype(np.int64)
    motion = CameraMotion.random(rng, (steps_us[-1] - START_US) * 1e-6, width)
    sensor = EventSimulator(width, height, seed=int(rng.integers(1 << 31)))
    luminance = MovingStill(to_luminance(image)[..., None], motion)
    picture = MovingStill(image.astype(np.float32), motion)
    sensor.push(luminance.view(0.0)[..., 0], START_US)
    seen, masks, events, moved = [], [], [], np.zeros((1, 2))
    for start_us, stop_us in pairwise(steps_us):
        t0_s, t1_s = (start_us - START_US) * 1e-6, (stop_us - START_US) * 1e-6
        moved = motion.displacement_px(t0_s, t1_s, width, height)
        count = int(np.clip(np.ceil(np.quantile(np.hypot(*moved.T), 0.8)), 2, 16))
        for t_us in np.linspace(start_us, stop_us, count + 1).astype(np.int64)[1:]:
            events.append(sensor.push(luminance.view((t_us - START_US) * 1e-6)[..., 0], int(t_us)))
        seen.append(np.rint(picture.view(t1_s)).astype(np.uint8))
        masks.append(picture.labels(label, t1_s))
    places = np.full(frames, -1)
    places[-1] = index
    clip = Clip(
        steps_us[1:], START_US, np.stack(seen), np.stack(masks), places, Events.concatenate(events), moved.mean(0)
    )
    return clip, sensor


def follow(sensor: EventSimulator, before: np.ndarray, after: np.ndarray, t0_us: int, t1_us: int) -> list[Events]:
    """Events between two real frames, ``(H, W) float32`` luminance: the light moves along the optical flow from one to
    the other, in steps that most of the picture makes with at most a pixel (our choice)."""
    flow = optical_flow(before, after)
    steps = int(np.clip(np.ceil(np.quantile(np.hypot(flow[..., 0], flow[..., 1]), 0.8)), _FEWEST_STEPS, 16))
    return [
        sensor.push(between(before, after, flow, step / steps), int(t0_us + (t1_us - t0_us) * step // steps))
        for step in range(1, steps + 1)
    ]
