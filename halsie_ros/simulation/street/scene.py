"""A procedural street seen by a moving camera, with exact labels in DSEC's 11 classes.

Everything follows from the seed and is a function of time alone, so a frame can be rendered again, or out of order,
and comes out bit for bit the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.simulation.street import lighting, raster, shading
from halsie_ros.simulation.street.blocks import Block, build_block
from halsie_ros.simulation.street.furniture import footprint
from halsie_ros.simulation.street.layout import Layout
from halsie_ros.simulation.street.mesh import Mesh, concatenate
from halsie_ros.simulation.street.path import BLOCK_M, CameraPath, StreetLine
from halsie_ros.simulation.street.textures import OFFSETS, PLACES, make_atlas
from halsie_ros.simulation.street.traffic import Traffic
from halsie_ros.simulation.street.vehicles import make_vehicle
from halsie_ros.simulation.street.walkers import make_walker, walker_ribbons

FAR_M = 190.0
"""Things fade into the haze before this distance and end there."""
_MOVING_ROOM = 4000
"""Room for the polygons of everything that moves and of all ribbons."""


def training_seed(number: int) -> int:
    """World of training sequence ``number``: even seeds, never a demo's."""
    return 2 * _whole(number)


def demo_seed(number: int) -> int:
    """World of demo ``number``: odd seeds, never seen in training."""
    return 2 * _whole(number) + 1


def _whole(number: int) -> int:
    if number < 0:
        raise ParameterError(f"world number {number}: must be 0 or greater")
    return number


@dataclass(frozen=True)
class Frame:
    """What the camera sees at one moment.

    Attributes:
        radiance: ``(H, W, 3) float32``, linear RGB, above 0; the sunlit white of noon is about 1, night about 0.01.
        labels: ``(H, W) uint8``, ids of ``segmentation.labels.DSEC_11``.
    """

    radiance: np.ndarray
    labels: np.ndarray


