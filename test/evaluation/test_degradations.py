import numpy as np
import pytest

from halsie_ros.datasets.samples import Sample
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.degradations import Degradation
from halsie_ros.events import Events
from halsie_ros.pictures.damage import blur, dark, motion_between, overexposed
from halsie_ros.pictures.srgb import TO_LIGHT, to_codes


def sample(frames=4, motion=None):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (frames, 32, 48, 3), dtype=np.uint8)
    masks = np.zeros((frames, 32, 48), np.uint8)
    times = np.arange(1, frames + 1) * 50_000
    return Sample("a", times, 0, pictures, Events.empty(), masks, np.ones(frames, bool), motion)


def test_light_and_codes_are_inverse():
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_codes(TO_LIGHT[codes]), codes)


def test_dark_keeps_a_32nd_of_the_light_under_its_noise():
    white = np.full((200, 200), 255, np.uint8)
    light = TO_LIGHT[dark(white, np.random.default_rng(0))]
    assert light.mean() == pytest.approx(1 / 32, rel=0.02)
    assert light.std() == pytest.approx(2 / 255, rel=0.05)


def test_overexposed_is_six_times_the_light_clipped():
    codes = np.array([[0, 50, 100, 200]], np.uint8)
    assert np.array_equal(overexposed(codes), to_codes(np.minimum(TO_LIGHT[codes] * 6, 1)))
    assert overexposed(codes)[0, 3] == 255


def test_blur_spreads_a_point_over_21_pixels_along_the_motion():
    point = np.zeros((41, 61), np.uint8)
    point[20, 30] = 255
    for direction, rows, columns in (((3.0, 0.0), 1, 21), ((0.0, -0.5), 21, 1)):
        lit = np.argwhere(blur(point, np.array(direction)) > 0)
        assert np.ptp(lit[:, 0]) + 1 == rows and np.ptp(lit[:, 1]) + 1 == columns
    assert TO_LIGHT[blur(point, np.array([1.0, 0.0]))].sum() == pytest.approx(1, rel=0.05)


def test_a_flat_picture_stays_flat_under_blur():
    assert np.all(blur(np.full((30, 30, 3), 90, np.uint8), np.array([0.6, 0.8])) == 90)


def test_blackout_takes_the_last_frames_with_the_labelled_one():
    frames = Degradation.parse("blackout:3").frames(sample(5))
    assert [frame is None for frame in frames] == [False, False, True, True, True]


def test_degraded_frames_are_the_same_every_time():
    first, second = (Degradation.parse("dark").frames(sample()) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second))


def test_whole_picture_motion_is_found():
    picture = np.kron(np.random.default_rng(1).integers(0, 256, (16, 24)), np.ones((4, 4))).astype(np.uint8)
    assert motion_between(picture, np.roll(picture, (3, -5), (0, 1))).tolist() == [-5, 3]


@pytest.mark.parametrize("text", ["fog", "blackout", "blackout:0", "blackout:x", "dark:2", ""])
def test_unknown_degradations_name_the_known_ones(text):
    with pytest.raises(ParameterError, match=r"choose none, dark, overexposed, blur or blackout:N"):
        Degradation.parse(text)


@pytest.mark.parametrize("text", ["none", "dark", "overexposed", "blur", "blackout:12"])
def test_names_survive_parsing(text):
    assert str(Degradation.parse(text)) == text
