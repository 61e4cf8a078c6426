"""The frame camera: exposure, noise, gamma."""

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.simulation.camera import FrameCamera, luminance


def grey(value, size=40):
    return np.full((size, size, 3), value, np.float32)


def test_luminance_weighs_green_most():
    assert luminance(np.eye(3, dtype=np.float32)[None]).tolist() == [
        [pytest.approx(v) for v in (0.2126, 0.7152, 0.0722)]
    ]


def test_auto_exposure_brings_bright_and_dim_scenes_to_the_same_grey():
    means = []
    for light in (0.2, 0.6, 2.0):
        camera = FrameCamera(seed=0, frame_rate_hz=25)
        camera.meter(grey(light))
        means.append(camera.capture([grey(light)]).mean())
    assert max(means) - min(means) < 6
    # 0.19 of full scale with gamma 1 / 2.2: 255 * 0.19 ** 0.4545 = 120.
    assert abs(means[0] - 120) < 6


def test_the_dark_takes_long_exposure_then_gain_and_stays_darker():
    camera = FrameCamera(seed=0, frame_rate_hz=25)
    camera.meter(grey(0.01))
    assert camera.exposure_s == pytest.approx(0.028) and camera.gain > 1
    assert camera.capture([grey(0.01)]).mean() < 100


def test_noise_is_worse_with_less_light():
    def relative_noise(light):
        camera = FrameCamera(seed=0, frame_rate_hz=25)
        camera.meter(grey(light))
        picture = camera.capture([grey(light)])
        return picture.std() / picture.mean()

    assert relative_noise(0.005) > 2 * relative_noise(0.5)


def test_a_fixed_exposure_stays_and_light_adds_up_over_it():
    camera = FrameCamera(seed=0, frame_rate_hz=25, exposure_s=0.002, read_noise_e=0.0)
    camera.meter(grey(5.0))
    assert (camera.exposure_s, camera.gain) == (0.002, 1.0)
    # 1.4e6 e/s * 0.002 s * 0.5 = 1400 of 9000 e: 255 * 0.15556 ** (1 / 2.2) = 109.5; 0.25 and 0.75 average to 0.5.
    assert abs(camera.capture([grey(0.25), grey(0.75)]).mean() - 109.5) < 1


def test_adaptation_goes_part_of_the_way():
    camera = FrameCamera(seed=0, frame_rate_hz=25)
    camera.meter(grey(0.5))
    before = camera.exposure_s
    camera.meter(grey(1.0), 0.5)
    assert camera.exposure_s == pytest.approx(before / np.sqrt(2))


def test_equal_seeds_give_equal_noise():
    one, other = (FrameCamera(seed=3, frame_rate_hz=25).capture([grey(0.1)]) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, FrameCamera(seed=4, frame_rate_hz=25).capture([grey(0.1)]))


def test_an_exposure_longer_than_a_frame_is_refused():
    with pytest.raises(ParameterError, match=r"exposure_s 0\.1"):
        FrameCamera(seed=0, frame_rate_hz=25, exposure_s=0.1)
