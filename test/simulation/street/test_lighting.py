"""Light: physical enough to be trusted, different for every seed."""

import numpy as np
import pytest

from halsie_ros.simulation.street import lighting


@pytest.mark.parametrize("name", lighting.LIGHTS)
def test_light_is_not_negative_and_the_sun_is_up(name):
    for seed in range(10):
        light, hills = lighting.make_light(seed, name, 0.3)
        assert light.shape == (lighting.LIGHT_SIZE,) and light[lighting.SUN :].min() >= 0
        sun = light[lighting.SUN_DIRECTION : lighting.SUN_DIRECTION + 3]
        assert np.linalg.norm(sun) == pytest.approx(1, abs=1e-5) and sun[2] > 0
        assert hills.shape == (256,) and hills.min() > 0


def test_lamps_burn_from_dusk_on():
    for name, burning in (("day", False), ("dusk", True), ("night", True)):
        light, _ = lighting.make_light(2, name, 0.0)
        assert (light[lighting.LAMP] > 0) == burning and (light[lighting.HEADLIGHT] > 0) == burning


def test_seeds_change_the_light():
    one, other = (lighting.make_light(seed, "day", 0.0)[0] for seed in (0, 2))
    assert not np.allclose(one, other)
