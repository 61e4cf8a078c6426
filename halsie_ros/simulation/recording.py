"""A drive through a procedural street, as a camera and an event camera behind one lens would record it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.simulation.camera import FrameCamera, luminance
from halsie_ros.simulation.events import EventSimulator
from halsie_ros.simulation.street.scene import StreetScene

_START_S = 1.0
"""Scene time of the first frame."""
_SLOWEST_HZ = 100.0
"""Even a still scene is looked at this often."""


@dataclass(frozen=True)
class Moment:
    """A frame, its labels, and the events that led to it.

    Attributes:
        t_us: the middle of the exposure, microseconds from the start of the recording.
        frame: ``(H, W, 3) uint8`` RGB.
        labels: ``(H, W) uint8`` at ``t_us``, ids of ``segmentation.labels.DSEC_11``.
        events: with ``t_previous < t <= t_us``; none for the first moment.
    """

    t_us: int
    frame: np.ndarray
    labels: np.ndarray
    events: Events


def record_scene(
    seed: int,
    duration_s: float,
    light: str = "day",
    width: int = 346,
    height: int = 260,
    *,
    frame_rate_hz: float = 25.0,
    exposure_s: float | None = None,
    max_motion_px: float = 1.0,
    max_rate_hz: float = 200.0,
) -> Iterator[Moment]:
    """Records a street; equal arguments give equal bits.

    Events come from the radiance itself, frames from a camera that blurs and adds noise. Thresholds and noise of the
    event sensor, noise and bias of the camera follow from the seed.

    Args:
        seed: from ``street.training_seed`` or ``street.demo_seed``.
        duration_s: the last frame is at most this long after the first.
        light: ``day``, ``dusk`` or ``night``.
        width, height: of both sensors, pixels.
        frame_rate_hz: of the frames.
        exposure_s: fixed exposure time; None for auto exposure.
        max_motion_px: most of the picture moves less than this between two looks at the scene.
        max_rate_hz: more looks per second are not taken, however fast the motion (our choice: it bounds the time).

    Raises:
        ParameterError: a duration, rate, light, seed or size that cannot be.
    """
    for name, value in (
        ("duration_s", duration_s),
        ("frame_rate_hz", frame_rate_hz),
        ("max_motion_px", max_motion_px),
        ("max_rate_hz", max_rate_hz),
    ):
        if not value > 0:
            raise ParameterError(f"{name} {value}: must be above 0")
    scene = StreetScene(seed, light, width, height)
    camera = FrameCamera(seed=seed, frame_rate_hz=frame_rate_hz, exposure_s=exposure_s)
    return _moments(
        scene, camera, _event_sensor(seed, light, width, height), duration_s, frame_rate_hz, max_motion_px, max_rate_hz
    )


def _event_sensor(seed: int, light: str, width: int, height: int) -> EventSimulator:
    random = np.random.default_rng([seed, 21])
    threshold = random.uniform(0.16, 0.3)
    return EventSimulator(
        width,
        height,
        seed=int(random.integers(1 << 30)),
        threshold=threshold,
        threshold_spread=threshold * random.uniform(0.05, 0.2),
        refractory_us=int(random.uniform(100, 800)),
        noise_rate_hz=random.uniform(0.02, 0.2) * {"day": 1.0, "dusk": 2.0, "night": 5.0}[light],
        hot_share=random.uniform(0, 0.0005),
    )


def _moments(
    scene: StreetScene,
    camera: FrameCamera,
    sensor: EventSimulator,
    duration_s: float,
    frame_rate_hz: float,
    max_motion_px: float,
    max_rate_hz: float,
) -> Iterator[Moment]:
    """Looks at the scene as often as its motion asks for, at every frame's time among others."""
    times_us = [round(index * 1e6 / frame_rate_hz) for index in range(int(duration_s * frame_rate_hz + 1e-6) + 1)]
    looks: list[tuple[int, np.ndarray]] = []  # times and radiances that a coming exposure may need
    parts: list[Events] = []
    now_us = -round(0.5e6 / frame_rate_hz)
    view = scene.render(_START_S + now_us * 1e-6)
    camera.meter(view.radiance)
    for index, frame_us in enumerate(times_us):
        labels = view.labels
        events = Events.empty()
        stop_us = frame_us + round(0.5e6 * camera.exposure_s)
        while now_us < stop_us:
            pause_us = 1e6 * max_motion_px / max(scene.motion_px_s(_START_S + now_us * 1e-6), 1.0)
            pause_us = min(max(pause_us, 1e6 / max_rate_hz), 1e6 / _SLOWEST_HZ)
            target_us = frame_us if now_us < frame_us else stop_us
            now_us += -(-(target_us - now_us) // max(1, -int(-(target_us - now_us) // pause_us)))
            view = scene.render(_START_S + now_us * 1e-6)
            looks.append((now_us, view.radiance))
            new = sensor.push(luminance(view.radiance), now_us)
            if index or now_us > 0:
                parts.append(new)
            if now_us == frame_us:
                labels = view.labels
                if index == 0:
                    parts = []
                events, parts = Events.concatenate(parts), []
        half_us = 0.5e6 * camera.exposure_s
        exposed = [radiance for t_us, radiance in looks if abs(t_us - frame_us) <= half_us]
        yield Moment(frame_us, camera.capture(exposed), labels, events)
        looks = looks[-1:]
        camera.meter(exposed[len(exposed) // 2], 0.25)
