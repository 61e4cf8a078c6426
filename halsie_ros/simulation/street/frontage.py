"""What stands beside the pavement: houses, gardens, walls, fences, hedges, side streets, greens."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from halsie_ros.simulation.street.path import BLOCK_M
from halsie_ros.simulation.street.raster import CUTOUT, FACADE, LEAFY, TWO_SIDED
from halsie_ros.simulation.street.site import BUILDING, FENCE, KERB_M, ROAD, VEGETATION, WALL, Site
from halsie_ros.simulation.street.textures import PLACES

_WALLS = (
    (0.75, 0.7, 0.58), (0.8, 0.79, 0.76), (0.5, 0.24, 0.17), (0.66, 0.5, 0.28), (0.5, 0.5, 0.5),
    (0.5, 0.56, 0.62), (0.55, 0.6, 0.48), (0.7, 0.52, 0.46), (0.38, 0.33, 0.3), (0.75, 0.62, 0.35),
)  # fmt: skip
"""Colours of house fronts."""


def add_frontages(site: Site, side: int) -> None:
    """Adds the row of houses along one side of the block, -1 or 1."""
    layout, random = site.layout, site.random
    s = 0.0
    while s < BLOCK_M - 0.5:
        width = min(random.uniform(8, 20), BLOCK_M - s)
        if BLOCK_M - s - width < 6:
            width = BLOCK_M - s
        kind = random.choice(6, p=layout.frontage)
        edge = layout.front_d_m
        if kind == 0:
            _house(site, side, s, s + width, edge + layout.setback_m)
            if layout.setback_m > 1.2:
                _edge(site, side, s, s + width, edge, int(random.integers(3)))
        elif kind == 1:
            gap = random.uniform(1.0, 3.0)
            _house(site, side, s + gap, s + width - gap, edge + random.uniform(3, 9), detached=True)
            _edge(site, side, s, s + width, edge, int(random.integers(3)))
            _garden(site, side, s, s + width, edge)
        elif kind == 5:
            _open(site, side, s, s + width, edge)
        else:
            _edge(site, side, s, s + width, edge, (2, 0, 1)[kind - 2], tall=True)
            _garden(site, side, s, s + width, edge)
            if random.random() < 0.5:
                _house(site, side, s, s + width, edge + random.uniform(9, 22), detached=True)
        s += width
    for _ in range(2):  # what looks over the roofs
        if random.random() < 0.5:
            start = random.uniform(0, BLOCK_M - 18)
            _house(
                site,
                side,
                start,
                start + random.uniform(10, 18),
                edge + random.uniform(28, 60),
                detached=True,
                factor=random.uniform(1.2, 3.0),
            )


def _house(
    site: Site, side: int, s0: float, s1: float, d: float, *, detached: bool = False, factor: float = 1.0
) -> None:
    layout, random = site.layout, site.random
    depth = random.uniform(7, 13)
    storey = random.uniform(2.8, 3.5)
    floors = max(1, round(factor * layout.storeys * random.uniform(0.6, 1.4)))
    ground_m = storey * random.uniform(1.0, 1.35)
    top = KERB_M + ground_m + (floors - 1) * storey
    texture = int(random.choice(layout.facades if not detached else PLACES["facade"]))
    tint = np.array(_WALLS[random.integers(len(_WALLS))]) * site.tint(0.6, 1.2, 0.08)
    bays = max(1, round((s1 - s0) / random.uniform(1.8, 3.4)))
    front = [site.point(s0, side * d), site.point(s1, side * d)]
    back = [site.point(s0, side * (d + depth)), site.point(s1, side * (d + depth))]
    street = site.point(0.5 * (s0 + s1), 0.0)
    bay = float(np.linalg.norm(front[1] - front[0])) / bays
    salt = (float(random.integers(1000)), float(random.integers(1000)))
    shop = not detached and random.random() < 0.55
    below = int(random.choice(PLACES["shop"])) if shop else texture
    below_m = (max(bay * 2, 3.5), ground_m) if shop else (bay, ground_m)
    site.upright(
        front[0],
        front[1],
        (0.0, KERB_M + ground_m),
        street,
        below,
        BUILDING,
        tint if not shop else site.tint(0.3, 0.85, 0.2),
        below_m,
        FACADE,
        salt,
    )
    if floors > 1:
        site.upright(
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
            site.upright(
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
            site.upright(
                near,
                far,
                (0.0, top),
                outside,
                PLACES["plaster" if random.random() < 0.6 else "bricks"][0],
                BUILDING,
                tint * 0.95,
                (3.0, 3.0),
            )
    _roof(site, front, back, top, detached or random.random() < 0.5, street)
    if site.sunny and factor == 1.0 and d < layout.front_d_m + 10:
        site.mesh.cast(np.array([p[:2] for p in (front[0], front[1], back[1], back[0])]), top, site.sun)


def _roof(site: Site, front: list[Any], back: list[Any], top: float, gable: bool, street: np.ndarray) -> None:
    random = site.random
    tint = np.array([(0.4, 0.16, 0.1), (0.2, 0.19, 0.2), (0.3, 0.22, 0.16)][random.integers(3)]) * random.uniform(
        0.7, 1.3
    )
    lift = np.array([0, 0, top])
    if not gable:
        site.mesh.polygon(
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
        site.mesh.polygon(
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
        site.mesh.polygon(
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
        site.mesh.ribbon(
            place - rise * 0.2, place + np.array([0, 0, 1.2]), 0.4, PLACES["bricks"][0], BUILDING, (0.4, 0.25, 0.2)
        )


def _edge(site: Site, side: int, s0: float, s1: float, d: float, kind: int, *, tall: bool = False) -> None:
    """A fence (0), hedge (1) or wall (2) along the pavement."""
    random = site.random
    height = random.uniform(1.5, 3.2) if tall and kind == 2 else random.uniform(0.7, 1.9)
    texture = int(random.choice([*PLACES["pickets"], *PLACES["rails"]])) if kind == 0 else 0
    tint = site.tint(0.12, 0.8, 0.3)
    leaf = site.layout.leaf_tint * random.uniform(0.6, 1.2)
    material = PLACES[random.choice(["stones", "bricks", "concrete", "plaster"])][0]
    cuts = np.linspace(s0, s1, max(2, int((s1 - s0) / 6) + 1))
    for start, end in itertools.pairwise(cuts):
        a, b, street = site.point(start, side * d), site.point(end, side * d), site.point(start, 0.0)
        z = (KERB_M - 0.1, KERB_M + height)
        if kind == 0:
            site.upright(
                a, b, z, street, texture, FENCE, tint, (height * 1.3, height + 0.1), CUTOUT | TWO_SIDED, (0.0, 0.0)
            )
            continue
        thick = 0.8 if kind == 1 else 0.3
        c, e = site.point(start, side * (d + thick)), site.point(end, side * (d + thick))
        kinds = (
            (PLACES["leaves"][0], VEGETATION, leaf, 1.2, LEAFY) if kind == 1 else (material, WALL, tint * 0.9, 2.2, 0)
        )
        skin, label, colour, size, flags = kinds
        site.upright(a, b, z, street, skin, label, colour, (size, size), flags)
        for near, far, other in ((a, c, b), (b, e, a)):
            site.upright(near, far, z, near * 2 - other, skin, label, colour, (size, size), flags)
        lift = np.array([0, 0, z[1]])
        site.mesh.polygon(
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
                top = site.point(spot + random.uniform(0, 0.6), side * (d + 0.1), z[1] - 0.45)
                site.leaves(top, random.uniform(0.4, 0.75), leaf)
    if site.sunny and kind != 0:
        corners = [site.point(s, side * (d + e))[:2] for s, e in ((s0, 0), (s1, 0), (s1, 0.4), (s0, 0.4))]
        site.mesh.cast(np.array(corners), height, site.sun)


def _open(site: Site, side: int, s0: float, s1: float, d: float) -> None:
    """A side street, or open green with trees."""
    layout, random = site.layout, site.random
    if s1 - s0 > 7 and random.random() < 0.6:
        for near in np.arange(layout.road_m, layout.front_d_m + 60, 8.0):
            site.flat(
                (s0 + 1, s1 - 1),
                (side * near, side * (near + 8.05)),
                KERB_M + 0.02,
                layout.asphalt,
                ROAD,
                layout.road_tint * 1.05,
                4.0,
            )
        if random.random() < 0.7:
            site.sign(s0 + 0.5, side * (layout.road_m + 0.5), -1)
        if random.random() < 0.5:
            site.traffic_light(s0 - 0.3, side * (layout.road_m + 0.45))
        return
    for _ in range(random.integers(2, 7)):
        site.tree(random.uniform(s0, s1), side * (d + random.uniform(1, 22)), random.uniform(0.7, 1.5))


def _garden(site: Site, side: int, s0: float, s1: float, d: float) -> None:
    random = site.random
    for _ in range(random.integers(0, 4)):
        site.tree(random.uniform(s0, s1), side * (d + random.uniform(1.2, 4)), random.uniform(0.5, 1.1))
    for _ in range(random.integers(0, 6)):
        spot = site.point(random.uniform(s0, s1), side * (d + random.uniform(0.7, 3)), 0.0)
        site.leaves(spot, random.uniform(0.5, 1.1), site.layout.leaf_tint * random.uniform(0.6, 1.3))
