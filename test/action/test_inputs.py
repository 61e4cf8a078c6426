import numpy as np
import pytest

from halsie_ros.action.inputs import FORM, MAX_VALUE, STEP_US, merge
from halsie_ros.video.features import FrameFeatures

THING = slice(8, 14)
"""Rows of the motion grid in which something moves; were it all, it would be the camera."""


def features(stamp_ns, *, motion=0.0, residual=0.0, accumulated=0.0):
    grid, displaced = np.zeros((2, 2, *FORM.grid), np.float32)
    grid[:, THING], displaced[:, THING] = motion, accumulated
    cells = np.full(FORM.residual, residual, np.float32)
    return FrameFeatures("P", stamp_ns, None, 0, 1, True, grid, cells, displaced, np.full_like(cells, accumulated))


def test_motion_becomes_a_velocity_whatever_the_frame_rate():
    slow = merge([features(100_000_000, motion=0.02)], 0)
    fast = merge([features(50_000_000, motion=0.01)], 0)
    np.testing.assert_allclose(slow.motion[:2, THING], 0.2, rtol=1e-5)
    np.testing.assert_allclose(fast.motion[:2, THING], 0.2, rtol=1e-5)
    assert (slow.dt_us, fast.dt_us) == (100_000, 50_000)


def test_frames_taken_together_average_residuals_and_keep_the_last_accumulation():
    step = merge(
        [features(40_000_000, residual=0.1, accumulated=0.3), features(80_000_000, residual=0.2, accumulated=0.01)], 0
    )
    np.testing.assert_allclose(step.residual[0], 0.15 * 8, rtol=1e-5)
    np.testing.assert_allclose(step.residual[1], 0.01 * 8, rtol=1e-5)
    np.testing.assert_allclose(step.motion[2:, THING], 0.1, rtol=1e-5)
    assert step.dt_us == 80_000


@pytest.mark.parametrize("since_ns", [0, 10_000_000_000])
def test_implausible_stamps_count_as_thirtieths_of_a_second(since_ns):
    stamp = 0 if since_ns else 90_000_000_000
    assert merge([features(stamp), features(stamp)], since_ns).dt_us == pytest.approx(STEP_US)


def test_values_are_bounded():
    step = merge([features(1_000, motion=1.0, residual=1.0, accumulated=-3.0)], 0)
    assert np.abs(step.motion).max() == MAX_VALUE and step.residual.max() == MAX_VALUE


def test_what_the_camera_moves_is_told_and_taken_out():
    panned = features(100_000_000)
    panned.motion[:] = 0.05
    panned.motion[:, THING] += 0.02
    panned.accumulated_motion[:] = 0.05
    step = merge([panned], 0)
    np.testing.assert_allclose(step.motion[:2, :8], 0, atol=1e-5)
    np.testing.assert_allclose(step.motion[:2, THING], 0.2, atol=1e-5)
    np.testing.assert_allclose(step.motion[2:], 0, atol=1e-5)
    assert step.camera == pytest.approx([0.75, np.hypot(0.5, 0.5)], abs=1e-4)
    assert merge([features(100_000_000, motion=0.02)], 0).camera == pytest.approx([0.75, 0.0])