class StreetScene:
    """One street, one drive along it.

    Args:
        seed: world number from ``training_seed`` or ``demo_seed``.
        light: ``day``, ``dusk`` or ``night``.
        width, height: of the picture, pixels.

    Raises:
        ParameterError: a negative seed, an unknown light, a picture smaller than 16 x 16.
    """

    def __init__(self, seed: int, light: str = "day", width: int = 346, height: int = 260) -> None:
        if seed < 0:
            raise ParameterError(f"seed {seed}: must be 0 or greater")
        if width < 16 or height < 16:
            raise ParameterError(f"picture of {width}x{height}: both sides must be at least 16 pixels")
        self.width = width
        self.height = height
        self._seed = seed
        self._line = StreetLine(seed)
        layout = Layout(seed)
        lane = (layout.road_m - (2.0 if layout.parking else 0.3)) * (0.5 if layout.lanes == 1 else 0.27)
        self._path = CameraPath(seed, self._line, lane)
        self._light, self._hills = lighting.make_light(seed, light, self._line.heading(self._path.s(0.0)))
        self._traffic = Traffic(layout, self._path)
        self._sunny = self._light[lighting.CLOUD_COVER] < 0.75 and light != "night"
        self._sun = self._light[lighting.SUN_DIRECTION : lighting.SUN_DIRECTION + 3].astype(float)
        self._layout = layout
        self._blocks: dict[int, Block] = {}
        self._active: range | None = None
        self._atlas = make_atlas(seed)
        self._focal = 0.5 * width / np.tan(0.5 * self._path.fov_rad)
        self._depth = np.empty((2 * height, 2 * width), np.float32)
        self._ident = np.empty((2 * height, 2 * width), np.int32)
        self._mask = np.empty((2 * height, 2 * width), np.uint8)

    @property
    def matrix(self) -> np.ndarray:
        """Intrinsics ``(3, 3) float64``, pixels; the centre of the upper left pixel is (0, 0)."""
        return np.array([[self._focal, 0, (self.width - 1) / 2], [0, self._focal, (self.height - 1) / 2], [0, 0, 1]])

    def render(self, t_s: float) -> Frame:
        """The view at ``t_s`` seconds, 0 or later."""
        pose = self._path.pose(t_s)
        self._activate(self._path.s(t_s))
        axes = pose.axes()
        camera = np.concatenate([pose.position, axes.ravel(), [2 * self._focal, self.width, self.height]])
        movers = Mesh()
        used = self._place_moving(t_s, camera, movers)
        self._depth.fill(0)
        self._ident.fill(-1)
        self._mask.fill(0)
        raster.draw(
            self._polygons, 0, used, camera, FAR_M, self._atlas, OFFSETS, self._depth, self._ident, self._linear
        )
        for shapes, counts in (self._shadows, movers.shadows):
            raster.draw_shadows(shapes, counts, camera, self._mask)
        polygons = self._polygons
        radiance = np.empty((self.height, self.width, 3), np.float32)
        labels = np.empty((self.height, self.width), np.uint8)
        shading.shade(
            self._ident,
            self._mask,
            polygons.normal,
            polygons.u_axis,
            polygons.tint,
            polygons.glow,
            polygons.kind,
            polygons.lamps,
            self._linear,
            camera,
            self._light,
            self._hills,
            self._lamps,
            self._atlas,
            OFFSETS,
            PLACES["clouds"][0],
            PLACES["stains"][0],
            0.002 * t_s,
            FAR_M,
            radiance,
            labels,
        )
        return Frame(radiance, labels)

    def motion_px_s(self, t_s: float) -> float:
        """How fast the picture moves at ``t_s``, the time of the last ``render``: pixels per second.

        98 of 100 pixels are slower, by their depth and the camera's motion; vehicles that pass are added.
        """
        moment = 1e-3
        pose, later = self._path.pose(t_s), self._path.pose(t_s + moment)
        rows, columns = np.mgrid[4 : self.height : 12, 4 : self.width : 12]
        inverse = np.maximum(self._depth[2 * rows, 2 * columns], 1 / FAR_M).ravel()
        x = (columns.ravel() + 0.5 - self.width / 2) / self._focal
        y = (rows.ravel() + 0.5 - self.height / 2) / self._focal
        points = (np.stack([x, y, np.ones_like(x)], 1) / inverse[:, None]) @ pose.axes() + pose.position
        seen = (points - later.position) @ later.axes().T
        depth = np.maximum(seen[:, 2], raster.NEAR_M)
        moved = np.hypot(seen[:, 0] / depth - x, seen[:, 1] / depth - y) * self._focal / moment
        own = 0.0
        here = self._path.s(t_s)
        for mover in self._traffic.vehicles(t_s, 40.0):
            own = max(own, abs(mover.speed_m_s) * self._focal / max(mover.s_m - here, 6.0) * 0.35)
        return float(np.percentile(moved, 98)) + own

    # -- parts

    def _activate(self, s_m: float) -> None:
        """Brings the fixed part of the street around ``s_m`` into the arrays."""
        first = max(int((s_m - 45) // BLOCK_M), 0)
        wanted = range(first, int((s_m + FAR_M) // BLOCK_M) + 1)
        if wanted == self._active:
            return
        self._blocks = {
            index: self._blocks[index]
            if index in self._blocks
            else build_block(self._layout, self._line, self._sun, self._sunny, index)
            for index in wanted
        }
        blocks = [self._blocks[index] for index in wanted]
        fixed = concatenate([block.polygons for block in blocks])
        self._ribbons = concatenate([block.ribbons for block in blocks])
        self._shadows = tuple(np.concatenate(parts) for parts in zip(*(block.shadows for block in blocks)))
        self._lamps = np.concatenate([block.lamps for block in blocks])
        middles = fixed.corners.sum(1) / fixed.used[:, None]
        fixed.lamps[:] = self._nearest_lamps(middles)
        self._ribbons.lamps[:] = self._nearest_lamps(self._ribbons.ends.mean(1))
        self._fixed = len(fixed.used)
        room = raster.Polygons.zeros(len(self._ribbons.radius) + _MOVING_ROOM)
        self._polygons = concatenate([fixed, room])
        self._linear = np.zeros((len(self._polygons.used), 11), np.float32)
        self._active = wanted

    def _nearest_lamps(self, points: np.ndarray) -> np.ndarray:
        result = np.full((len(points), 3), -1, np.int32)
        number = min(3, len(self._lamps))
        if number and self._light[lighting.LAMP] > 0:
            away = ((points[:, None] - self._lamps[None]) ** 2).sum(2)
            result[:, :number] = np.argsort(away, axis=1, kind="stable")[:, :number]
        return result

    def _place_moving(self, t_s: float, camera: np.ndarray, shadows: Mesh) -> int:
        """Writes ribbons, vehicles and walkers behind the fixed polygons; returns the number of polygons in use."""
        used = raster.face_camera(self._ribbons, camera, self._polygons, self._fixed)
        line = self._line
        for mover in self._traffic.vehicles(t_s, FAR_M):
            shape, size = make_vehicle(self._seed, mover.number)
            middle = np.append(line.at(mover.s_m, mover.d_m), 0.0)
            yaw = line.heading(mover.s_m) + (0 if mover.direction > 0 else np.pi)
            after = raster.place(shape, middle[0], middle[1], 0.0, yaw, self._polygons, used)
            self._polygons.lamps[used:after] = self._nearest_lamps(middle[None])
            used = after
            corners = footprint(middle, yaw, size)
            if self._sunny:
                shadows.cast(corners, 0.8 * size[2], self._sun)
            else:
                shadows.shadow(corners)
        for mover, ground_m in self._traffic.walkers(t_s, 90.0):
            walker = make_walker(self._seed, mover.number)
            middle = np.append(line.at(mover.s_m, mover.d_m), ground_m)
            across = mover.direction == 0 and mover.speed_m_s != 0
            heading = line.heading(mover.s_m) + (
                np.sign(mover.speed_m_s) * np.pi / 2 if across else 0.0 if mover.direction > 0 else np.pi
            )
            if mover.speed_m_s == 0:
                heading += mover.number
            pace = 2 * np.pi * abs(mover.speed_m_s) / (0.85 * walker.height_m)
            phase = mover.number + pace * t_s if mover.speed_m_s else mover.number + 1.5 * np.sin(t_s + mover.number)
            limbs = walker_ribbons(walker, middle, heading, phase, mover.speed_m_s != 0)
            limbs.lamps[:] = self._nearest_lamps(middle[None])
            used = raster.face_camera(limbs, camera, self._polygons, used)
            shadows.shadow(footprint(middle, heading, np.array([0.5, 0.4])))
            if self._sunny:
                shadows.cast(footprint(middle, heading, np.array([0.3, 0.4])), walker.height_m, self._sun)
        return int(used)
