"""Cars, vans, lorries and buses as polygons: x forward, y to the left, z up, origin on the ground below the middle."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from halsie_ros.simulation.street.mesh import Mesh
from halsie_ros.simulation.street.raster import CUTOUT, DECAL, GLOSS, TWO_SIDED, Polygons
from halsie_ros.simulation.street.textures import PLACES

VEHICLE = 8

_PAINTS = (
    (0.75, 0.76, 0.78), (0.55, 0.57, 0.6), (0.03, 0.03, 0.035), (0.13, 0.14, 0.15), (0.45, 0.02, 0.02),
    (0.02, 0.07, 0.3), (0.02, 0.15, 0.4), (0.05, 0.2, 0.08), (0.6, 0.5, 0.3), (0.75, 0.45, 0.03), (0.3, 0.12, 0.05),
)  # fmt: skip

# Length, width; where the cabin starts and ends in the outline; the outline (x, z) from the front bumper over the
# roof to the rear, x in shares of the length, z in metres.
_PROFILES = {
    "sedan": (4.5, 1.8, 2, 5, (
        (0.5, 0.32), (0.49, 0.68), (0.23, 0.92), (0.07, 1.42), (-0.24, 1.42), (-0.38, 0.98), (-0.5, 0.92), (-0.5, 0.32),
    )),
    "hatch": (3.9, 1.72, 2, 5, (
        (0.5, 0.32), (0.49, 0.7), (0.27, 0.95), (0.12, 1.48), (-0.36, 1.46), (-0.49, 1.0), (-0.5, 0.85), (-0.5, 0.32),
    )),
    "suv": (4.6, 1.9, 2, 5, (
        (0.5, 0.4), (0.49, 0.85), (0.26, 1.08), (0.13, 1.68), (-0.4, 1.66), (-0.49, 1.1), (-0.5, 0.95), (-0.5, 0.4),
    )),
    "van": (5.3, 2.0, 2, 4, (
        (0.5, 0.36), (0.5, 0.85), (0.4, 1.15), (0.27, 2.2), (0.06, 2.3), (-0.5, 2.3), (-0.5, 1.2), (-0.5, 0.36),
    )),
}  # fmt: skip


@lru_cache(maxsize=512)
def make_vehicle(atlas_seed: int, number: int) -> tuple[Polygons, np.ndarray]:
    """The polygons of vehicle ``number`` of a street and its (length, width, height)."""
    random = np.random.default_rng([atlas_seed, 2, number])
    kind = random.choice(["sedan", "hatch", "suv", "van", "lorry", "bus"], p=[0.34, 0.26, 0.2, 0.1, 0.06, 0.04])
    paint = np.array(_PAINTS[random.integers(len(_PAINTS))]) * random.uniform(0.75, 1.15)
    mesh = Mesh()
    if kind in ("lorry", "bus"):
        size = _add_box(mesh, random, kind == "bus", paint)
    else:
        size = _add_car(mesh, random, _PROFILES[kind], paint)
    return mesh.polygons, size


def _panel(
    mesh: Mesh,
    points: Sequence[Any] | np.ndarray,
    outward: tuple[Any, ...],
    tint: Any,
    texture: str = "metal",
    flags: int = GLOSS,
    **more: Any,
) -> None:
    mesh.polygon(points, PLACES[texture][0], VEHICLE, tint, flags, along=0.4, up=0.4, outward=outward, **more)


def _add_lights(mesh: Mesh, x: float, half: float, z: float, height: float) -> None:
    """Two lamps, a grille or plate between them, at the front (x > 0) or rear (x < 0)."""
    ahead = 1 if x > 0 else -1
    tint, glow = ((1.0, 0.95, 0.8), 3.0) if ahead > 0 else ((0.8, 0.02, 0.01), 0.9)
    x += 0.012 * ahead
    for y in (-half + 0.04, half - 0.4):
        box = [(x, y, z), (x, y + 0.36, z), (x, y + 0.36, z + height), (x, y, z + height)]
        _panel(mesh, box, (ahead, 0, 0), tint, flags=DECAL, glow=glow)
    plate = [(x, -0.27, z - 0.22), (x, 0.27, z - 0.22), (x, 0.27, z - 0.1), (x, -0.27, z - 0.1)]
    _panel(mesh, plate, (ahead, 0, 0), (0.8, 0.8, 0.75), flags=DECAL)
    if ahead > 0:
        grille = [
            (x, -half + 0.45, z),
            (x, half - 0.45, z),
            (x, half - 0.45, z + height),
            (x, -half + 0.45, z + height),
        ]
        _panel(mesh, grille, (1, 0, 0), (0.04, 0.04, 0.04), flags=DECAL)


def _add_wheels(mesh: Mesh, random: np.random.Generator, places: list[float], half: float, radius: float) -> None:
    texture = PLACES["wheel"][random.integers(len(PLACES["wheel"]))]
    for x in places:
        for side in (-1, 1):
            y = side * (half + 0.012)
            disc = [(x - radius, y, 0), (x + radius, y, 0), (x + radius, y, 2 * radius), (x - radius, y, 2 * radius)]
            scale = 0.5 / radius
            mesh.polygon(disc, texture, VEHICLE, (1, 1, 1), CUTOUT | TWO_SIDED | DECAL, along=scale, up=scale)


def _add_car(mesh: Mesh, random: np.random.Generator, profile: tuple[Any, ...], paint: np.ndarray) -> np.ndarray:
    length, width, start, end, outline = profile
    length, half = length * random.uniform(0.94, 1.06), width / 2
    tall = random.uniform(0.96, 1.06)
    glass = np.full(3, random.uniform(0.02, 0.08))
    line = [(x * length, z * tall) for x, z in outline]
    inner = 0.82 * half

    def depth(index: int) -> float:
        return float(inner if start < index < end else half)

    middle = 0.8 * max(z for _, z in line) / 2
    for index in range(len(line) - 1):
        (xa, za), (xb, zb) = line[index], line[index + 1]
        windscreen = index in (start, end - 1) and zb != za and abs(zb - za) > 0.25
        a, b = depth(index), depth(index + 1)
        strip = [(xa, -a, za), (xa, a, za), (xb, b, zb), (xb, -b, zb)]
        outward = (0.5 * (xa + xb), 0, 0.5 * (za + zb) - middle)
        _panel(mesh, strip, outward, glass if windscreen else paint)
    for side in (-1, 1):
        lower = [line[0], line[1], line[start], line[end], line[-2], line[-1]]
        _panel(mesh, [(x, side * half, z) for x, z in lower], (0, side, 0), paint * 0.97)
        cabin = [(line[i][0], side * depth(i), line[i][1]) for i in range(start, end + 1)]
        if line[end][1] > 1.9:  # a van: its flank goes up to the roof
            top = [(line[i][0], side * half, line[i][1]) for i in (start, start + 1, end, end + 1)]
            _panel(mesh, top, (0, side, 0), paint)
            low = [(line[i][0], side * half, line[i][1]) for i in (start, end + 1, -2)]
            _panel(mesh, low, (0, side, 0), paint)
            rear = line[start + 1][0] - 0.7
            pane = (line[start], line[start + 1], (rear, line[start + 1][1]), (rear, line[start][1]))
            cabin = [(x, side * half, z) for x, z in pane]
        else:
            _panel(mesh, cabin, (0, side, 0.3), paint * 0.9)
        centre = np.mean(cabin, axis=0)
        window = centre + (np.array(cabin) - centre) * np.array([0.84, 1.0, 0.78])
        slope = 0.0 if line[end][1] > 1.9 else side * (half - inner) / (line[start + 1][1] - line[start][1])
        window[:, 1] = centre[1] - slope * (window[:, 2] - centre[2]) + side * 0.012
        _panel(mesh, window, (0, side, 0.3), glass, flags=GLOSS | DECAL)
        front, back = (0.98 * line[0][0], line[0][1]), (0.98 * line[-1][0], line[-1][1])
        sill = [(front[0], side * half, 0.2), (back[0], side * half, 0.2)]
        sill += [(back[0], side * half, back[1]), (front[0], side * half, front[1])]
        _panel(mesh, sill, (0, side, 0), (0.03, 0.03, 0.03), flags=0)
    _add_lights(mesh, line[0][0], half, line[1][1] - 0.16, 0.15)
    _add_lights(mesh, line[-1][0], half, line[-2][1] - 0.22, 0.17)
    _add_wheels(mesh, random, [0.31 * length, -0.29 * length], half, 0.33 * tall)
    return np.array([length, width, max(z for _, z in line)])


def _add_box(mesh: Mesh, random: np.random.Generator, bus: bool, paint: np.ndarray) -> np.ndarray:
    length, half, height = (
        (random.uniform(9, 12), 1.25, 3.0) if bus else (random.uniform(6, 9), 1.2, random.uniform(2.8, 3.6))
    )
    load = paint if bus else np.array(_PAINTS[random.integers(3)]) * 0.9
    cab = length / 2 - (0.0 if bus else 1.9)
    texture = "metal" if bus else str(random.choice(["metal", "concrete"]))

    def block(x0: float, x1: float, z0: float, z1: float, tint: np.ndarray, kind: str) -> None:
        for side in (-1, 1):
            wall = [(x0, side * half, z0), (x1, side * half, z0), (x1, side * half, z1), (x0, side * half, z1)]
            _panel(mesh, wall, (0, side, 0), tint, kind)
        for x, ahead in ((x0, -1), (x1, 1)):
            _panel(mesh, [(x, -half, z0), (x, half, z0), (x, half, z1), (x, -half, z1)], (ahead, 0, 0), tint, kind)
        _panel(mesh, [(x0, -half, z1), (x1, -half, z1), (x1, half, z1), (x0, half, z1)], (0, 0, 1), tint, kind)

    block(-length / 2, cab, 0.6 if not bus else 0.4, height, load, texture)
    if not bus:
        block(cab + 0.05, length / 2, 0.5, 2.5, paint, "metal")
    glass = np.full(3, 0.05)
    x = length / 2 + 0.012
    z0, z1 = (1.1, 2.6) if bus else (1.35, 2.25)
    _panel(
        mesh,
        [(x, -half + 0.1, z0), (x, half - 0.1, z0), (x, half - 0.1, z1), (x, -half + 0.1, z1)],
        (1, 0, 0),
        glass,
        flags=GLOSS | DECAL,
    )
    for side in (-1, 1):
        y = side * (half + 0.012)
        panes = np.arange(-length / 2 + 0.5, length / 2 - 1.2, 1.4) if bus else np.array([length / 2 - 1.3])
        for start in panes:
            pane = [(start, y, 1.45), (start + 1.15, y, 1.45), (start + 1.15, y, 2.4), (start, y, 2.4)]
            _panel(mesh, pane, (0, side, 0), glass, flags=GLOSS | DECAL)
    _add_lights(mesh, length / 2, half, 0.75, 0.2)
    _add_lights(mesh, -length / 2, half, 0.95, 0.25)
    _add_wheels(mesh, random, [length / 2 - 1.2, -length / 2 + 1.6], half, 0.48)
    return np.array([length, 2 * half, height])
