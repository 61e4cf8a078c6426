"""8-bit pictures and the light they stand for (the sRGB transfer function, IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np

_CODES = np.arange(256) / 255
TO_LIGHT = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Linear light, 0 to 1, of each 8-bit code: ``TO_LIGHT[image]``, (256,) float32."""

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def to_luminance(image: np.ndarray) -> np.ndarray:
    """Linear luminance 0 to 1, (H, W) float32, of (H, W, 3) uint8 sRGB or (H, W) uint8."""
    light = TO_LIGHT[image]
    result: np.ndarray = light @ _LUMA if image.ndim == 3 else light
    return result


def to_codes(light: np.ndarray) -> np.ndarray:
    """8-bit sRGB codes of linear light, any shape; light beyond 0 to 1 is clipped."""
    light = np.clip(light, 0, 1)
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    result: np.ndarray = np.rint(encoded * 255).astype(np.uint8)
    return result
