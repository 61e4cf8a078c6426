import numpy as np
import pytest

from halsie_ros.action.inputs import FORM, Step
from halsie_ros.action.motion_map import SIZE_PER_TIME, Nudge, descriptor, mirrored, step_map


def maps(steps=10, column=12, row=8, size=6):
    rng = np.random.default_rng(0)
    out = np.zeros((steps, 10, 24, 32), np.float32)
    pattern = rng.random((steps, 10, 6, 6)).repeat(size // 6, 2).repeat(size // 6, 3)
    out[:, :, row : row + size, column : column + size] = pattern
    return out


def moving(x, y):
    motion = np.zeros((4, *FORM.grid), np.float32)
    motion[0, 3, 4], motion[1, 3, 4] = x, y
    return step_map(Step(motion, np.zeros((2, *FORM.residual), np.float32), 66_667.0))[:, 3, 4]


@pytest.mark.parametrize(("x", "y", "direction"), [(2, 0, 0), (0, 2, 2), (-2, 0, 4), (0, -2, 6), (-2, -2, 5)])
def test_a_vector_along_a_direction_counts_for_it_alone(x, y, direction):
    wanted = np.zeros(10)
    wanted[direction] = np.hypot(x, y)
    np.testing.assert_allclose(moving(x, y), wanted, atol=1e-5)


def test_a_vector_between_two_directions_is_shared_by_its_angle():
    angle = 0.25 * np.pi / 4
    made = moving(np.cos(angle), np.sin(angle))
    np.testing.assert_allclose(made[:3], [0.75, 0.25, 0], atol=1e-5)


def test_residuals_become_means_of_their_cells():
    residual = np.zeros((2, *FORM.residual), np.float32)
    residual[0, 4, 6], residual[1, 0:2, 2:4] = 4.0, 1.0
    made = step_map(Step(np.zeros((4, *FORM.grid), np.float32), residual, 66_667.0))
    assert made[8, 2, 3] == 1.0 and made[9, 0, 1] == 1.0
    assert made.sum() == pytest.approx(2.0)


def test_where_in_the_picture_it_happens_sideways_does_not_matter_and_how_high_does():
    np.testing.assert_allclose(descriptor(maps(column=9), 4), descriptor(maps(column=17), 4), atol=1e-5)
    assert np.abs(descriptor(maps(row=3), 4) - descriptor(maps(row=12), 4)).max() > 0.01


def test_one_half_of_the_descriptor_sees_near_and_far_alike():
    near, far = maps(column=8, row=3, size=18), maps(column=10, row=6, size=12)
    scaled, fixed = descriptor(near, 1).reshape(2, -1) * descriptor(far, 1).reshape(2, -1)
    assert scaled.sum() > 0.49 > fixed.sum() + 0.02


def test_early_and_late_are_told_apart():
    assert np.abs(descriptor(maps(), 4) - descriptor(maps()[::-1], 4)).max() > 0.01


@pytest.mark.parametrize("times", [2, 4, 8])
def test_it_has_length_one_whatever_the_number_of_steps(times):
    for steps in (1, 2, 5, 48):
        made = descriptor(maps(steps), times)
        assert made.shape == (times * SIZE_PER_TIME,)
        assert np.linalg.norm(made) == pytest.approx(1, abs=0.01)


def test_a_nudge_moves_the_window():
    still = descriptor(maps(), 4)
    for nudge in (Nudge(rows=1), Nudge(columns=-1)):
        assert still @ descriptor(maps(), 4, nudge) < 0.99


def test_stillness_is_zero():
    assert not descriptor(np.zeros((3, 10, 24, 32), np.float32), 4).any()


def test_mirroring_turns_left_into_right_and_twice_changes_nothing():
    one = np.zeros((1, 10, 24, 32), np.float32)
    one[0, 1, 3, 4] = 1.0
    assert mirrored(one)[0, 3, 3, 27] == 1.0
    np.testing.assert_array_equal(mirrored(mirrored(maps())), maps())
