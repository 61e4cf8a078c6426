from itertools import pairwise

import numpy as np
import pytest

from halsie_ros.simulation.still import CameraMotion, MovingStill


@pytest.fixture
def image():
    return np.random.default_rng(0).random((40, 60, 3)).astype(np.float32)


def test_the_last_view_is_the_still_bit_for_bit(image):
    for seed in range(5):
        motion = CameraMotion.random(np.random.default_rng(seed), 0.4, 60)
        assert np.array_equal(MovingStill(image, motion).view(0.4), image)


def test_yaw_moves_the_picture_sideways(image):
    still = MovingStill(image, CameraMotion(1.0, yaw_px_s=10.0))
    moved = CameraMotion(1.0, yaw_px_s=10.0).displacement_px(0.0, 1.0, 60, 40)
    assert np.allclose(np.abs(moved[40]), (10, 0), atol=0.2)
    assert not np.allclose(still.view(0.0), image)


def test_driving_forward_leaves_the_horizon_and_expands_the_ground():
    moved = CameraMotion(1.0, drive_per_s=0.3).displacement_px(0.5, 1.0, 61, 41).reshape(9, 9, 2)
    ground, horizon = moved[8, 4], moved[:, 4][int(np.argmin(np.abs(np.linspace(0, 40, 9) - 18)))]
    assert ground[1] > 1 and abs(ground[0]) < 0.1
    assert np.hypot(*horizon) < 0.5
    assert moved[4, 0, 0] < 0 < moved[4, 8, 0]


def test_labels_move_with_the_picture(image):
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 20:40] = 5
    picture = np.repeat((labels[..., None] == 5).astype(np.float32), 3, 2)
    motion = CameraMotion(0.5, yaw_px_s=16, drive_per_s=0.2, roll_rad_s=0.2)
    view, mask = MovingStill(picture, motion).view(0.1)[..., 0], MovingStill(picture, motion).labels(labels, 0.1)
    known = mask != 255
    assert np.mean((view > 0.5)[known] == (mask == 5)[known]) > 0.99
    assert 0 < np.mean(~known) < 0.5


def test_speed_has_no_jumps_and_displacements_add_up():
    motion = CameraMotion(1.0, yaw_px_s=20, sway=0.8, sway_hz=2)
    times = np.linspace(0, 1, 101)
    steps = [motion.displacement_px(a, b, 60, 40)[40, 0] for a, b in pairwise(times)]
    assert max(np.abs(np.diff(steps))) < 0.1 * max(np.abs(steps))


def test_an_image_without_channels_is_refused(image):
    with pytest.raises(ValueError, match="height, width, channels"):
        MovingStill(image[..., 0], CameraMotion(1.0))
