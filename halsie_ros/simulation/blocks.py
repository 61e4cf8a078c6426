"""The fixed part of the street, built block by block: ground, kerbs, markings, frontages and furniture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halsie_ros.simulation.mesh import Mesh
from halsie_ros.simulation.path import BLOCK_M, StreetLine
from halsie_ros.simulation.raster import (
    CUTOUT,
    DECAL,
    FACADE,
    GROUND,
    LEAFY,
    ROUND,
    TWO_SIDED,
    Polygons,
    Ribbons,
)
from halsie_ros.simulation.textures import PLACES
from halsie_ros.simulation.vehicles import make_vehicle

BACKGROUND, BUILDING, FENCE, PERSON, POLE, ROAD, SIDEWALK, VEGETATION, VEHICLE, WALL, SIGN = range(11)
KERB_M = 0.13


class Layout:
    """What stays the same along a street: widths, materials, colours, how much of everything."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng([seed, 6])
        self.seed = seed
        self.road_m = random.uniform(2.9, 7.5)  # half width
        self.lanes = 2 if self.road_m > 6.0 else 1
        self.verge_m = random.uniform(0.8, 2.6) if random.random() < 0.55 else 0.0
        self.pavement_m = random.uniform(1.6, 4.5)
        self.parking = random.random() < 0.6 and self.road_m > 4.2
        self.road_tint = np.full(3, random.uniform(0.07, 0.22)) * random.uniform(0.92, 1.08, 3)
        self.pavement_tint = np.full(3, random.uniform(0.22, 0.5)) * random.uniform(0.88, 1.12, 3)
        self.kerb_tint = np.full(3, random.uniform(0.3, 0.6))
        self.grass_tint = np.array([0.28, 0.34, 0.2]) * random.uniform(0.6, 1.3, 3)
        self.leaf_tint = np.array([0.26, 0.34, 0.22]) * random.uniform(0.6, 1.4, 3)
        self.asphalt, self.slab = (int(random.choice(PLACES[name])) for name in ("asphalt", "slabs"))
        self.marking_tint = np.array([0.75, 0.75, 0.72]) if random.random() < 0.85 else np.array([0.75, 0.5, 0.05])
        self.dashed = random.random() < 0.8
        self.edge_lines = random.random() < 0.4
        self.lamp_every_m = random.uniform(22, 34)
        self.lamp_height_m = random.uniform(4.5, 8.5)
        self.lamp_tint = np.full(3, random.uniform(0.1, 0.45))
        self.tree_every_m = random.uniform(6, 16)
        self.tree_share = random.uniform(0.1, 0.95)
        self.conifers = random.random() < 0.15
        # Frontages: house row, detached house, wall, fence, hedge, side street or open green.
        self.frontage = random.dirichlet(np.array([3.0, 1.6, 1.0, 1.3, 1.0, 0.6]))
        self.setback_m = random.choice([0.0, random.uniform(1, 6)])
        self.storeys = random.uniform(1.6, 6.5)
        self.facades = random.choice(PLACES["facade"], 5, replace=False)
        self.walkers = random.uniform(0.2, 1.0)
        self.traffic = random.uniform(0.2, 1.0)

    @property
    def kerb_d_m(self) -> float:
        """Where the road ends, metres from the middle."""
        return self.road_m

    @property
    def front_d_m(self) -> float:
        """Where the pavement ends."""
        return self.road_m + self.verge_m + self.pavement_m


@dataclass(frozen=True)
class Block:
    """One built block."""

    polygons: Polygons
    ribbons: Ribbons
    shadows: tuple[np.ndarray, np.ndarray]
    lamps: np.ndarray  # (N, 3) positions of the street lamps


