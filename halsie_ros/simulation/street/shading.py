"""Colour for the samples that `raster` has sorted out: textures, sun, sky, lamps, headlights, haze.

Each pixel averages four samples; those that see the same polygon are shaded once, together.

Surface, sky and look-ups are compiled into this kernel (inlined: a call with so many arrays costs more than the work).
"""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.simulation.street.raster import FLAGS, GROUND, LABEL
from halsie_ros.simulation.street.sky import sky
from halsie_ros.simulation.street.surface import surface


@njit(fastmath=True, error_model="numpy")
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
                if uniform:
                    sx, sy, alike = 8 * x + 4.0, 8 * y + 4.0, 4
                    dark += mask[2 * y, 2 * x] + mask[2 * y, 2 * x + 1]
                    dark += mask[2 * y + 1, 2 * x] + mask[2 * y + 1, 2 * x + 1]
                else:
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
                    r, g, b = surface(
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
