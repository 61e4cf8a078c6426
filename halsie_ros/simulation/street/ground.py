"""Road, kerbs, pavements, grass, and what is painted on them."""

from __future__ import annotations

import numpy as np

from halsie_ros.simulation.street.path import BLOCK_M
from halsie_ros.simulation.street.raster import DECAL, GROUND, UPPER
from halsie_ros.simulation.street.site import KERB_M, ROAD, SIDEWALK, VEGETATION, Site
from halsie_ros.simulation.street.textures import PLACES


def add_ground(site: Site) -> None:
    """Adds road, kerbs, pavements and what lies beyond them."""
    layout = site.layout
    grass = PLACES["grass"][0]
    step = BLOCK_M / 8
    for piece in range(8):
        s = (piece * step, (piece + 1) * step + 0.02)
        site.flat(s, (-layout.road_m, 0.02), 0.0, layout.asphalt, ROAD, layout.road_tint, 4.0)
        site.flat(s, (0.0, layout.road_m), 0.0, layout.asphalt, ROAD, layout.road_tint, 4.0)
        for side in (-1, 1):
            kerb, walk, front = (side * d for d in (layout.road_m, layout.road_m + layout.verge_m, layout.front_d_m))
            a, b = site.point(s[0], kerb), site.point(s[1], kerb)
            site.upright(
                a,
                b,
                (0.0, KERB_M),
                site.point(s[0], 0.0),
                PLACES["concrete"][0],
                SIDEWALK,
                layout.kerb_tint,
                (1.0, 1.0),
            )
            site.flat(s, (kerb, kerb + side * 0.16), KERB_M, PLACES["concrete"][0], SIDEWALK, layout.kerb_tint, 1.0)
            if layout.verge_m:
                site.flat(s, (kerb + side * 0.16, walk), KERB_M, grass, VEGETATION, layout.grass_tint, 2.5)
            site.flat(
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
            site.flat(
                s,
                (side * layout.front_d_m, side * (layout.front_d_m + 75)),
                0.05,
                grass,
                VEGETATION,
                layout.grass_tint,
                3.5,
            )


def add_markings(site: Site) -> None:
    """Paints lines and what else is marked on the road."""
    layout, random = site.layout, site.random
    tint, paint = layout.marking_tint * random.uniform(0.7, 1.0), PLACES["plaster"][0]

    def mark(s0: float, s1: float, d0: float, d1: float, colour: np.ndarray = tint, texture: int = paint) -> None:
        flags = GROUND | DECAL | (UPPER if texture == paint else 0)
        site.flat((s0, s1), (d0, d1), 0.0, texture, ROAD, colour, 2.0, flags)

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
            site.sign(place - 1.0, side * (layout.road_m + 0.4), -side)
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
