"""Collects polygons, ribbons and shadows while a piece of street is built, and turns them into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from halsie_ros.simulation.street.raster import CORNERS, Polygons, Ribbons, place

Colour = Sequence[float] | np.ndarray
Pack = TypeVar("Pack", Polygons, Ribbons)


class Mesh:
    """Grows by one surface per call; see ``polygons``, ``ribbons`` and ``shadows`` for the result."""

    def __init__(self) -> None:
        self._polygons: list[tuple[Any, ...]] = []
        self._ribbons: list[tuple[Any, ...]] = []
        self._shadows: list[np.ndarray] = []
        self._placed: list[Polygons] = []

    def polygon(
        self,
        points: Sequence[Any] | np.ndarray,
        texture: int,
        label: int,
        tint: Colour = (1.0, 1.0, 1.0),
        flags: int = 0,
        *,
        along: float = 1.0,
        up: float = 1.0,
        shift: tuple[float, float] = (0.0, 0.0),
        glow: float = 0.0,
        outward: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        """A convex polygon of 3 to 6 corners in one plane.

        The texture's u runs from the first corner to the second, v across it; the first corner is (0, 0).

        Args:
            along: textures per metre in u.
            up: textures per metre in v.
            shift: added to u and v.
            outward: a direction on the seen side; the order of the corners need not matter then.
        """
        corners = np.asarray(points, float)
        u = corners[1] - corners[0]
        u = u / np.linalg.norm(u)
        v = corners[-1] - corners[0]
        v = v - u * (u @ v)
        v = v / np.linalg.norm(v)
        normal = np.cross(u, v)
        if outward is not None and normal @ np.asarray(outward) < 0:
            normal = -normal
        axes = [
            np.append(axis * scale, add - scale * (axis @ corners[0]))
            for axis, scale, add in ((u, along, shift[0]), (v, up, shift[1]))
        ]
        self._polygons.append((corners, normal, *axes, tint, glow, (texture, label, flags)))

    def ribbon(
        self,
        start: Sequence[float] | np.ndarray,
        end: Sequence[float] | np.ndarray,
        radius: float | tuple[float, float],
        texture: int,
        label: int,
        tint: Colour = (1.0, 1.0, 1.0),
        flags: int = 0,
        *,
        repeat: float = 1.0,
        glow: float = 0.0,
    ) -> None:
        """A strip about the axis from ``start`` to ``end`` that always turns its face to the camera."""
        radii = radius if isinstance(radius, tuple) else (radius, radius)
        self._ribbons.append(((start, end), radii, repeat, tint, glow, (texture, label, flags)))

    def place(self, shape: Polygons, middle: np.ndarray, yaw: float) -> None:
        """A copy of a ready shape, turned by ``yaw`` about its origin and moved to ``middle``."""
        copy = Polygons.zeros(len(shape.used))
        place(shape, float(middle[0]), float(middle[1]), float(middle[2]), float(yaw), copy, 0)
        self._placed.append(copy)

    def shadow(self, points: Sequence[Any] | np.ndarray) -> None:
        """A convex patch of ground, corners (x, y), that the sun does not reach."""
        self._shadows.append(np.asarray(points, float))

    def cast(self, footprint: np.ndarray, height: float, sun: np.ndarray) -> None:
        """The shadow of an upright block: corners (x, y) of its footprint, its height, the way to the sun."""
        reach = -np.asarray(sun[:2]) / max(sun[2], 0.12) * height
        moved = footprint + reach
        self.shadow(footprint)
        self.shadow(moved)
        for first in range(len(footprint)):
            second = (first + 1) % len(footprint)
            self.shadow([footprint[first], footprint[second], moved[second], moved[first]])

    @property
    def polygons(self) -> Polygons:
        """All polygons so far."""
        result = Polygons.zeros(len(self._polygons))
        for index, (corners, normal, u, v, tint, glow, kind) in enumerate(self._polygons):
            result.corners[index, : len(corners)] = corners
            result.used[index] = len(corners)
            result.normal[index] = normal
            result.u_axis[index], result.v_axis[index] = u, v
            result.tint[index], result.glow[index], result.kind[index] = tint, glow, kind
        return concatenate([result, *self._placed])

    @property
    def ribbons(self) -> Ribbons:
        """All ribbons so far."""
        ends, radius, repeat, tint, glow, kind = zip(*self._ribbons) if self._ribbons else ([],) * 6
        number = len(self._ribbons)
        return Ribbons(
            np.array(ends, np.float32).reshape(number, 2, 3),
            np.array(radius, np.float32).reshape(number, 2),
            np.array(repeat, np.float32),
            np.array(tint, np.float32).reshape(number, 3),
            np.array(glow, np.float32),
            np.array(kind, np.int32).reshape(number, 3),
            np.full((number, 3), -1, np.int32),
        )

    @property
    def shadows(self) -> tuple[np.ndarray, np.ndarray]:
        """All shadows so far: corners ``(N, 6, 3) float32`` with z = 0, and their number ``(N,) int32``."""
        shapes = np.zeros((len(self._shadows), CORNERS, 3), np.float32)
        counts = np.zeros(len(self._shadows), np.int32)
        for index, points in enumerate(self._shadows):
            shapes[index, : len(points), :2] = points
            counts[index] = len(points)
        return shapes, counts


def concatenate(parts: Sequence[Pack]) -> Pack:
    """Joins tuples of arrays of the same kind (``Polygons``, ``Ribbons``) along the first axis."""
    return type(parts[0])(*(np.concatenate(fields) for fields in zip(*parts)))