class BlockBuilder:
    """Builds block ``index`` of a street: the same block for the same seed, whatever was built before."""

    def __init__(self, layout: Layout, line: StreetLine, sun: np.ndarray, sunny: bool) -> None:
        self._layout = layout
        self._line = line
        self._sun = sun
        self._sunny = sunny

    def build(self, index: int) -> Block:
        """The block between ``index * BLOCK_M`` and the next."""
        self._random = np.random.default_rng([self._layout.seed, 7, index])
        self._mesh = Mesh()
        self._lamps: list[np.ndarray] = []
        self._s0 = index * BLOCK_M
        self._ground()
        self._markings()
        for side in (-1, 1):
            self._frontages(side)
            self._furniture(side)
            self._parked(side)
        lamps = np.array(self._lamps, np.float32).reshape(-1, 3)
        return Block(self._mesh.polygons, self._mesh.ribbons, self._mesh.shadows, lamps)

    # -- places and plain surfaces

    def _point(self, s: float, d: float, z: float = 0.0) -> np.ndarray:
        return np.append(self._line.at(max(self._s0 + s, 0.0), d), z)

    def _tint(self, low: float, high: float, colour: float = 0.12) -> np.ndarray:
        return self._random.uniform(low, high) * self._random.uniform(1 - colour, 1 + colour, 3)

    def _flat(
        self,
        s: Sequence[float],
        d: Sequence[float],
        z: float,
        texture: int,
        label: int,
        tint,
        size_m: float,
        flags: int = GROUND,
    ) -> None:
        corners = [
            self._point(s[0], d[0], z),
            self._point(s[1], d[0], z),
            self._point(s[1], d[1], z),
            self._point(s[0], d[1], z),
        ]
        shift = (self._s0 + s[0]) / size_m
        self._mesh.polygon(
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

    def _upright(self, start: np.ndarray, end: np.ndarray, z: tuple[float, float], towards: np.ndarray, texture: int, label: int, tint,
                 size_m: tuple[float, float], flags: int = 0, shift: tuple[float, float] = (0.0, 0.0)) -> None:  # fmt: skip
        """A standing wall between two ground points, seen from the side of the point ``towards``."""
        corners = [(*start[:2], z[0]), (*end[:2], z[0]), (*end[:2], z[1]), (*start[:2], z[1])]
        outward = np.append(towards[:2] - start[:2], 0.0)
        self._mesh.polygon(
            corners, texture, label, tint, flags, along=1 / size_m[0], up=1 / size_m[1], shift=shift, outward=outward
        )

    # -- ground

    def _ground(self) -> None:
        layout = self._layout
        grass = PLACES["grass"][0]
        step = BLOCK_M / 8
        for piece in range(8):
            s = (piece * step, (piece + 1) * step + 0.02)
            self._flat(s, (-layout.road_m, 0.02), 0.0, layout.asphalt, ROAD, layout.road_tint, 4.0)
            self._flat(s, (0.0, layout.road_m), 0.0, layout.asphalt, ROAD, layout.road_tint, 4.0)
            for side in (-1, 1):
                kerb, walk, front = (
                    side * d for d in (layout.road_m, layout.road_m + layout.verge_m, layout.front_d_m)
                )
                a, b = self._point(s[0], kerb), self._point(s[1], kerb)
                self._upright(
                    a,
                    b,
                    (0.0, KERB_M),
                    self._point(s[0], 0.0),
                    PLACES["concrete"][0],
                    SIDEWALK,
                    layout.kerb_tint,
                    (1.0, 1.0),
                )
                self._flat(
                    s, (kerb, kerb + side * 0.16), KERB_M, PLACES["concrete"][0], SIDEWALK, layout.kerb_tint, 1.0
                )
                if layout.verge_m:
                    self._flat(s, (kerb + side * 0.16, walk), KERB_M, grass, VEGETATION, layout.grass_tint, 2.5)
                self._flat(
                    s,
                    (walk if layout.verge_m else kerb + side * 0.16, front),
                    KERB_M,
                    layout.slab,
                    SIDEWALK,
                    layout.pavement_tint,
                    2.4,
                )
        for half in range(2):
            s = (half * BLOCK_M / 2, (half + 1) * BLOCK_M / 2 + 0.05)
            for side in (-1, 1):
                self._flat(
                    s,
                    (side * layout.front_d_m, side * (layout.front_d_m + 75)),
                    0.05,
                    grass,
                    VEGETATION,
                    layout.grass_tint,
                    3.5,
                )

    def _markings(self) -> None:
        layout, random = self._layout, self._random
        tint, paint = layout.marking_tint * random.uniform(0.7, 1.0), PLACES["plaster"][0]

        def mark(s0: float, s1: float, d0: float, d1: float, colour=tint, texture: int = paint) -> None:
            self._flat((s0, s1), (d0, d1), 0.0, texture, ROAD, colour, 2.0, GROUND | DECAL)

        lines = [0.0] if layout.lanes == 1 else [0.0, -layout.road_m / 2, layout.road_m / 2]
        if layout.road_m > 3.4:
            for d in lines:
                for start in np.arange(1.0, BLOCK_M, 5.0 if layout.dashed or d else 2.5):
                    mark(start, start + (2.6 if layout.dashed or d else 2.55), d - 0.07, d + 0.07)
        if layout.edge_lines:
            for start in np.arange(0.0, BLOCK_M, 5.0):
                for d in (-layout.road_m + 0.3, layout.road_m - 0.3):
                    mark(start, start + 5.02, d - 0.06, d + 0.06)
        if random.random() < 0.3:
            place = random.uniform(6, BLOCK_M - 8)
            for d in np.arange(-layout.road_m + 0.4, layout.road_m - 0.5, 1.0):
                mark(place, place + 3.2, d, d + 0.5, np.array([0.75, 0.75, 0.72]))
            for side in (-1, 1):
                self._sign(place - 1.0, side * (layout.road_m + 0.4), -side)
        for _ in range(random.integers(1, 5)):  # repairs and covers
            s, d = random.uniform(1, BLOCK_M - 5), random.uniform(-layout.road_m + 0.6, layout.road_m - 1.5)
            size = random.uniform(0.5, 2.5)
            mark(
                s,
                s + size * random.uniform(1, 2.0),
                d,
                min(d + size * 0.6, layout.road_m),
                layout.road_tint * random.uniform(0.55, 1.35),
                layout.asphalt,
            )

    # -- what stands beside the pavement

    def _frontages(self, side: int) -> None:
        layout, random = self._layout, self._random
        s = 0.0
        while s < BLOCK_M - 0.5:
            width = min(random.uniform(8, 20), BLOCK_M - s)
            if BLOCK_M - s - width < 6:
                width = BLOCK_M - s
            kind = random.choice(6, p=layout.frontage)
            edge = layout.front_d_m
            if kind == 0:
                self._house(side, s, s + width, edge + layout.setback_m)
                if layout.setback_m > 1.2:
                    self._edge(side, s, s + width, edge, random.integers(3))
            elif kind == 1:
                gap = random.uniform(1.0, 3.0)
                self._house(side, s + gap, s + width - gap, edge + random.uniform(3, 9), detached=True)
                self._edge(side, s, s + width, edge, random.integers(3))
                self._garden(side, s, s + width, edge)
            elif kind == 5:
                self._open(side, s, s + width, edge)
            else:
                self._edge(side, s, s + width, edge, (2, 0, 1)[kind - 2], tall=True)
                self._garden(side, s, s + width, edge)
                if random.random() < 0.5:
                    self._house(side, s, s + width, edge + random.uniform(9, 22), detached=True)
            s += width
        for _ in range(2):  # what looks over the roofs
            if random.random() < 0.5:
                start = random.uniform(0, BLOCK_M - 18)
                self._house(
                    side,
                    start,
                    start + random.uniform(10, 18),
                    edge + random.uniform(28, 60),
                    detached=True,
                    factor=random.uniform(1.2, 3.0),
                )

    def _house(self, side: int, s0: float, s1: float, d: float, *, detached: bool = False, factor: float = 1.0) -> None:
        layout, random = self._layout, self._random
        depth = random.uniform(7, 13)
        storey = random.uniform(2.8, 3.5)
        floors = max(1, round(factor * layout.storeys * random.uniform(0.6, 1.4)))
        ground_m = storey * random.uniform(1.0, 1.35)
        top = KERB_M + ground_m + (floors - 1) * storey
        texture = int(random.choice(layout.facades if not detached else PLACES["facade"]))
        tint = self._tint(0.25, 0.85, 0.3)
        bays = max(1, round((s1 - s0) / random.uniform(1.8, 3.4)))
        front = [self._point(s0, side * d), self._point(s1, side * d)]
        back = [self._point(s0, side * (d + depth)), self._point(s1, side * (d + depth))]
        street = self._point(0.5 * (s0 + s1), 0.0)
        bay = np.linalg.norm(front[1] - front[0]) / bays
        salt = (float(random.integers(1000)), float(random.integers(1000)))
        shop = not detached and random.random() < 0.55
        below = int(random.choice(PLACES["shop"])) if shop else texture
        below_m = (max(bay * 2, 3.5), ground_m) if shop else (bay, ground_m)
        self._upright(
            front[0],
            front[1],
            (0.0, KERB_M + ground_m),
            street,
            below,
            BUILDING,
            tint if not shop else self._tint(0.3, 0.85, 0.2),
            below_m,
            FACADE,
            salt,
        )
        if floors > 1:
            self._upright(
                front[0],
                front[1],
                (KERB_M + ground_m, top),
                street,
                texture,
                BUILDING,
                tint,
                (bay, storey),
                FACADE,
                salt,
            )
        for near, far, other in ((front[0], back[0], front[1]), (front[1], back[1], front[0])):
            outside = near * 2 - other
            if random.random() < 0.5:
                self._upright(
                    near,
                    far,
                    (0.0, top),
                    outside,
                    texture,
                    BUILDING,
                    tint * 0.95,
                    (bay * 1.2, storey),
                    FACADE,
                    (salt[1], salt[0]),
                )
            else:
                self._upright(
                    near,
                    far,
                    (0.0, top),
                    outside,
                    PLACES["plaster" if random.random() < 0.6 else "bricks"][0],
                    BUILDING,
                    tint * 0.95,
                    (3.0, 3.0),
                )
        self._roof(front, back, top, detached or random.random() < 0.5, street)
        if self._sunny and factor == 1.0 and d < layout.front_d_m + 10:
            self._mesh.cast(np.array([p[:2] for p in (front[0], front[1], back[1], back[0])]), top, self._sun)

    def _roof(self, front: list, back: list, top: float, gable: bool, street: np.ndarray) -> None:
        random = self._random
        tint = np.array([(0.4, 0.16, 0.1), (0.2, 0.19, 0.2), (0.3, 0.22, 0.16)][random.integers(3)]) * random.uniform(
            0.7, 1.3
        )
        lift = np.array([0, 0, top])
        if not gable:
            self._mesh.polygon(
                [front[0] + lift, front[1] + lift, back[1] + lift, back[0] + lift],
                PLACES["concrete"][0],
                BUILDING,
                (0.3, 0.3, 0.3),
                0,
                along=0.3,
                up=0.3,
                outward=(0, 0, 1),
            )
            return
        rise = np.array([0, 0, random.uniform(1.5, 3.5)])
        ridge = [0.5 * (front[i] + back[i]) + lift + rise for i in range(2)]
        for edge in (front, back):
            self._mesh.polygon(
                [edge[0] + lift, edge[1] + lift, ridge[1], ridge[0]],
                PLACES["roof"][0],
                BUILDING,
                tint,
                0,
                along=0.35,
                up=0.35,
                outward=(0, 0, 1),
            )
        for i in range(2):
            self._mesh.polygon(
                [front[i] + lift, back[i] + lift, ridge[i]],
                PLACES["plaster"][0],
                BUILDING,
                (0.5, 0.48, 0.45),
                TWO_SIDED,
                along=0.3,
                up=0.3,
                outward=front[i] - front[1 - i],
            )
        if random.random() < 0.5:
            place = ridge[0] + (ridge[1] - ridge[0]) * random.uniform(0.2, 0.8)
            self._mesh.ribbon(
                place - rise * 0.2, place + np.array([0, 0, 1.2]), 0.4, PLACES["bricks"][0], BUILDING, (0.4, 0.25, 0.2)
            )

    def _edge(self, side: int, s0: float, s1: float, d: float, kind: int, *, tall: bool = False) -> None:
        """A fence (0), hedge (1) or wall (2) along the pavement."""
        random = self._random
        height = random.uniform(1.5, 3.2) if tall and kind == 2 else random.uniform(0.7, 1.9)
        texture = int(random.choice([*PLACES["pickets"], *PLACES["rails"]])) if kind == 0 else 0
        tint = self._tint(0.12, 0.8, 0.3)
        leaf = self._layout.leaf_tint * random.uniform(0.6, 1.2)
        material = PLACES[random.choice(["stones", "bricks", "concrete", "plaster"])][0]
        cuts = np.linspace(s0, s1, max(2, int((s1 - s0) / 6) + 1))
        for start, end in zip(cuts[:-1], cuts[1:]):
            a, b, street = self._point(start, side * d), self._point(end, side * d), self._point(start, 0.0)
            z = (KERB_M - 0.1, KERB_M + height)
            if kind == 0:
                self._upright(
                    a, b, z, street, texture, FENCE, tint, (height * 1.3, height + 0.1), CUTOUT | TWO_SIDED, (0.0, 0.0)
                )
                continue
            thick = 0.8 if kind == 1 else 0.3
            c, e = self._point(start, side * (d + thick)), self._point(end, side * (d + thick))
            kinds = (
                (PLACES["leaves"][0], VEGETATION, leaf, 1.2, LEAFY)
                if kind == 1
                else (material, WALL, tint * 0.9, 2.2, 0)
            )
            skin, label, colour, size, flags = kinds
            self._upright(a, b, z, street, skin, label, colour, (size, size), flags)
            for near, far, other in ((a, c, b), (b, e, a)):
                self._upright(near, far, z, near * 2 - other, skin, label, colour, (size, size), flags)
            lift = np.array([0, 0, z[1]])
            self._mesh.polygon(
                [a + lift, b + lift, e + lift, c + lift],
                skin,
                label,
                colour * 0.9,
                flags,
                along=1 / size,
                up=1 / size,
                outward=(0, 0, 1),
            )
            if kind == 1:
                for spot in np.arange(start, end, 0.8):
                    top = self._point(spot + random.uniform(0, 0.6), side * (d + 0.1), z[1] - 0.45)
                    self._leaves(top, random.uniform(0.4, 0.75), leaf)
        if self._sunny and kind != 0:
            corners = [self._point(s, side * (d + e))[:2] for s, e in ((s0, 0), (s1, 0), (s1, 0.4), (s0, 0.4))]
            self._mesh.cast(np.array(corners), height, self._sun)

    def _open(self, side: int, s0: float, s1: float, d: float) -> None:
        """A side street, or open green with trees."""
        layout, random = self._layout, self._random
        if s1 - s0 > 7 and random.random() < 0.6:
            for near in np.arange(layout.road_m, layout.front_d_m + 60, 8.0):
                self._flat(
                    (s0 + 1, s1 - 1),
                    (side * near, side * (near + 8.05)),
                    KERB_M + 0.02,
                    layout.asphalt,
                    ROAD,
                    layout.road_tint * 1.05,
                    4.0,
                )
            if random.random() < 0.7:
                self._sign(s0 + 0.5, side * (layout.road_m + 0.5), -1)
            if random.random() < 0.5:
                self._traffic_light(s0 - 0.3, side * (layout.road_m + 0.45))
            return
        for _ in range(random.integers(2, 7)):
            self._tree(random.uniform(s0, s1), side * (d + random.uniform(1, 22)), random.uniform(0.7, 1.5))

    def _garden(self, side: int, s0: float, s1: float, d: float) -> None:
        random = self._random
        for _ in range(random.integers(0, 4)):
            self._tree(random.uniform(s0, s1), side * (d + random.uniform(1.2, 4)), random.uniform(0.5, 1.1))
        for _ in range(random.integers(0, 6)):
            spot = self._point(random.uniform(s0, s1), side * (d + random.uniform(0.7, 3)), 0.0)
            self._leaves(spot, random.uniform(0.5, 1.1), self._layout.leaf_tint * random.uniform(0.6, 1.3))

    # -- furniture

    def _leaves(self, base: np.ndarray, radius: float, tint: np.ndarray) -> None:
        texture = int(self._random.choice(PLACES["crown"]))
        top = base + np.array([0, 0, 2 * radius * self._random.uniform(0.8, 1.1)])
        self._mesh.ribbon(base, top, radius, texture, VEGETATION, tint, CUTOUT | TWO_SIDED | ROUND | LEAFY)

    def _tree(self, s: float, d: float, scale: float) -> None:
        layout, random = self._layout, self._random
        base = self._point(s, d, 0.0)
        tint = layout.leaf_tint * random.uniform(0.65, 1.3) * random.uniform(0.9, 1.1, 3)
        height = scale * random.uniform(4.5, 8)
        if layout.conifers and random.random() < 0.7:
            self._mesh.ribbon(
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
        self._mesh.ribbon(
            base,
            base + lean,
            (0.05 + 0.022 * height, 0.02 + 0.012 * height),
            PLACES["bark"][0],
            VEGETATION,
            self._tint(0.12, 0.3),
            ROUND,
            repeat=height / 3,
        )
        spread = height * random.uniform(0.2, 0.3)
        centre = base + np.array([lean[0], lean[1], height * 0.68])
        for _ in range(random.integers(5, 10)):
            offset = random.normal(0, 1, 3)
            offset *= spread * random.uniform(0.3, 0.95) / np.linalg.norm(offset) * np.array([1, 1, 0.8])
            radius = spread * random.uniform(0.5, 0.85)
            self._leaves(centre + offset - np.array([0, 0, radius]), radius, tint * (1 + 0.25 * offset[2] / spread))
        if self._sunny:
            reach = -self._sun[:2] / max(self._sun[2], 0.12)
            self._mesh.shadow(
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
                self._mesh.shadow(middle + ring)

    def _pole(self, base: np.ndarray, height: float, radius: float, tint) -> np.ndarray:
        top = base + np.array([0, 0, height])
        self._mesh.ribbon(base, top, (radius, radius * 0.7), PLACES["metal"][0], POLE, tint, ROUND, repeat=height)
        if self._sunny:
            reach = -self._sun[:2] / max(self._sun[2], 0.12) * height
            aside = np.array([-self._sun[1], self._sun[0]]) / (np.linalg.norm(self._sun[:2]) + 1e-6) * radius
            self._mesh.shadow([base[:2] - aside, base[:2] + aside, base[:2] + reach + aside, base[:2] + reach - aside])
        return top

    def _sign(self, s: float, d: float, facing: int) -> None:
        """A sign on its pole; it faces back along the street (-1: traffic that comes up, as the camera does)."""
        random = self._random
        base = self._point(s, d, KERB_M)
        height = random.uniform(2.0, 2.7)
        self._pole(base, height + 0.3, 0.035, (0.4, 0.4, 0.42))
        heading = self._line.heading(self._s0 + s) + random.normal(0, 0.12)
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
            self._mesh.polygon(
                board,
                int(random.choice(PLACES["sign"])),
                SIGN,
                (0.9,) * 3,
                CUTOUT | TWO_SIDED,
                along=0.5 / half,
                up=0.5 / half,
            )

    def _traffic_light(self, s: float, d: float) -> None:
        base = self._point(s, d, KERB_M)
        top = self._pole(base, 3.2, 0.06, (0.12, 0.13, 0.12))
        heading = self._line.heading(self._s0 + s)
        ahead, right = np.array([np.cos(heading), np.sin(heading), 0]), np.array([np.sin(heading), -np.cos(heading), 0])
        low = top - np.array([0, 0, 0.8])
        up = np.array([0, 0, 0.95])
        half = 0.19
        face = [low - ahead * 0.15 + right * w for w in (-half, half)]
        rear = [low + ahead * 0.15 + right * w for w in (-half, half)]
        texture = int(self._random.choice(PLACES["lights"]))
        self._mesh.polygon(
            [*face, face[1] + up, face[0] + up],
            texture,
            SIGN,
            (1, 1, 1),
            0,
            along=0.5 / half,
            up=1 / 0.95,
            glow=2.0,
            outward=-ahead,
        )
        for a, b, out in ((rear[0], rear[1], ahead), (face[0], rear[0], -right), (face[1], rear[1], right)):
            self._mesh.polygon([a, b, b + up, a + up], PLACES["metal"][0], SIGN, (0.05,) * 3, 0, outward=out)

    def _furniture(self, side: int) -> None:
        layout, random = self._layout, self._random
        kerb = layout.road_m + 0.45
        first = np.ceil(self._s0 / layout.lamp_every_m) + (0.5 if side > 0 else 0.0)
        for place in np.arange(first, (self._s0 + BLOCK_M) / layout.lamp_every_m) * layout.lamp_every_m - self._s0:
            top = self._pole(self._point(place, side * kerb, KERB_M), layout.lamp_height_m, 0.08, layout.lamp_tint)
            over = self._point(place, side * (kerb - 1.4), layout.lamp_height_m + 0.35)
            self._mesh.ribbon(top, over, 0.045, PLACES["metal"][0], POLE, layout.lamp_tint, ROUND)
            tip = over + (over - top) * 0.35
            self._mesh.ribbon(over, tip, 0.11, PLACES["metal"][0], POLE, (0.9, 0.85, 0.7), 0, glow=1.6)
            self._lamps.append(over - np.array([0, 0, 0.2]))
        if random.random() < layout.tree_share:
            d = layout.road_m + (0.5 * layout.verge_m if layout.verge_m else 0.7)
            for place in np.arange(random.uniform(0, layout.tree_every_m), BLOCK_M, layout.tree_every_m):
                self._tree(place + random.normal(0, 0.6), side * d, random.uniform(0.75, 1.15))
        for _ in range(random.integers(0, 3)):
            self._sign(random.uniform(0, BLOCK_M), side * kerb, -1)
        if random.random() < 0.35:
            start = random.uniform(0, BLOCK_M - 8)
            for place in np.arange(start, start + random.uniform(5, 16), 1.6):
                self._pole(self._point(place, side * (layout.road_m + 0.3), KERB_M), 0.9, 0.05, layout.lamp_tint)
        elif random.random() < 0.35:
            start = random.uniform(0, BLOCK_M - 10)
            length = random.uniform(6, 10)
            a, b = (self._point(start + w, side * (layout.road_m + 0.28)) for w in (0, length))
            self._upright(
                a,
                b,
                (KERB_M, KERB_M + 1.0),
                self._point(start, 0.0),
                PLACES["rails"][0],
                FENCE,
                self._tint(0.2, 0.7),
                (1.6, 1.0),
                CUTOUT | TWO_SIDED,
            )

    def _parked(self, side: int) -> None:
        layout, random = self._layout, self._random
        if not layout.parking or random.random() < 0.25:
            return
        s = random.uniform(0, 6)
        while s < BLOCK_M - 5:
            shape, size = make_vehicle(layout.seed, int(random.integers(1000)))
            if size[0] < 6 and random.random() < 0.7:
                middle = self._point(s + size[0] / 2, side * (layout.road_m - size[1] / 2 - 0.2))
                yaw = (
                    self._line.heading(self._s0 + s + size[0] / 2) + random.normal(0, 0.02) + (np.pi if side > 0 else 0)
                )
                self._vehicle(shape, size, middle, yaw)
            s += size[0] + random.uniform(0.6, 3.0)

    def _vehicle(self, shape: Polygons, size: np.ndarray, middle: np.ndarray, yaw: float) -> None:
        self._mesh.place(shape, middle, yaw)
        corners = footprint(middle, yaw, size)
        if self._sunny:
            self._mesh.cast(corners, 0.8 * size[2], self._sun)
        else:
            self._mesh.shadow(corners)


def footprint(middle: np.ndarray, yaw: float, size: np.ndarray) -> np.ndarray:
    """The four corners (x, y) of a rectangle on the ground."""
    c, s = np.cos(yaw), np.sin(yaw)
    local = 0.5 * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * size[:2]
    return middle[:2] + local @ np.array([[c, s], [-s, c]])
