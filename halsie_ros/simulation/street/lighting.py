"""Day, dusk and night: sun, sky, lamps and haze, different for every seed."""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import ParameterError

LIGHTS = ("day", "dusk", "night")

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


def _rgb(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def make_light(seed: int, light: str, heading: float) -> tuple[np.ndarray, np.ndarray]:
    """The light of a street.

    Args:
        seed: of the street.
        light: ``day``, ``dusk`` or ``night``.
        heading: the street's direction, radians; at dusk the sun may stand in it.

    Returns:
        The light as ``shading`` takes it, and the far skyline: tangent of its elevation by azimuth, ``(256,) float32``.

    Raises:
        ParameterError: another word for ``light``.
    """
    if light not in LIGHTS:
        raise ParameterError(f"light {light!r}: choose one of {', '.join(LIGHTS)}")
    random = np.random.default_rng([seed, 5, LIGHTS.index(light)])
    azimuth = heading + random.uniform(0, 2 * np.pi)
    cover = random.uniform(0, 1) ** 1.3
    overcast = float(np.clip((cover - 0.6) / 0.4, 0, 1))
    hue = random.uniform(0.9, 1.1, 3)
    bearing = np.arange(256) / 256 * 2 * np.pi
    hills = sum(
        random.uniform(0, 0.05) / k**0.8 * np.sin(k * bearing + random.uniform(0, 2 * np.pi))
        for k in (1, 2, 3, 5, 8, 13, 29)
    )
    hills = np.maximum(0.05 + hills, 0.012).astype(np.float32)
    dark = _rgb(0, 0, 0)
    haze = float(np.exp(random.uniform(np.log(0.0008), np.log(0.009))))
    if light == "day":
        elevation = np.radians(random.uniform(18, 65))
        sun = _rgb(1.15, 1.08, 0.95) * random.uniform(0.75, 1.15) * (1 - 0.93 * overcast)
        ambient = _rgb(0.34, 0.4, 0.5) * random.uniform(0.8, 1.3) * (1 + 0.5 * overcast)
        zenith = _rgb(0.10, 0.22, 0.55) * hue * random.uniform(0.8, 1.5) * (1 - overcast) + 0.5 * overcast
        horizon = _rgb(0.62, 0.74, 0.9) * hue * (1 - overcast) + 0.68 * overcast
        cloud = _rgb(0.9, 0.9, 0.92) * (1 - 0.35 * overcast)
        lit, share, lamp, head, glow = _rgb(1.0, 0.85, 0.6) * 0.3, 0.04, dark, dark, 0.3
    elif light == "dusk":
        elevation = np.radians(random.uniform(2, 10))
        sun = _rgb(0.5, 0.24, 0.09) * random.uniform(0.2, 1.1) * (1 - 0.9 * overcast)
        ambient = _rgb(0.085, 0.095, 0.14) * random.uniform(0.7, 1.5)
        zenith = _rgb(0.05, 0.075, 0.19) * hue * random.uniform(0.7, 1.3)
        horizon = _rgb(0.5, 0.31, 0.2) * random.uniform(0.5, 1.1) * random.uniform(0.85, 1.15, 3) * (1 - 0.6 * overcast)
        cloud = _rgb(0.3, 0.17, 0.15) * random.uniform(0.5, 1.2)
        lit, share = _rgb(1.0, 0.72, 0.4) * random.uniform(0.5, 0.9), random.uniform(0.2, 0.45)
        lamp, head, glow = _rgb(1.0, 0.75, 0.42) * random.uniform(0.1, 0.35), _rgb(1, 0.95, 0.85) * 0.25, 0.8
    else:
        elevation = np.radians(random.uniform(25, 70))
        sun = _rgb(0.006, 0.007, 0.01) * random.uniform(0.1, 0.8)  # the moon
        ambient = _rgb(0.006, 0.0065, 0.0085) * random.uniform(0.2, 0.9)
        zenith = _rgb(0.0016, 0.002, 0.004) * random.uniform(0.5, 1.5)
        horizon = _rgb(0.011, 0.009, 0.008) * random.uniform(0.4, 1.6)
        cloud = _rgb(0.009, 0.008, 0.008)
        lit, share = _rgb(1.0, 0.75, 0.42) * random.uniform(0.08, 0.25), random.uniform(0.12, 0.4)
        tone = _rgb(1.0, 0.7, 0.34) if random.random() < 0.6 else _rgb(0.85, 0.95, 1.0)
        lamp, head = tone * random.uniform(0.05, 0.2), _rgb(1, 0.96, 0.88) * random.uniform(0.15, 0.45)
        glow = 0.8
    direction = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    hill = horizon * 0.75 + _rgb(0.1, 0.13, 0.1) * 0.5 * ambient
    result = np.zeros(LIGHT_SIZE, np.float32)
    for place, colour in (
        (SUN_DIRECTION, direction),
        (SUN, sun),
        (AMBIENT, ambient),
        (ZENITH, zenith),
        (HORIZON, horizon),
        (CLOUD, cloud),
        (LIT, lit),
        (LAMP, lamp),
        (HEADLIGHT, head),
        (HILL, hill),
    ):
        result[place : place + 3] = colour
    result[CLOUD_COVER] = cover
    result[HAZE] = haze
    result[SHADOW] = 0.8
    result[LIT_SHARE] = share
    result[GLOW] = glow
    return result, hills
