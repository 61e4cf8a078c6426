"""The colour of the sky: a gradient, a halo about the sun, clouds, and hills along the horizon."""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.simulation.street.lighting import CLOUD, CLOUD_COVER, HILL, HORIZON, SUN, SUN_DIRECTION, ZENITH
from halsie_ros.simulation.street.lookup import grey


@njit(fastmath=True, error_model="numpy", inline="always")
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
    cover = 0.65 * grey(atlas, offsets, clouds, u, v, 0)
    cover += 0.35 * grey(atlas, offsets, clouds, u * 2.7 + 0.3, v * 2.7, 0)
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
