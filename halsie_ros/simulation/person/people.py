"""A procedural person who performs an action before a random background, drawn as capsules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.kernels import njit
from halsie_ros.simulation.person.actions import ACTIONS, JOINTS, Action, body, find_action, joints

_J = {name: index for index, name in enumerate(JOINTS)}

# First joint, last joint, radius in metres, part of the clothes: 0 shirt, 1 trousers, 2 skin, 3 shoes.
_CAPSULES = [
    ("pelvis", "neck", 0.125, 0), ("shoulder_left", "shoulder_right", 0.075, 0), ("hip_left", "hip_right", 0.09, 0),
    ("shoulder_left", "hip_left", 0.08, 0), ("shoulder_right", "hip_right", 0.08, 0), ("head", "head", 0.105, 2),
    *((f"{a}_{side}", f"{b}_{side}", radius, part) for side in ("left", "right") for a, b, radius, part in (
        ("hip", "knee", 0.075, 1), ("knee", "ankle", 0.055, 1), ("ankle", "toe", 0.045, 3),
        ("shoulder", "elbow", 0.055, 0), ("elbow", "wrist", 0.042, 2),
    )),
]  # fmt: skip
_ENDS = np.array([(_J[a], _J[b]) for a, b, _, _ in _CAPSULES])
_RADII_M = np.array([radius for _, _, radius, _ in _CAPSULES])
_PARTS = np.array([part for _, _, _, part in _CAPSULES])


@njit()
def _draw(picture, depth, ends, radii, colours):
    """Draws capsules, the nearest on top.

    Args:
        picture: ``(H, W, 3) float32``, updated; depth: ``(H, W) float64``, updated.
        ends: ``(N, 2, 3)`` column, row, distance; radii: ``(N, 2)`` pixels at either end; colours: ``(N, 3)``.
    """
    height, width = depth.shape
    for index in range(len(radii)):
        ax, ay, az = ends[index, 0]
        bx, by, bz = ends[index, 1]
        widest = max(radii[index, 0], radii[index, 1])
        dx, dy = bx - ax, by - ay
        length2 = dx * dx + dy * dy + 1e-9
        for y in range(max(int(min(ay, by) - widest), 0), min(int(max(ay, by) + widest) + 2, height)):
            for x in range(max(int(min(ax, bx) - widest), 0), min(int(max(ax, bx) + widest) + 2, width)):
                px, py = x + 0.5 - ax, y + 0.5 - ay
                share = min(max((px * dx + py * dy) / length2, 0.0), 1.0)
                away = np.hypot(px - share * dx, py - share * dy)
                radius = radii[index, 0] + share * (radii[index, 1] - radii[index, 0])
                if away > radius + 0.5:
                    continue
                cover = min(radius + 0.5 - away, 1.0)
                bulge = np.sqrt(max(1 - (away / (radius + 0.5)) ** 2, 0.0))
                distance = az + share * (bz - az) - 0.0012 * radius * bulge
                if distance < depth[y, x] or cover < 1:
                    if distance > depth[y, x]:
                        continue
                    shade = 0.82 + 0.18 * bulge
                    for channel in range(3):
                        old = picture[y, x, channel]
                        picture[y, x, channel] = old + cover * (colours[index, channel] * shade - old)
                    if cover >= 0.5:
                        depth[y, x] = distance


def render_action(
    action: str, seed: int, duration_s: float, *, width: int = 224, height: int = 176, frame_rate_hz: float = 30.0
) -> Iterator[tuple[int, np.ndarray]]:
    """Films a person who performs an action.

    Clothes, build, tempo, range of motion, view and background follow from the seed; equal arguments give equal
    bits.

    Args:
        action: a name in ``actions.ACTIONS``.
        seed: of the person and its surroundings.
        duration_s: length of the film.
        width, height: of the picture, pixels.
        frame_rate_hz: pictures per second.

    Returns:
        An iterator of time in microseconds from the start and picture ``(H, W, 3) uint8`` RGB.

    Raises:
        ParameterError: an unknown action, or a duration, rate or size that is not above 0.
    """
    chosen = find_action(action)
    for name, value in (
        ("duration_s", duration_s),
        ("frame_rate_hz", frame_rate_hz),
        ("width", width),
        ("height", height),
    ):
        if not value > 0:
            raise ParameterError(f"{name} {value}: must be above 0")
    number = max(1, int(duration_s * frame_rate_hz + 1e-6))
    random = np.random.default_rng([seed, sorted(ACTIONS).index(action), 30])
    return _film(chosen, random, width, height, [round(index * 1e6 / frame_rate_hz) for index in range(number)])


def _background(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Soft blots of colour and a grain that stays: ``(H, W, 3) float32``, 0 to 255."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    blur = np.exp(-2 * (np.pi * random.uniform(7, 11)) ** 2 * (fx**2 + fy**2))
    blots = [
        np.fft.irfft2(np.fft.rfft2(random.standard_normal((height, width))) * blur, (height, width)) for _ in range(3)
    ]
    colour = 127 + 85 * np.stack([blot / blot.std() for blot in blots], 2)
    return (colour + random.normal(0, 9, (height, width, 1))).clip(0, 255).astype(np.float32)


def _film(
    action: Action, random: np.random.Generator, width: int, height: int, times_us: list[int]
) -> Iterator[tuple[int, np.ndarray]]:
    background = _background(random, width, height)
    skin = np.array([(232, 190, 160), (205, 160, 125), (140, 100, 75), (90, 62, 48)])[random.integers(4)]
    shoes = random.uniform(15, 70, 3)
    colours = np.stack(
        [random.uniform(20, 230, 3), random.uniform(20, 200, 3), skin * random.uniform(0.85, 1.05), shoes]
    )
    tint = (colours[_PARTS] * random.uniform(0.93, 1.07, (len(_PARTS), 1))).clip(0, 255)
    girth = _RADII_M * random.uniform(0.9, 1.15)
    tempo = random.uniform(0.85, 1.18) / action.period_s
    phase = random.uniform(0, 1) if action.loops else -random.uniform(0.0, 0.08)
    span = random.uniform(0.88, 1.08)
    # Standing people sway by millimetres: more would look like a motion of its own to a network.
    tremor = random.normal(0, 0.001, (3, 15)) * np.array([2, 0.5, 2, 250, 250, *[5] * 6, 0, 0, 0, 0])
    beat = random.uniform(0.4, 1.6, 3)
    yaw = random.uniform(-0.9, 0.9)
    distance_m, eye_m = random.uniform(3.0, 3.7), random.uniform(1.0, 1.5)
    focal = 1.47 * height * random.uniform(0.93, 1.05)
    aside_m, size = random.uniform(-0.3, 0.3), random.uniform(0.94, 1.05)
    mean = action.keys[:, 1:].mean(0)
    for t_us in times_us:
        t_s = t_us * 1e-6
        row = mean + span * (body(action, phase + tempo * t_s) - mean)
        row[11:15] = body(action, phase + tempo * t_s)[11:15]
        row = row + np.sin(2 * np.pi * beat * t_s) @ tremor
        points = joints(row) * size
        x = np.cos(yaw) * points[:, 0] + np.sin(yaw) * points[:, 2] + aside_m
        away = distance_m - (np.cos(yaw) * points[:, 2] - np.sin(yaw) * points[:, 0])
        scale = focal / away
        # The camera looks level from eye_m; the principal point is moved so that the body stands in the middle.
        seen = np.stack(
            [width / 2 + scale * x, 0.54 * height - scale * (points[:, 1] - 0.95 - 0.1 * (eye_m - 1.2)), away], 1
        )
        picture, depth = background.copy(), np.full((height, width), np.inf)
        _draw(picture, depth, seen[_ENDS], girth[:, None] * scale[_ENDS], tint)
        yield t_us, np.round(picture).clip(0, 255).astype(np.uint8)
