"""What stands at the kerb: lamps, trees, signs, bollards, rails, parked vehicles."""

from __future__ import annotations

import numpy as np

from halsie_ros.simulation.street.path import BLOCK_M
from halsie_ros.simulation.street.raster import CUTOUT, ROUND, TWO_SIDED, Polygons
from halsie_ros.simulation.street.site import FENCE, KERB_M, POLE, Site
from halsie_ros.simulation.street.textures import PLACES
from halsie_ros.simulation.street.vehicles import make_vehicle


def add_furniture(site: Site, side: int) -> None:
    """Adds lamps and what else stands along one side, -1 or 1."""
    layout, random = site.layout, site.random
    kerb = layout.road_m + 0.45
    first = np.ceil(site.s0_m / layout.lamp_every_m) + (0.5 if side > 0 else 0.0)
    for place in np.arange(first, (site.s0_m + BLOCK_M) / layout.lamp_every_m) * layout.lamp_every_m - site.s0_m:
        top = site.pole(site.point(place, side * kerb, KERB_M), layout.lamp_height_m, 0.08, layout.lamp_tint)
        over = site.point(place, side * (kerb - 1.4), layout.lamp_height_m + 0.35)
        site.mesh.ribbon(top, over, 0.045, PLACES["metal"][0], POLE, layout.lamp_tint, ROUND)
        tip = over + (over - top) * 0.35
        site.mesh.ribbon(over, tip, 0.11, PLACES["metal"][0], POLE, (0.9, 0.85, 0.7), 0, glow=1.6)
        site.lamps.append(over - np.array([0, 0, 0.2]))
    if random.random() < layout.tree_share:
        d = layout.road_m + (0.5 * layout.verge_m if layout.verge_m else 0.7)
        for place in np.arange(random.uniform(0, layout.tree_every_m), BLOCK_M, layout.tree_every_m):
            site.tree(place + random.normal(0, 0.6), side * d, random.uniform(0.75, 1.15))
    for _ in range(random.integers(0, 3)):
        site.sign(random.uniform(0, BLOCK_M), side * kerb, -1)
    if random.random() < 0.35:
        start = random.uniform(0, BLOCK_M - 8)
        for place in np.arange(start, start + random.uniform(5, 16), 1.6):
            site.pole(site.point(place, side * (layout.road_m + 0.3), KERB_M), 0.9, 0.05, layout.lamp_tint)
    elif random.random() < 0.35:
        start = random.uniform(0, BLOCK_M - 10)
        length = random.uniform(6, 10)
        a, b = (site.point(start + w, side * (layout.road_m + 0.28)) for w in (0, length))
        site.upright(
            a,
            b,
            (KERB_M, KERB_M + 1.0),
            site.point(start, 0.0),
            PLACES["rails"][0],
            FENCE,
            site.tint(0.2, 0.7),
            (1.6, 1.0),
            CUTOUT | TWO_SIDED,
        )


def add_parked(site: Site, side: int) -> None:
    """Adds parked cars along one side, -1 or 1, where the street has any."""
    layout, random = site.layout, site.random
    if not layout.parking or random.random() < 0.25:
        return
    s = random.uniform(0, 6)
    while s < BLOCK_M - 5:
        shape, size = make_vehicle(layout.seed, int(random.integers(1000)))
        if size[0] < 6 and random.random() < 0.7:
            middle = site.point(s + size[0] / 2, side * (layout.road_m - size[1] / 2 - 0.2))
            yaw = site.line.heading(site.s0_m + s + size[0] / 2) + random.normal(0, 0.02) + (np.pi if side > 0 else 0)
            _vehicle(site, shape, size, middle, yaw)
        s += size[0] + random.uniform(0.6, 3.0)


def _vehicle(site: Site, shape: Polygons, size: np.ndarray, middle: np.ndarray, yaw: float) -> None:
    site.mesh.place(shape, middle, yaw)
    corners = footprint(middle, yaw, size)
    if site.sunny:
        site.mesh.cast(corners, 0.8 * size[2], site.sun)
    else:
        site.mesh.shadow(corners)


def footprint(middle: np.ndarray, yaw: float, size: np.ndarray) -> np.ndarray:
    """The four corners (x, y) of a rectangle on the ground."""
    c, s = np.cos(yaw), np.sin(yaw)
    local = 0.5 * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * size[:2]
    result: np.ndarray = middle[:2] + local @ np.array([[c, s], [-s, c]])
    return result
