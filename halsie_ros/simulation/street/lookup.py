"""Looking up textures inside kernels; an atlas is as `textures.make_atlas` gives it."""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit


@njit(fastmath=True, error_model="numpy", inline="always")
def texel(atlas, offsets, texture, u, v, level):
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


@njit(fastmath=True, error_model="numpy", inline="always")
def grey(atlas, offsets, texture, u, v, level):
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


@njit(fastmath=True, error_model="numpy", inline="always")
def fraction(a, b):
    """A fraction 0 to 1 from two whole numbers."""
    value = (a * 374761393 + b * 668265263) & 0x7FFFFFFF
    value = ((value ^ (value >> 13)) * 1274126177) & 0x7FFFFFFF
    return ((value ^ (value >> 16)) & 0xFFFF) / 65536.0
