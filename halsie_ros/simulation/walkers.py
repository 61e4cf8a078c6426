"""People on the street as limbs that turn to the camera: they walk, stand, and cross."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from halsie_ros.simulation.raster import CUTOUT, ROUND, TWO_SIDED, Ribbons
from halsie_ros.simulation.textures import PLACES

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
    ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
    left = np.array([-ahead[1], ahead[0], 0.0])
    up = np.array([0.0, 0.0, 1.0])
    swing = (0.5 if moving else 0.06) * walker.swing * np.sin(phase)
    hip = 0.9 * up + (0.025 * abs(np.cos(phase)) if moving else 0.0) * up
    neck = hip + 0.54 * up + 0.03 * ahead
    ends = [(hip - 0.02 * up, neck), (hip + 0.08 * up, hip - 0.16 * up)]
    knees, feet = [], []
    for side in (1, -1):
        angle = side * swing
        bend = (0.25 + 0.75 * max(0.0, np.cos(phase) * side)) * (0.8 if moving else 0.1)
        knee = hip + side * 0.09 * left + 0.43 * (np.sin(angle) * ahead - np.cos(angle) * up)
        foot = knee + 0.44 * (np.sin(angle - bend) * ahead - np.cos(angle - bend) * up)
        knees.append((hip + side * 0.09 * left, knee))
        feet.append((knee, foot))
    ends += knees + feet
    uppers, lowers = [], []
    for side in (1, -1):
        angle = -side * swing * 0.8
        shoulder = neck + side * 0.2 * left - 0.05 * up
        elbow = shoulder + 0.29 * (np.sin(angle) * ahead - np.cos(angle) * up) + side * 0.04 * left
        hand = elbow + 0.3 * (np.sin(angle + 0.35) * ahead - np.cos(angle + 0.35) * up)
        uppers.append((shoulder, elbow))
        lowers.append((elbow, hand))
    ends += uppers + lowers
    ends.append((neck + 0.02 * up, neck + 0.27 * up))
    ends.append((neck + 0.15 * up - 0.02 * ahead, neck + 0.305 * up - 0.02 * ahead))
    ends.append((neck - 0.1 * up - 0.16 * ahead, neck - 0.45 * up - 0.16 * ahead))
    number = len(ends)
    points = (np.array(ends) * scale + middle).astype(np.float32)
    radius = _RADII * np.float32(scale)
    radius[[0, 1, 6, 7, 12]] *= walker.girth
    kind = np.empty((number, 3), np.int32)
    kind[:] = (walker.texture, PERSON, CUTOUT | TWO_SIDED | ROUND)
    kind[10:12, 0] = PLACES["disc"][0]
    return Ribbons(
        points, radius, np.ones(number, np.float32), walker.tints, np.zeros(number, np.float32), kind,
        np.full((number, 3), -1, np.int32),
    )  # fmt: skip
