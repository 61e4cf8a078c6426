"""Colour for the samples that `raster` has sorted out: textures, sun, sky, lamps, headlights, haze.

Each pixel averages four samples; those that see the same polygon are shaded once, together.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from halsie_ros.simulation.raster import FACADE, FLAGS, GLOSS, GROUND, LABEL, LEAFY, ROUND, TEXTURE

# A light is one float32 array, so that the kernels get by without tuples of arrays (whose reference counts cost
# more than the shading). Three places each, linear RGB; the sunlit white of noon is about 1:
SUN_DIRECTION = 0  # unit length, towards the sun
SUN = 3
AMBIENT = 6  # from the sky
ZENITH = 9  # colour of the sky straight up
HORIZON = 12  # colour of the sky at the horizon, and of haze
CLOUD = 15  # colour of the clouds
LIT = 18  # colour behind the windows
LAMP = 21  # street lamps
HEADLIGHT = 24  # of the camera's own car
HILL = 27  # colour of the far skyline
# One place each:
CLOUD_COVER = 30  # 0 clear, 1 overcast
HAZE = 31  # per metre
SHADOW = 32  # share of the sun that a shadow takes away
LIT_SHARE = 33  # share of the windows with light behind
GLOW = 34  # factor on what surfaces send out by themselves
LIGHT_SIZE = 35


@njit(cache=True, fastmath=True, error_model="numpy")
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


@njit(cache=True, fastmath=True, error_model="numpy")
def _grey(atlas, offsets, texture, u, v, level):
    """Bilinear look-up of the first channel only, 0 to 1."""
    size = 1 << (len(offsets) - 1 - level)
    x, y = u * size + 4096, v * size + 4096  # whole parts are cut off below, so keep them above 0
    left, low = int(x), int(y)
    fx, fy = x - left, y - low
    left, low = left & (size - 1), low & (size - 1)
    right, high = (left + 1) & (size - 1), (low + 1) & (size - 1)
    base = offsets[level]
    p00, p01 = atlas[texture, base + low * size + left] & 255, atlas[texture, base + low * size + right] & 255
    p10, p11 = atlas[texture, base + high * size + left] & 255, atlas[texture, base + high * size + right] & 255
    upper = p00 + fx * (np.float32(p01) - p00)
    lower = p10 + fx * (np.float32(p11) - p10)
    return (upper + fy * (lower - upper)) / 255


@njit(cache=True, fastmath=True, error_model="numpy")
def _hash(a, b):
    """A fraction 0 to 1 from two whole numbers."""
    value = (a * 374761393 + b * 668265263) & 0x7FFFFFFF
    value = ((value ^ (value >> 13)) * 1274126177) & 0x7FFFFFFF
    return ((value ^ (value >> 16)) & 0xFFFF) / 65536.0


@njit(cache=True, fastmath=True, error_model="numpy")
def sky(dx, dy, dz, light, hills, atlas, offsets, clouds, drift):
    """Colour and label of a direction (not normalised) that meets no polygon."""
    flat = np.sqrt(dx * dx + dy * dy) + 1e-9
    slope = dz / flat
    bearing = (np.arctan2(dy, dx) / (2 * np.pi)) % 1.0 * len(hills)
    index = int(bearing)
    share = bearing - index
    hill = hills[index % 256] * (1 - share) + hills[(index + 1) % 256] * share
    if slope < hill:
        return light[HILL], light[HILL + 1], light[HILL + 2], 7
    up = slope / np.sqrt(1 + slope * slope)
    blend = 1 - (1 - min(up, 1.0)) ** 3
    towards = (dx * light[SUN_DIRECTION] + dy * light[SUN_DIRECTION + 1] + dz * light[SUN_DIRECTION + 2]) / np.sqrt(
        dx * dx + dy * dy + dz * dz
    )
    halo = max(towards, 0.0) ** 24
    scale = 0.35 / (up + 0.12)
    u, v = dx / flat * scale + drift, dy / flat * scale
    cover = 0.65 * _grey(atlas, offsets, clouds, u, v, 0)
    cover += 0.35 * _grey(atlas, offsets, clouds, u * 2.7 + 0.3, v * 2.7, 0)
    cover = min(max((cover - 0.62 + 0.5 * light[CLOUD_COVER]) * 3.5, 0.0), 1.0) * min(up * 6, 1.0)
    r = light[HORIZON] + (light[ZENITH] - light[HORIZON]) * blend + halo * light[SUN] * 0.3
    g = light[HORIZON + 1] + (light[ZENITH + 1] - light[HORIZON + 1]) * blend + halo * light[SUN + 1] * 0.3
    b = light[HORIZON + 2] + (light[ZENITH + 2] - light[HORIZON + 2]) * blend + halo * light[SUN + 2] * 0.3
    return (
        r + (light[CLOUD] - r) * cover,
        g + (light[CLOUD + 1] - g) * cover,
        b + (light[CLOUD + 2] - b) * cover,
        0,
    )


@njit(cache=True, fastmath=True, error_model="numpy")
def _surface(
    index,
    sx,
    sy,
    shade,
    normal,
    u_axis,
    tint,
    glow,
    kind,
    near,
    linear,
    camera,
    light,
    lamps,
    atlas,
    offsets,
    stains,
    far_m,
):
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
    flags = kind[index, FLAGS]
    nx, ny, nz = normal[index, 0], normal[index, 1], normal[index, 2]
    facing = abs(linear[index, 10]) * iz / ray
    texels = 2.0 * linear[index, 9] * z / np.sqrt(max(facing, 0.02))  # two samples per pixel and axis
    level = 0
    while texels > 1.4 and level < len(offsets) - 1:
        texels *= 0.5
        level += 1
    r, g, b, glass = _texel(atlas, offsets, kind[index, TEXTURE], u, v, level)
    behind = g
    if flags & FACADE == 0:
        glass = np.float32(0)
    stain = 0.82 + 0.36 * _grey(atlas, offsets, stains, px * 0.05 + pz * 0.03, py * 0.05 + pz * 0.09, 1)
    keep = (1 - glass) * stain
    r *= glass + keep * tint[index, 0]
    g *= glass + keep * tint[index, 1]
    b *= glass + keep * tint[index, 2]
    if flags & ROUND:
        ax, ay, az = u_axis[index, 0], u_axis[index, 1], u_axis[index, 2]
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
    sunlit = nx * light[SUN_DIRECTION] + ny * light[SUN_DIRECTION + 1] + nz * light[SUN_DIRECTION + 2]
    sunlit = 0.35 + 0.5 * sunlit if flags & LEAFY else sunlit
    sunlit = max(sunlit, 0.0) * (1 - light[SHADOW] * shade)
    open_sky = 0.62 + 0.38 * nz
    if flags & GROUND == 0 and pz < 1.0:
        open_sky *= 0.7 + 0.3 * max(pz, 0.0)
    open_sky *= 1 - 0.35 * shade
    head = 0.0
    if light[HEADLIGHT] > 0:
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
    if light[LAMP] > 0:
        for which in range(3):
            post = near[index, which]
            if post >= 0:
                vx, vy, vz = lamps[post, 0] - px, lamps[post, 1] - py, lamps[post, 2] - pz
                distance2 = vx * vx + vy * vy + vz * vz
                window = max(1 - distance2 / 900.0, 0.0)
                cosine = 0.15 + 0.85 * max((nx * vx + ny * vy + nz * vz) / np.sqrt(distance2 + 1e-6), 0.0)
                lamp += cosine * window * window / (distance2 * 0.05 + 0.5)
    own = glow[index] * light[GLOW]
    lr = sunlit * light[SUN] + open_sky * light[AMBIENT] + head * light[HEADLIGHT] + lamp * light[LAMP] + own
    lg = (
        sunlit * light[SUN + 1]
        + open_sky * light[AMBIENT + 1]
        + head * light[HEADLIGHT + 1]
        + lamp * light[LAMP + 1]
        + own
    )
    lb = (
        sunlit * light[SUN + 2]
        + open_sky * light[AMBIENT + 2]
        + head * light[HEADLIGHT + 2]
        + lamp * light[LAMP + 2]
        + own
    )
    r, g, b = r * lr, g * lg, b * lb
    if glass > 0 or flags & GLOSS:
        mirror = glass if flags & FACADE else np.float32(0.5)
        gloss = mirror * (0.1 + 0.5 * (1 - facing) ** 3)
        up = max(dz + 2 * facing * nz * ray, 0.0) / ray
        r += gloss * (light[HORIZON] + (light[ZENITH] - light[HORIZON]) * up)
        g += gloss * (light[HORIZON + 1] + (light[ZENITH + 1] - light[HORIZON + 1]) * up)
        b += gloss * (light[HORIZON + 2] + (light[ZENITH + 2] - light[HORIZON + 2]) * up)
        if flags & FACADE:
            cell, floor = int(np.floor(u)), int(np.floor(v))
            if _hash(cell, floor) < light[LIT_SHARE]:
                strength = (0.35 + 4.5 * behind) * glass * (0.25 + 0.75 * _hash(floor + 7, cell + 3)) * light[GLOW]
                r += strength * light[LIT]
                g += strength * light[LIT + 1]
                b += strength * light[LIT + 2]
    clear = np.exp(-light[HAZE] * z * ray)
    fade = (far_m - z) / (0.35 * far_m)
    if fade < 1:
        clear *= max(fade, 0.0)
    return (
        light[HORIZON] + (r - light[HORIZON]) * clear,
        light[HORIZON + 1] + (g - light[HORIZON + 1]) * clear,
        light[HORIZON + 2] + (b - light[HORIZON + 2]) * clear,
    )


@njit(cache=True, fastmath=True, error_model="numpy")
def shade(
    ident,
    mask,
    normal,
    u_axis,
    tint,
    glow,
    kinds,
    near,
    linear,
    camera,
    light,
    hills,
    lamps,
    atlas,
    offsets,
    clouds,
    stains,
    drift,
    far_m,
    radiance,
    labels,
):
    """Fills ``radiance (H, W, 3) float32`` and ``labels (H, W) uint8`` from 2 x 2 samples per pixel.

    The label of a pixel is the one that most of its samples have.
    """
    height, width = labels.shape
    names = np.empty(4, np.int32)
    seen = np.empty(4, np.int32)
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
                            seen[first] = seen[other]
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
                    r, g, b, label = sky(
                        camera[9] + kx * camera[3] + ky * camera[6],
                        camera[10] + kx * camera[4] + ky * camera[7],
                        camera[11] + kx * camera[5] + ky * camera[8],
                        light,
                        hills,
                        atlas,
                        offsets,
                        clouds,
                        drift,
                    )
                else:
                    label = kinds[name, LABEL]
                    ground = kinds[name, FLAGS] & GROUND
                    r, g, b = _surface(
                        name,
                        sx,
                        sy,
                        dark / alike if ground else 0.0,
                        normal,
                        u_axis,
                        tint,
                        glow,
                        kinds,
                        near,
                        linear,
                        camera,
                        light,
                        lamps,
                        atlas,
                        offsets,
                        stains,
                        far_m,
                    )
                seen[first] = label
                red += alike * r
                green += alike * g
                blue += alike * b
                if uniform:
                    break
            radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = 0.25 * red, 0.25 * green, 0.25 * blue
            labels[y, x] = seen[0]
            if uniform:
                continue
            best, votes = 0, 0
            for first in range(4):
                same = 0
                for other in range(4):
                    same += seen[first] == seen[other]
                if same > votes:
                    best, votes = seen[first], same
            labels[y, x] = best
