"""A building site: one block of street while things are put on it, and the tools to put them there.

Places are given along (s, metres from the block's start), aside (d, metres left of the middle) and up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from halsie_ros.simulation.street.layout import Layout
from halsie_ros.simulation.street.mesh import Mesh
from halsie_ros.simulation.street.path import StreetLine
from halsie_ros.simulation.street.raster import CUTOUT, GROUND, LEAFY, ROUND, TWO_SIDED
from halsie_ros.simulation.street.textures import PLACES

BACKGROUND, BUILDING, FENCE, PERSON, POLE, ROAD, SIDEWALK, VEGETATION, VEHICLE, WALL, SIGN = range(11)
"""Ids of ``segmentation.labels.DSEC_11``."""
KERB_M = 0.13


class Site:
    """Collects one block's surfaces.

    Attributes:
        layout: of the street.
        line: of the street.
        random: the block's own source of chance.
        s0_m: where the block starts.
        sun: direction towards the sun, (3,).
        sunny: whether things cast shadows.
        mesh: what was put so far.
        lamps: positions of the street lamps so far.
    """

    def __init__(self, layout: Layout, line: StreetLine, s0_m: float, sun: np.ndarray, sunny: bool, block: int) -> None:
        self.layout = layout
        self.line = line
        self.random = np.random.default_rng([layout.seed, 7, block])
        self.s0_m = s0_m
        self.sun = sun
        self.sunny = sunny
        self.mesh = Mesh()
        self.lamps: list[np.ndarray] = []

    def point(self, s: float, d: float, z: float = 0.0) -> np.ndarray:
        """The place ``(3,)`` at s metres along the block, d metres aside and z metres above the road."""
        return np.append(self.line.at(max(self.s0_m + s, 0.0), d), z)

    def tint(self, low: float, high: float, colour: float = 0.12) -> np.ndarray:
        """A random colour ``(3,)``: a brightness of low to high, times a small gain of each channel."""
        return self.random.uniform(low, high) * self.random.uniform(1 - colour, 1 + colour, 3)

    def flat(
        self,
        s: Sequence[float],
        d: Sequence[float],
        z: float,
        texture: int,
        label: int,
        tint: Any,
        size_m: float,
        flags: int = GROUND,
    ) -> None:
        """Adds a level surface between two places along the block and two aside."""
        corners = [
            self.point(s[0], d[0], z),
            self.point(s[1], d[0], z),
            self.point(s[1], d[1], z),
            self.point(s[0], d[1], z),
        ]
        shift = (self.s0_m + s[0]) / size_m
        self.mesh.polygon(
            corners,
            texture,
            label,
            tint,
            flags,
            along=1 / size_m,
            up=1 / size_m,
            shift=(shift % 64, 0),
            outward=(0, 0, 1),
        )

    def upright(
        self,
        start: np.ndarray,
        end: np.ndarray,
        z: tuple[float, float],
        towards: np.ndarray,
        texture: int,
        label: int,
        tint: Sequence[float] | np.ndarray,
        size_m: tuple[float, float],
        flags: int = 0,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """A standing wall between two ground points, seen from the side of the point ``towards``."""
        corners = [(*start[:2], z[0]), (*end[:2], z[0]), (*end[:2], z[1]), (*start[:2], z[1])]
        outward = np.append(towards[:2] - start[:2], 0.0)
        self.mesh.polygon(
            corners, texture, label, tint, flags, along=1 / size_m[0], up=1 / size_m[1], shift=shift, outward=outward
        )

    def leaves(self, base: np.ndarray, radius: float, tint: np.ndarray) -> None:
        """Adds a round crown of leaves that faces the camera."""
        texture = int(self.random.choice(PLACES["crown"]))
        top = base + np.array([0, 0, 2 * radius * self.random.uniform(0.8, 1.1)])
        self.mesh.ribbon(base, top, radius, texture, VEGETATION, tint, CUTOUT | TWO_SIDED | ROUND | LEAFY)

    def tree(self, s: float, d: float, scale: float) -> None:
        """Adds a tree of random kind and height, with its shadow."""
        layout, random = self.layout, self.random
        base = self.point(s, d, 0.0)
        tint = layout.leaf_tint * random.uniform(0.65, 1.3) * random.uniform(0.9, 1.1, 3)
        height = scale * random.uniform(4.5, 8)
        if layout.conifers and random.random() < 0.7:
            self.mesh.ribbon(
                base,
                base + np.array([0, 0, height * 1.2]),
                height * 0.26,
                int(random.choice(PLACES["conifer"])),
                VEGETATION,
                tint * 0.7,
                CUTOUT | TWO_SIDED | ROUND | LEAFY,
            )
            return
        lean = np.append(random.normal(0, 0.25, 2), height * 0.55)
        self.mesh.ribbon(
            base,
            base + lean,
            (0.05 + 0.022 * height, 0.02 + 0.012 * height),
            PLACES["bark"][0],
            VEGETATION,
            self.tint(0.12, 0.3),
            ROUND,
            repeat=height / 3,
        )
        spread = height * random.uniform(0.2, 0.3)
        centre = base + np.array([lean[0], lean[1], height * 0.68])
        for _ in range(random.integers(5, 10)):
            offset = random.normal(0, 1, 3)
            offset *= spread * random.uniform(0.3, 0.95) / np.linalg.norm(offset) * np.array([1, 1, 0.8])
            radius = spread * random.uniform(0.5, 0.85)
            self.leaves(centre + offset - np.array([0, 0, radius]), radius, tint * (1 + 0.25 * offset[2] / spread))
        if self.sunny:
            reach = -self.sun[:2] / max(self.sun[2], 0.12)
            self.mesh.shadow(
                base[:2] + np.array([(0.12, 0), (0, 0.12), *(reach * height * 0.5 + w for w in ((0, 0.1), (0.1, 0)))])
            )
            for _ in range(3):
                middle = (
                    centre[:2]
                    + reach * (height * 0.68 + random.normal(0, 0.4 * spread))
                    + random.normal(0, 0.35 * spread, 2)
                )
                angles = np.arange(6) * np.pi / 3 + random.uniform(0, 1)
                ring = spread * random.uniform(0.5, 1.0, 6)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
                self.mesh.shadow(middle + ring)

    def pole(self, base: np.ndarray, height: float, radius: float, tint: Any) -> np.ndarray:
        """Adds a pole with its shadow, and gives its upper end ``(3,)``."""
        top: np.ndarray = base + np.array([0, 0, height])
        self.mesh.ribbon(base, top, (radius, radius * 0.7), PLACES["metal"][0], POLE, tint, ROUND, repeat=height)
        if self.sunny:
            reach = -self.sun[:2] / max(self.sun[2], 0.12) * height
            aside = np.array([-self.sun[1], self.sun[0]]) / (np.linalg.norm(self.sun[:2]) + 1e-6) * radius
            self.mesh.shadow([base[:2] - aside, base[:2] + aside, base[:2] + reach + aside, base[:2] + reach - aside])
        return top

    def sign(self, s: float, d: float, facing: int) -> None:
        """A sign on its pole; it faces back along the street (-1: traffic that comes up, as the camera does)."""
        random = self.random
        base = self.point(s, d, KERB_M)
        height = random.uniform(2.0, 2.7)
        self.pole(base, height + 0.3, 0.035, (0.4, 0.4, 0.42))
        heading = self.line.heading(self.s0_m + s) + random.normal(0, 0.12)
        right = np.array([np.sin(heading), -np.cos(heading), 0])
        for level in range(1 if random.random() < 0.75 else 2):
            half = random.uniform(0.28, 0.45)
            low = (
                base
                + np.array([0, 0, height - 0.3 - level * 0.85])
                - 0.06 * np.array([np.cos(heading), np.sin(heading), 0])
            )
            up = np.array([0, 0, 2 * half])
            board = [low - right * half, low + right * half, low + right * half + up, low - right * half + up]
            self.mesh.polygon(
                board,
                int(random.choice(PLACES["sign"])),
                SIGN,
                (0.9,) * 3,
                CUTOUT | TWO_SIDED,
                along=0.5 / half,
                up=0.5 / half,
            )

    def traffic_light(self, s: float, d: float) -> None:
        """Adds a pole with a traffic light."""
        base = self.point(s, d, KERB_M)
        top = self.pole(base, 3.2, 0.06, (0.12, 0.13, 0.12))
        heading = self.line.heading(self.s0_m + s)
        ahead, right = np.array([np.cos(heading), np.sin(heading), 0]), np.array([np.sin(heading), -np.cos(heading), 0])
        low = top - np.array([0, 0, 0.8])
        up = np.array([0, 0, 0.95])
        half = 0.19
        face = [low - ahead * 0.15 + right * w for w in (-half, half)]
        rear = [low + ahead * 0.15 + right * w for w in (-half, half)]
        texture = int(self.random.choice(PLACES["lights"]))
        self.mesh.polygon(
            [*face, face[1] + up, face[0] + up],
            texture,
            SIGN,
            (1, 1, 1),
            0,
            along=0.5 / half,
            up=1 / 0.95,
            glow=0.8,
            outward=-ahead,
        )
        for a, b, out in ((rear[0], rear[1], ahead), (face[0], rear[0], -right), (face[1], rear[1], right)):
            self.mesh.polygon([a, b, b + up, a + up], PLACES["metal"][0], SIGN, (0.05,) * 3, 0, outward=out)
