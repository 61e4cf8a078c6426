"""The colour of a point on a surface: texture, sun, sky, lamps, headlights, mirrors, windows, haze."""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.simulation.street.lighting import (
    AMBIENT,
    GLOW,
    HAZE,
    HEADLIGHT,
    HORIZON,
    LAMP,
    LIT,
    LIT_SHARE,
    SHADOW,
    SUN,
    SUN_DIRECTION,
    ZENITH,
)
from halsie_ros.simulation.street.lookup import fraction, grey, texel
from halsie_ros.simulation.street.raster import FACADE, FLAGS, GLOSS, GROUND, LEAFY, ROUND, TEXTURE


@njit(fastmath=True, error_model="numpy", inline="always")
def surface(
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
    r, g, b, glass = texel(atlas, offsets, kind[index, TEXTURE], u, v, level)
    behind = g
    if flags & FACADE == 0:
        glass = np.float32(0)
    stain = 0.82 + 0.36 * grey(atlas, offsets, stains, px * 0.05 + pz * 0.03, py * 0.05 + pz * 0.09, 1)
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
            if fraction(cell, floor) < light[LIT_SHARE]:
                strength = (0.35 + 4.5 * behind) * glass * (0.25 + 0.75 * fraction(floor + 7, cell + 3)) * light[GLOW]
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
