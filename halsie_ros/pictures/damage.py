"""What night, sun and motion do to a picture. All of it acts on linear light (sRGB decoded) and gives 8-bit sRGB again.

Evaluation takes one strength of each, training draws them at random.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.pictures.srgb import TO_LIGHT, to_codes, to_luminance

BLUR_PX = 21
READ_NOISE = 2 / 255
"""Standard deviation, in linear light."""


def dark(image: np.ndarray, rng: np.random.Generator, *, less: float = 32) -> np.ndarray:
    """So many times less light, then read noise of `READ_NOISE` on the same scale; uint8 of the image's shape."""
    light = TO_LIGHT[image] / less
    return to_codes(light + rng.standard_normal(light.shape, np.float32) * np.float32(READ_NOISE))


def overexposed(image: np.ndarray, *, more: float = 6) -> np.ndarray:
    """So many times the light, clipped at white; uint8 of the image's shape."""
    return to_codes(TO_LIGHT[image] * more)


def blur(image: np.ndarray, direction: np.ndarray, length_px: int = BLUR_PX) -> np.ndarray:
    """The mean over a line of `length_px` pixels along `direction` (x, y), centred; uint8 of the image's shape."""
    light = TO_LIGHT[image]
    unit = np.asarray(direction, float) / max(float(np.hypot(*direction)), 1e-9)
    out = np.empty_like(light.reshape(*light.shape[:2], -1))
    _line_mean(light.reshape(out.shape), unit[0], unit[1], length_px, out)
    return to_codes(out.reshape(light.shape))


@njit(fastmath=True)
def _line_mean(light, unit_x, unit_y, length, out):
    height, width, channels = light.shape
    out[:] = 0
    for k in range(length):
        offset_x, offset_y = (k - (length - 1) / 2) * unit_x, (k - (length - 1) / 2) * unit_y
        left, top = int(np.floor(offset_x)), int(np.floor(offset_y))
        fx, fy = np.float32(offset_x - left), np.float32(offset_y - top)
        for y in range(height):
            y0, y1 = min(max(y + top, 0), height - 1), min(max(y + top + 1, 0), height - 1)
            for x in range(width):
                x0, x1 = min(max(x + left, 0), width - 1), min(max(x + left + 1, 0), width - 1)
                for c in range(channels):
                    upper = light[y0, x0, c] + fx * (light[y0, x1, c] - light[y0, x0, c])
                    lower = light[y1, x0, c] + fx * (light[y1, x1, c] - light[y1, x0, c])
                    out[y, x, c] += (upper + fy * (lower - upper)) / np.float32(length)


def motion_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whole-picture movement from one frame to the next by phase correlation: (2,) float64 pixels x, y."""
    first, second = to_luminance(before), to_luminance(after)
    window = np.hanning(first.shape[0])[:, None] * np.hanning(first.shape[1])[None, :]
    spectrum = np.fft.rfft2(second * window) * np.conj(np.fft.rfft2(first * window))
    peak = np.fft.irfft2(spectrum / np.maximum(np.abs(spectrum), 1e-12), first.shape)
    row, column = np.unravel_index(int(np.argmax(peak)), peak.shape)
    height, width = first.shape
    return np.array([(column + width // 2) % width - width // 2, (row + height // 2) % height - height // 2], float)
