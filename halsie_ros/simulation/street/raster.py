"""Rasterising textured convex polygons: which polygon does each sample of the picture see?

World axes: x and y on the ground, z up, metres. Camera axes: right, down, forward. A polygon is a plane with a
texture laid on it by two affine axes, so that everything the shading needs (depth, u, v) is linear in the picture
after division by depth. Only the nearest polygon's number and inverse depth are kept per sample; colours come later
and once (`shading`). All kernels run on one thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from halsie_ros.kernels import njit

CORNERS = 6
"""Most corners of a polygon; near clipping may add one."""
NEAR_M = 0.25

CUTOUT = 1  # the texture's fourth channel says where the polygon is
TWO_SIDED = 2
GROUND = 4  # receives the shadow mask
ROUND = 8  # shaded as a cylinder about the v axis
FACADE = 16  # the texture's fourth channel marks windows
GLOSS = 32  # mirrors the sky
DECAL = 64  # lies on another surface and wins against it
UPPER = 256  # a decal that wins against other decals
LEAFY = 128  # lets light through: lit from both sides

TEXTURE, LABEL, FLAGS = 0, 1, 2


class Polygons(NamedTuple):
    """N polygons (arrays of float32 unless said otherwise)."""

    corners: np.ndarray  # (N, 6, 3)
    used: np.ndarray  # (N,) int32, corners in use
    normal: np.ndarray  # (N, 3), unit length, towards the side that is seen
    u_axis: np.ndarray  # (N, 4): u = axis[:3] . p + axis[3]
    v_axis: np.ndarray  # (N, 4)
    tint: np.ndarray  # (N, 3) linear colour that the texture is multiplied with
    glow: np.ndarray  # (N,) light that it sends out by itself
    kind: np.ndarray  # (N, 3) int32: texture, label, flags
    lamps: np.ndarray  # (N, 3) int32, the nearest street lamps, -1 for none

    @classmethod
    def zeros(cls, number: int) -> Polygons:
        """Room for ``number`` polygons."""
        return cls(
            np.zeros((number, CORNERS, 3), np.float32),
            np.zeros(number, np.int32),
            np.zeros((number, 3), np.float32),
            np.zeros((number, 4), np.float32),
            np.zeros((number, 4), np.float32),
            np.zeros((number, 3), np.float32),
            np.zeros(number, np.float32),
            np.zeros((number, 3), np.int32),
            np.full((number, 3), -1, np.int32),
        )


class Ribbons(NamedTuple):
    """N strips that turn about their own axis towards the camera: trunks, poles, limbs, tree crowns."""

    ends: np.ndarray  # (N, 2, 3)
    radius: np.ndarray  # (N, 2), half width at either end
    repeat: np.ndarray  # (N,), textures along the axis
    tint: np.ndarray  # (N, 3)
    glow: np.ndarray  # (N,)
    kind: np.ndarray  # (N, 3) int32
    lamps: np.ndarray  # (N, 3) int32


@njit(fastmath=True, error_model="numpy")
def face_camera(ribbons, camera, polygons, first):
    """Writes the ribbons, turned to the camera, into ``polygons`` from ``first`` on; returns the next free place."""
    for index in range(len(ribbons.radius)):
        out = first + index
        ax, ay, az = ribbons.ends[index, 0]
        bx, by, bz = ribbons.ends[index, 1]
        dx, dy, dz = bx - ax, by - ay, bz - az
        fx, fy, fz = 0.5 * (ax + bx) - camera[0], 0.5 * (ay + by) - camera[1], 0.5 * (az + bz) - camera[2]
        wx, wy, wz = dy * fz - dz * fy, dz * fx - dx * fz, dx * fy - dy * fx
        norm = np.sqrt(wx * wx + wy * wy + wz * wz) + 1e-9
        wx, wy, wz = wx / norm, wy / norm, wz / norm
        ra, rb = ribbons.radius[index]
        length2 = dx * dx + dy * dy + dz * dz + 1e-9
        for corner, (x, y, z, r) in enumerate(
            ((ax, ay, az, -ra), (ax, ay, az, ra), (bx, by, bz, rb), (bx, by, bz, -rb))
        ):
            polygons.corners[out, corner, 0] = x + r * wx
            polygons.corners[out, corner, 1] = y + r * wy
            polygons.corners[out, corner, 2] = z + r * wz
        polygons.used[out] = 4
        nx, ny, nz = wy * dz - wz * dy, wz * dx - wx * dz, wx * dy - wy * dx
        norm = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
        sign = -1.0 if nx * fx + ny * fy + nz * fz > 0 else 1.0
        polygons.normal[out, 0] = sign * nx / norm
        polygons.normal[out, 1] = sign * ny / norm
        polygons.normal[out, 2] = sign * nz / norm
        wide = 0.5 / max(ra, rb)
        tall = ribbons.repeat[index] / length2
        polygons.u_axis[out, 0], polygons.u_axis[out, 1], polygons.u_axis[out, 2] = wx * wide, wy * wide, wz * wide
        polygons.u_axis[out, 3] = 0.5 - wide * (wx * ax + wy * ay + wz * az)
        polygons.v_axis[out, 0], polygons.v_axis[out, 1], polygons.v_axis[out, 2] = dx * tall, dy * tall, dz * tall
        polygons.v_axis[out, 3] = -tall * (dx * ax + dy * ay + dz * az)
        polygons.tint[out] = ribbons.tint[index]
        polygons.glow[out] = ribbons.glow[index]
        polygons.kind[out] = ribbons.kind[index]
        polygons.lamps[out] = ribbons.lamps[index]
    return first + len(ribbons.radius)


@njit(fastmath=True, error_model="numpy")
def place(shape, x, y, z, yaw, polygons, first):
    """Writes a shape, turned by ``yaw`` and moved to x, y, z, into ``polygons``; returns the next free place."""
    c, s = np.cos(yaw), np.sin(yaw)
    for index in range(len(shape.used)):
        out = first + index
        polygons.used[out] = shape.used[index]
        for corner in range(shape.used[index]):
            px, py, pz = shape.corners[index, corner]
            polygons.corners[out, corner, 0] = c * px - s * py + x
            polygons.corners[out, corner, 1] = s * px + c * py + y
            polygons.corners[out, corner, 2] = pz + z
        nx, ny, nz = shape.normal[index]
        polygons.normal[out, 0], polygons.normal[out, 1], polygons.normal[out, 2] = c * nx - s * ny, s * nx + c * ny, nz
        for source, target in ((shape.u_axis, polygons.u_axis), (shape.v_axis, polygons.v_axis)):
            ux, uy, uz, u0 = source[index]
            target[out, 0], target[out, 1], target[out, 2] = c * ux - s * uy, s * ux + c * uy, uz
            target[out, 3] = u0 - (target[out, 0] * x + target[out, 1] * y + uz * z)
        polygons.tint[out] = shape.tint[index]
        polygons.glow[out] = shape.glow[index]
        polygons.kind[out] = shape.kind[index]
        polygons.lamps[out] = shape.lamps[index]
    return first + len(shape.used)


@njit(fastmath=True, error_model="numpy")
def _project(corners, count, camera, screen):
    """Clips at the near plane and projects; returns (corners on the screen, nearest depth, farthest depth)."""
    view = np.empty((CORNERS, 3))
    nearest, farthest = 1e30, -1e30
    for corner in range(count):
        px, py, pz = (
            corners[corner, 0] - camera[0],
            corners[corner, 1] - camera[1],
            corners[corner, 2] - camera[2],
        )
        for axis in range(3):
            view[corner, axis] = px * camera[3 + 3 * axis] + py * camera[4 + 3 * axis] + pz * camera[5 + 3 * axis]
        nearest = min(nearest, view[corner, 2])
        farthest = max(farthest, view[corner, 2])
    if farthest < NEAR_M:
        return 0, nearest, farthest
    kept = 0
    for corner in range(count):
        after = corner + 1 if corner + 1 < count else 0
        x, y, z = view[corner]
        if z >= NEAR_M:
            screen[kept, 0] = camera[13] + camera[12] * x / z
            screen[kept, 1] = camera[14] + camera[12] * y / z
            kept += 1
        if (z >= NEAR_M) != (view[after, 2] >= NEAR_M):
            share = (NEAR_M - z) / (view[after, 2] - z)
            screen[kept, 0] = camera[13] + camera[12] * (x + share * (view[after, 0] - x)) / NEAR_M
            screen[kept, 1] = camera[14] + camera[12] * (y + share * (view[after, 1] - y)) / NEAR_M
            kept += 1
    return kept, nearest, farthest


@njit(fastmath=True, error_model="numpy")
def _span(screen, kept, y, width):
    """First and last + 1 sample of row ``y`` (centre ``y + 0.5``) inside the convex polygon."""
    left, right = 1e30, -1e30
    middle = y + 0.5
    for corner in range(kept):
        after = corner + 1 if corner + 1 < kept else 0
        y0, y1 = screen[corner, 1], screen[after, 1]
        if (y0 <= middle) != (y1 <= middle):
            x = screen[corner, 0] + (middle - y0) * (screen[after, 0] - screen[corner, 0]) / (y1 - y0)
            left = min(left, x)
            right = max(right, x)
    first = int(np.ceil(max(left, -1e6) - 0.5))
    last = int(np.ceil(min(right, 1e6) - 0.5))
    return max(first, 0), min(last, width)


@njit(fastmath=True, error_model="numpy")
def draw(polygons, first, last, camera, far_m, atlas, offsets, depth, ident, linear):
    """Draws polygons [first, last): solid ones, then cutouts.

    Args:
        camera: (15,) position, right, down, forward, focal length and principal point in samples.
        far_m: nothing is drawn beyond this depth.
        atlas: (textures, texels) uint32 with mip levels one after another; offsets: (levels,) their starts.
        depth: (H, W) float32, inverse depth, 0 where nothing is seen yet; updated.
        ident: (H, W) int32, number of the polygon seen, -1 for none; updated.
        linear: (N, 11) float32, filled: inverse depth, u and v over depth as (dx, dy, constant) each, texels per
            sample at unit depth, distance from the plane.
    """
    height, width = depth.shape
    size = 1 << (len(offsets) - 1)
    screen = np.empty((CORNERS + 2, 2))
    iz_far = 1.0 / far_m
    focal = camera[12]
    for cutouts in range(2):
        for index in range(first, last):
            flags = polygons.kind[index, FLAGS]
            if (flags & CUTOUT != 0) != (cutouts == 1):
                continue
            nx, ny, nz = polygons.normal[index]
            away = (
                nx * (polygons.corners[index, 0, 0] - camera[0])
                + ny * (polygons.corners[index, 0, 1] - camera[1])
                + nz * (polygons.corners[index, 0, 2] - camera[2])
            )
            if abs(away) < 1e-4 or (away > 0 and flags & TWO_SIDED == 0):
                continue
            kept, nearest, _ = _project(polygons.corners[index], polygons.used[index], camera, screen)
            if kept < 3 or nearest > far_m or (cutouts and nearest < NEAR_M):  # a leaf on the lens hides nothing
                continue
            top, bottom, left, right = 1e30, -1e30, 1e30, -1e30
            for corner in range(kept):
                left, right = min(left, screen[corner, 0]), max(right, screen[corner, 0])
                top, bottom = min(top, screen[corner, 1]), max(bottom, screen[corner, 1])
            if right <= 0 or left >= width or bottom <= 0 or top >= height:
                continue
            scale = np.float32(1.0)
            if flags & DECAL:
                scale = np.float32(1.005) if flags & UPPER else np.float32(1.0025)
            row = linear[index]
            row[0] = (nx * camera[3] + ny * camera[4] + nz * camera[5]) / (away * focal)
            row[1] = (nx * camera[6] + ny * camera[7] + nz * camera[8]) / (away * focal)
            row[2] = (nx * camera[9] + ny * camera[10] + nz * camera[11]) / away
            row[2] -= row[0] * camera[13] + row[1] * camera[14]
            for part in range(2):
                axis = polygons.u_axis[index] if part == 0 else polygons.v_axis[index]
                here = axis[0] * camera[0] + axis[1] * camera[1] + axis[2] * camera[2] + axis[3]
                along_x = (axis[0] * camera[3] + axis[1] * camera[4] + axis[2] * camera[5]) / focal
                along_y = (axis[0] * camera[6] + axis[1] * camera[7] + axis[2] * camera[8]) / focal
                ahead = axis[0] * camera[9] + axis[1] * camera[10] + axis[2] * camera[11]
                row[3 + 3 * part] = here * row[0] + along_x
                row[4 + 3 * part] = here * row[1] + along_y
                row[5 + 3 * part] = here * row[2] + ahead - along_x * camera[13] - along_y * camera[14]
            u, v = polygons.u_axis[index], polygons.v_axis[index]
            density = max(u[0] * u[0] + u[1] * u[1] + u[2] * u[2], v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
            row[9] = np.sqrt(density) * size / focal
            row[10] = away
            level, level_size = 0, size
            if cutouts:
                texels = row[9] * max(nearest, NEAR_M)
                while texels > 1.5 and level < len(offsets) - 3:
                    texels *= 0.5
                    level += 1
                level_size = size >> level
            texture = polygons.kind[index, TEXTURE]
            a, b, c = row[0], row[1], row[2]
            for y in range(max(int(top), 0), min(int(bottom) + 1, height)):
                start, stop = _span(screen, kept, y, width)
                base = b * np.float32(y + 0.5) + c
                if cutouts == 0:
                    for x in range(start, stop):
                        iz = a * np.float32(x + 0.5) + base
                        if iz * scale > depth[y, x] and iz > iz_far:
                            depth[y, x] = iz * scale
                            ident[y, x] = index
                else:
                    for x in range(start, stop):
                        iz = a * np.float32(x + 0.5) + base
                        if iz * scale > depth[y, x] and iz > iz_far:
                            u_at = (row[3] * (x + 0.5) + row[4] * (y + 0.5) + row[5]) / iz
                            v_at = (row[6] * (x + 0.5) + row[7] * (y + 0.5) + row[8]) / iz
                            column = int(np.floor(u_at * level_size)) & (level_size - 1)
                            line = int(np.floor(v_at * level_size)) & (level_size - 1)
                            if atlas[texture, offsets[level] + line * level_size + column] >> 24 > 120:
                                depth[y, x] = iz * scale
                                ident[y, x] = index


@njit(fastmath=True, error_model="numpy")
def draw_shadows(shapes, counts, camera, mask):
    """Marks with 1 the samples whose ground point (z = 0) lies in a convex shape.

    Args:
        shapes: (N, 6, 3) float32 corners on the ground; counts: (N,) int32.
        camera: as for ``draw``.
        mask: (H, W) uint8; updated.
    """
    height, width = mask.shape
    screen = np.empty((CORNERS + 2, 2))
    for index in range(len(counts)):
        kept, _, _ = _project(shapes[index], counts[index], camera, screen)
        if kept < 3:
            continue
        top, bottom = 1e30, -1e30
        for corner in range(kept):
            top, bottom = min(top, screen[corner, 1]), max(bottom, screen[corner, 1])
        for y in range(max(int(max(top, 0.0)), 0), min(int(min(bottom, 1e6)) + 1, height)):
            start, stop = _span(screen, kept, y, width)
            for x in range(start, stop):
                mask[y, x] = 1
