import numpy as np
import pytest

from halsie_ros.action.inputs import FORM, Step
from halsie_ros.action.motion_map import SIZE_PER_TIME, descriptor, step_map


def maps(count=5, column=12, row=8):
    rng = np.random.default_rng(0)
    out = np.zeros((count, 6, 24, 32), np.float32)
    out[:, :, row : row + 6, column : column + 6] = rng.random((count, 6, 6, 6))
    return out


AGES = np.arange(4, -1, -1) * 0.4


def test_a_step_sorts_velocity_by_direction():
    motion = np.zeros((4, *FORM.grid), np.float32)
    motion[0, 3, 4], motion[1, 5, 6] = -2.0, 1.5
    residual = np.zeros((2, *FORM.residual), np.float32)
    residual[1, 0:2, 2:4] = 1.0
    made = step_map(Step(motion, residual, 66_667.0))
    assert made.shape == (6, 24, 32)
    assert made[2, 3, 4] == 2.0 and made[1, 5, 6] == 1.5 and made[5, 0, 1] == 1.0
    assert made.sum() == pytest.approx(4.5)


def test_where_in_the_picture_it_happens_sideways_does_not_matter():
    np.testing.assert_allclose(descriptor(maps(column=9), AGES, 4), descriptor(maps(column=17), AGES, 4), atol=1e-6)
    assert np.abs(descriptor(maps(row=3), AGES, 4) - descriptor(maps(row=12), AGES, 4)).max() > 0.01


def test_early_and_late_are_told_apart():
    forward = maps()
    assert np.abs(descriptor(forward, AGES, 4) - descriptor(forward[::-1], AGES, 4)).max() > 0.01


@pytest.mark.parametrize("times", [2, 4, 6])
def test_it_has_length_one_whatever_the_number_of_segments(times):
    for count in (1, 2, 5):
        made = descriptor(maps(count), AGES[5 - count :], times)
        assert made.shape == (times * SIZE_PER_TIME,)
        assert np.linalg.norm(made) == pytest.approx(1, abs=1e-5)


def test_stillness_is_zero():
    assert not descriptor(np.zeros((3, 6, 24, 32), np.float32), AGES[2:], 4).any()
