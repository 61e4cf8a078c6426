"""Colour for the samples that `raster` has sorted out: textures, sun, sky, lamps, headlights, haze.

Each pixel averages four samples; those that see the same polygon are shaded once, together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from halsie_ros.simulation.raster import FACADE, FLAGS, GLOSS, GROUND, KERNEL, LABEL, LEAFY, ROUND, TEXTURE


class Light(NamedTuple):
    """What lights the scene; colours are linear RGB, the sunlit white of noon is about 1."""

    sun_direction: np.ndarray  # (3,), unit length, towards the sun
    sun: np.ndarray  # (3,)
    ambient: np.ndarray  # (3,), from the sky
    zenith: np.ndarray  # (3,), colour of the sky straight up
    horizon: np.ndarray  # (3,), colour of the sky at the horizon, and of haze
    cloud: np.ndarray  # (3,), colour of the clouds
    cloud_cover: float  # 0 clear, 1 overcast
    haze_per_m: float
    shadow: float  # share of the sun that a shadow takes away
    lit_share: float  # share of the windows with light behind
    lit: np.ndarray  # (3,), colour of that light
    lamp: np.ndarray  # (3,), street lamps, intensity in cd-like units
    headlight: np.ndarray  # (3,), of the camera's own car
    glow: float  # factor on what surfaces send out by themselves
    hills: np.ndarray  # (256,), elevation (tangent) of the far skyline by azimuth
    hill_colour: np.ndarray  # (3,)


@njit(**KERNEL, inline="always")
def _texel(atlas, offsets, texture, u, v, level):
    """Bilinear look-up in one mip level, wrapping; four floats 0 to 1."""
    size = 1 << (len(offsets) - 1 - level)
    x, y = u * size - 0.5, v * size - 0.5
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = np.float32(x - x0), np.float32(y - y0)
    left, low = int(x0) & (size - 1), int(y0) & (size - 1)
    right, high = (left + 1) & (size - 1), (low + 1) & (size - 1)
    base = offsets[level]
    p00, p01 = atlas[texture, base + low * size + left], atlas[texture, base + low * size + right]
    p10, p11 = atlas[texture, base + high * size + left], atlas[texture, base + high * size + right]
    scale = np.float32(1 / 255)
    w00, w01 = (1 - fx) * (1 - fy) * scale, fx * (1 - fy) * scale
    w10, w11 = (1 - fx) * fy * scale, fx * fy * scale
    return (
        w00 * (p00 & 255) + w01 * (p01 & 255) + w10 * (p10 & 255) + w11 * (p11 & 255),
        w00 * (p00 >> 8 & 255) + w01 * (p01 >> 8 & 255) + w10 * (p10 >> 8 & 255) + w11 * (p11 >> 8 & 255),
        w00 * (p00 >> 16 & 255) + w01 * (p01 >> 16 & 255) + w10 * (p10 >> 16 & 255) + w11 * (p11 >> 16 & 255),
        w00 * (p00 >> 24) + w01 * (p01 >> 24) + w10 * (p10 >> 24) + w11 * (p11 >> 24),
    )


@njit(**KERNEL, inline="always")
def _hash(a, b):
    """A fraction 0 to 1 from two whole numbers."""
    value = (a * 374761393 + b * 668265263) & 0x7FFFFFFF
    value = ((value ^ (value >> 13)) * 1274126177) & 0x7FFFFFFF
    return ((value ^ (value >> 16)) & 0xFFFF) / 65536.0


@njit(**KERNEL, inline="always")
def sky(dx, dy, dz, light, atlas, offsets, clouds, drift):
    """Colour and label of a direction (not normalised) that meets no polygon."""
    flat = np.sqrt(dx * dx + dy * dy) + 1e-9
    slope = dz / flat
    bearing = (np.arctan2(dy, dx) / (2 * np.pi)) % 1.0 * len(light.hills)
    index = int(bearing)
    share = bearing - index
    hill = light.hills[index % 256] * (1 - share) + light.hills[(index + 1) % 256] * share
    if slope < hill:
        return light.hill_colour[0], light.hill_colour[1], light.hill_colour[2], 7
    up = slope / np.sqrt(1 + slope * slope)
    blend = 1 - (1 - min(up, 1.0)) ** 3
    towards = (dx * light.sun_direction[0] + dy * light.sun_direction[1] + dz * light.sun_direction[2]) / np.sqrt(
        dx * dx + dy * dy + dz * dz
    )
    halo = max(towards, 0.0) ** 24
    scale = 0.35 / (up + 0.12)
    u, v = dx / flat * scale + drift, dy / flat * scale
    cover = (
        0.65 * _texel(atlas, offsets, clouds, u, v, 0)[0]
        + 0.35 * _texel(atlas, offsets, clouds, u * 2.7 + 0.3, v * 2.7, 0)[0]
    )
    cover = min(max((cover - 0.62 + 0.5 * light.cloud_cover) * 3.5, 0.0), 1.0) * min(up * 6, 1.0)
    r = light.horizon[0] + (light.zenith[0] - light.horizon[0]) * blend + halo * light.sun[0] * 0.3
    g = light.horizon[1] + (light.zenith[1] - light.horizon[1]) * blend + halo * light.sun[1] * 0.3
    b = light.horizon[2] + (light.zenith[2] - light.horizon[2]) * blend + halo * light.sun[2] * 0.3
    return (
        r + (light.cloud[0] - r) * cover,
        g + (light.cloud[1] - g) * cover,
        b + (light.cloud[2] - b) * cover,
        0,
    )


@njit(**KERNEL, inline="always")
def _surface(index, sx, sy, shade, polygons, linear, camera, light, lamps, atlas, offsets, stains, far_m):
    """Colour of polygon ``index`` at sample position (sx, sy); ``shade`` is the part of it in shadow."""
    iz = max(linear[index, 0] * sx + linear[index, 1] * sy + linear[index, 2], np.float32(1e-4))
    z = 1 / iz
    u = (linear[index, 3] * sx + linear[index, 4] * sy + linear[index, 5]) * z
    v = (linear[index, 6] * sx + linear[index, 7] * sy + linear[index, 8]) * z
    kx, ky = (sx - camera[13]) / camera[12], (sy - camera[14]) / camera[12]
    dx = camera[9] + kx * camera[3] + ky * camera[6]
    dy = camera[10] + kx * camera[4] + ky * camera[7]
    dz = camera[11] + kx * camera[5] + ky * camera[8]
    ray = np.sqrt(1 + kx * kx + ky * ky)
    px, py, pz = camera[0] + dx * z, camera[1] + dy * z, camera[2] + dz * z
    flags = polygons.kind[index, FLAGS]
    nx, ny, nz = polygons.normal[index, 0], polygons.normal[index, 1], polygons.normal[index, 2]
    facing = abs(linear[index, 10]) * iz / ray
    texels = 2.0 * linear[index, 9] * z / np.sqrt(max(facing, 0.02))  # two samples per pixel and axis
    level = 0
    while texels > 1.4 and level < len(offsets) - 1:
        texels *= 0.5
        level += 1
    r, g, b, glass = _texel(atlas, offsets, polygons.kind[index, TEXTURE], u, v, level)
    if flags & FACADE == 0:
        glass = np.float32(0)
    stain = 0.82 + 0.36 * _texel(atlas, offsets, stains, px * 0.05 + pz * 0.03, py * 0.05 + pz * 0.09, 1)[0]
    keep = (1 - glass) * stain
    r *= glass + keep * polygons.tint[index, 0]
    g *= glass + keep * polygons.tint[index, 1]
    b *= glass + keep * polygons.tint[index, 2]
    if flags & ROUND:
        ax, ay, az = polygons.u_axis[index, 0], polygons.u_axis[index, 1], polygons.u_axis[index, 2]
        size = np.sqrt(ax * ax + ay * ay + az * az) + 1e-9
        side = min(max(2 * u - 1, -1.0), 1.0)
        out = np.sqrt(1 - side * side)
        nx = nx * out + ax / size * side
        ny = ny * out + ay / size * side
        nz = nz * out + az / size * side
        if flags & LEAFY:
            nz += 0.9 * (v - 0.4)
    elif linear[index, 10] > 0:
        nx, ny, nz = -nx, -ny, -nz
    sunlit = nx * light.sun_direction[0] + ny * light.sun_direction[1] + nz * light.sun_direction[2]
    sunlit = 0.35 + 0.5 * sunlit if flags & LEAFY else sunlit
    sunlit = max(sunlit, 0.0) * (1 - light.shadow * shade)
    open_sky = 0.62 + 0.38 * nz
    if flags & GROUND == 0 and pz < 1.0:
        open_sky *= 0.7 + 0.3 * max(pz, 0.0)
    open_sky *= 1 - 0.35 * shade
    head = 0.0
    if light.headlight[0] > 0:
        fx, fy = camera[9], camera[10]
        flat = np.sqrt(fx * fx + fy * fy) + 1e-9
        vx, vy, vz = px - camera[0], py - camera[1], pz - min(camera[2], 0.8)
        ahead = (vx * fx + vy * fy) / flat
        aside = (vy * fx - vx * fy) / flat
        if ahead > 0.5:
            distance2 = vx * vx + vy * vy + vz * vz
            spread = aside / ahead
            cut = 1 / (1 + np.exp(min((vz / ahead - 0.02) * 90, 30.0)))
            cosine = 0.12 + 0.88 * max(-(nx * vx + ny * vy + nz * vz) / np.sqrt(distance2), 0.0)
            head = np.exp(-6.5 * spread * spread) * (0.06 + cut) * cosine / (distance2 * 0.01 + 0.6)
    lamp = 0.0
    if light.lamp[0] > 0:
        for which in range(3):
            post = polygons.lamps[index, which]
            if post >= 0:
                vx, vy, vz = lamps[post, 0] - px, lamps[post, 1] - py, lamps[post, 2] - pz
                distance2 = vx * vx + vy * vy + vz * vz
                window = max(1 - distance2 / 900.0, 0.0)
                cosine = 0.15 + 0.85 * max((nx * vx + ny * vy + nz * vz) / np.sqrt(distance2 + 1e-6), 0.0)
                lamp += cosine * window * window / (distance2 * 0.05 + 0.5)
    own = polygons.glow[index] * light.glow
    lr = sunlit * light.sun[0] + open_sky * light.ambient[0] + head * light.headlight[0] + lamp * light.lamp[0] + own
    lg = sunlit * light.sun[1] + open_sky * light.ambient[1] + head * light.headlight[1] + lamp * light.lamp[1] + own
    lb = sunlit * light.sun[2] + open_sky * light.ambient[2] + head * light.headlight[2] + lamp * light.lamp[2] + own
    r, g, b = r * lr, g * lg, b * lb
    if glass > 0 or flags & GLOSS:
        mirror = glass if flags & FACADE else np.float32(0.5)
        gloss = mirror * (0.1 + 0.5 * (1 - facing) ** 3)
        up = max(dz + 2 * facing * nz * ray, 0.0) / ray
        r += gloss * (light.horizon[0] + (light.zenith[0] - light.horizon[0]) * up)
        g += gloss * (light.horizon[1] + (light.zenith[1] - light.horizon[1]) * up)
        b += gloss * (light.horizon[2] + (light.zenith[2] - light.horizon[2]) * up)
        if flags & FACADE:
            cell, floor = int(np.floor(u)), int(np.floor(v))
            if _hash(cell, floor) < light.lit_share:
                strength = glass * (0.25 + 0.75 * _hash(floor + 7, cell + 3)) * light.glow
                r += strength * light.lit[0]
                g += strength * light.lit[1]
                b += strength * light.lit[2]
    clear = np.exp(-light.haze_per_m * z * ray)
    fade = (far_m - z) / (0.35 * far_m)
    if fade < 1:
        clear *= max(fade, 0.0)
    return (
        light.horizon[0] + (r - light.horizon[0]) * clear,
        light.horizon[1] + (g - light.horizon[1]) * clear,
        light.horizon[2] + (b - light.horizon[2]) * clear,
    )


@njit(**KERNEL)
def shade(
    ident, mask, polygons, linear, camera, light, lamps, atlas, offsets, clouds, stains, drift, far_m, radiance, labels
):
    """Fills ``radiance (H, W, 3) float32`` and ``labels (H, W) uint8`` from 2 x 2 samples per pixel.

    The label of a pixel is the one that most of its samples have.
    """
    height, width = labels.shape
    names = np.empty(4, np.int32)
    kinds = np.empty(4, np.int32)
    for y in range(height):
        for x in range(width):
            names[0], names[1] = ident[2 * y, 2 * x], ident[2 * y, 2 * x + 1]
            names[2], names[3] = ident[2 * y + 1, 2 * x], ident[2 * y + 1, 2 * x + 1]
            uniform = names[0] == names[1] and names[0] == names[2] and names[0] == names[3]
            red, green, blue = 0.0, 0.0, 0.0
            for first in range(4):
                name = names[first]
                sx, sy, dark, alike = 0.0, 0.0, 0.0, 0
                done = False
                for other in range(4):
                    if names[other] == name:
                        if other < first:
                            done = True
                            kinds[first] = kinds[other]
                            break
                        sx += 2 * x + (other & 1) + 0.5
                        sy += 2 * y + (other >> 1) + 0.5
                        dark += mask[2 * y + (other >> 1), 2 * x + (other & 1)]
                        alike += 1
                if done:
                    continue
                sx, sy = sx / alike, sy / alike
                if name < 0:
                    kx, ky = (sx - camera[13]) / camera[12], (sy - camera[14]) / camera[12]
                    r, g, b, kind = sky(
                        camera[9] + kx * camera[3] + ky * camera[6],
                        camera[10] + kx * camera[4] + ky * camera[7],
                        camera[11] + kx * camera[5] + ky * camera[8],
                        light,
                        atlas,
                        offsets,
                        clouds,
                        drift,
                    )
                else:
                    kind = polygons.kind[name, LABEL]
                    ground = polygons.kind[name, FLAGS] & GROUND
                    r, g, b = _surface(
                        name,
                        sx,
                        sy,
                        dark / alike if ground else 0.0,
                        polygons,
                        linear,
                        camera,
                        light,
                        lamps,
                        atlas,
                        offsets,
                        stains,
                        far_m,
                    )
                kinds[first] = kind
                red += alike * r
                green += alike * g
                blue += alike * b
                if uniform:
                    break
            radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = 0.25 * red, 0.25 * green, 0.25 * blue
            labels[y, x] = kinds[0]
            if uniform:
                continue
            best, votes = 0, 0
            for first in range(4):
                same = 0
                for other in range(4):
                    same += kinds[first] == kinds[other]
                if same > votes:
                    best, votes = kinds[first], same
            labels[y, x] = best
