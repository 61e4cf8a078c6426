"""People on the street as limbs that turn to the camera: they walk, stand, and cross."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.simulation.street.raster import CUTOUT, ROUND, TWO_SIDED, Ribbons
from halsie_ros.simulation.street.textures import PLACES

PERSON = 3
_SKINS = ((0.62, 0.42, 0.32), (0.45, 0.28, 0.2), (0.2, 0.11, 0.07), (0.09, 0.05, 0.035))


@dataclass(frozen=True)
class Walker:
    """How a person looks: height in metres, colours of the limbs, girths."""

    height_m: float
    tints: np.ndarray  # (limbs, 3)
    girth: float
    texture: int
    swing: float


@lru_cache(maxsize=2048)
def make_walker(street_seed: int, number: int) -> Walker:
    """Person ``number`` of a street."""
    random = np.random.default_rng([street_seed, 8, number])
    skin = np.array(_SKINS[random.choice(4, p=[0.5, 0.25, 0.15, 0.1])])
    hair = np.array(((0.02, 0.015, 0.01), (0.12, 0.06, 0.02), (0.4, 0.28, 0.1), (0.4, 0.4, 0.4)))[random.integers(4)]
    coat, trousers = random.uniform(0.02, 0.75, 3) ** 1.4, random.uniform(0.01, 0.4) * random.uniform(0.7, 1.2, 3)
    bare = random.random() < 0.35
    arms = skin if bare else coat * 0.92
    legs = [trousers, trousers * 0.92]
    shins = [skin, skin] if random.random() < 0.12 else legs
    bag = random.uniform(0.02, 0.5, 3) if random.random() < 0.4 else coat
    tints = [coat, coat * 0.95, *legs, *shins, coat * 0.95, coat * 0.9, arms, arms, skin, hair, bag]
    tall = random.normal(1.72, 0.09) if random.random() < 0.88 else random.uniform(1.05, 1.4)
    return Walker(
        float(tall),
        np.array(tints, np.float32),
        random.uniform(0.85, 1.3),
        int(random.choice(PLACES["limb"])),
        random.uniform(0.7, 1.2),
    )


_RADII = np.array(
    [(0.13, 0.17), (0.15, 0.14), (0.085, 0.06), (0.085, 0.06), (0.055, 0.045), (0.055, 0.045),
     (0.05, 0.045), (0.05, 0.045), (0.04, 0.035), (0.04, 0.035), (0.095, 0.1), (0.1, 0.09), (0.12, 0.12)], np.float32
)  # fmt: skip


@njit()
def _towards(out, limb, start, angle, length, ahead_x, ahead_y, spread):
    """Fills limb ``limb``: from ``start``, hanging, swung ahead by ``angle``, its end moved aside by ``spread``."""
    forward = np.sin(angle) * length
    out[limb, 0] = start
    out[limb, 1, 0] = start[0] + forward * ahead_x - spread * ahead_y
    out[limb, 1, 1] = start[1] + forward * ahead_y + spread * ahead_x
    out[limb, 1, 2] = start[2] - np.cos(angle) * length


@njit()
def _limbs(heading, phase, moving, swing):
    """Ends of the limbs of a person 1.75 m tall at the origin, ``(13, 2, 3)``, in the order of a walker's tints."""
    out = np.zeros((13, 2, 3))
    ahead_x, ahead_y = np.cos(heading), np.sin(heading)
    swing *= (0.5 if moving else 0.06) * np.sin(phase)
    hip_z = 0.9 + (0.025 * abs(np.cos(phase)) if moving else 0.0)
    neck = np.array([0.03 * ahead_x, 0.03 * ahead_y, hip_z + 0.54])
    out[0, 0, 2] = hip_z - 0.02
    out[0, 1] = neck
    out[1, 0, 2], out[1, 1, 2] = hip_z + 0.08, hip_z - 0.16
    for index in range(2):
        side = 1 - 2 * index
        bend = (0.25 + 0.75 * max(0.0, np.cos(phase) * side)) * (0.8 if moving else 0.1)
        hip = np.array([-side * 0.09 * ahead_y, side * 0.09 * ahead_x, hip_z])
        _towards(out, 2 + index, hip, side * swing, 0.43, ahead_x, ahead_y, 0.0)
        _towards(out, 4 + index, out[2 + index, 1], side * swing - bend, 0.44, ahead_x, ahead_y, 0.0)
        shoulder = neck + np.array([-side * 0.2 * ahead_y, side * 0.2 * ahead_x, -0.05])
        _towards(out, 6 + index, shoulder, -side * swing * 0.8, 0.29, ahead_x, ahead_y, side * 0.04)
        _towards(out, 8 + index, out[6 + index, 1], -side * swing * 0.8 + 0.35, 0.3, ahead_x, ahead_y, 0.0)
    for limb, back, low, high in ((10, 0.0, 0.02, 0.27), (11, 0.02, 0.15, 0.305), (12, 0.16, -0.1, -0.45)):
        for end, height in ((0, low), (1, high)):
            out[limb, end, 0] = neck[0] - back * ahead_x
            out[limb, end, 1] = neck[1] - back * ahead_y
            out[limb, end, 2] = neck[2] + height
    return out


def walker_ribbons(walker: Walker, middle: np.ndarray, heading: float, phase: float, moving: bool) -> Ribbons:
    """The limbs of one person.

    Args:
        walker: who.
        middle: (x, y, z) of the ground below the person.
        heading: where the person goes, radians.
        phase: of the step, radians; one turn is two steps.
        moving: whether the person walks or stands.
    """
    scale = walker.height_m / 1.75
    ends = _limbs(heading, phase, moving, walker.swing)
    number = len(ends)
    points = (ends * scale + middle).astype(np.float32)
    radius = _RADII * np.float32(scale)
    radius[[0, 1, 6, 7, 12]] *= walker.girth
    kind = np.empty((number, 3), np.int32)
    kind[:] = (walker.texture, PERSON, CUTOUT | TWO_SIDED | ROUND)
    kind[10:12, 0] = PLACES["disc"][0]
    return Ribbons(
        points, radius, np.ones(number, np.float32), walker.tints, np.zeros(number, np.float32), kind,
        np.full((number, 3), -1, np.int32),
    )  # fmt: skip
