"""The street's course and the camera's way along it."""

import numpy as np
import pytest

from halsie_ros.simulation.street.path import BLOCK_M, CameraPath, Pose, StreetLine


def test_the_street_is_smooth_across_blocks_and_as_long_as_it_says():
    line = StreetLine(3)
    s = np.arange(0, 5 * BLOCK_M, 0.5)
    points = np.array([line.at(value, 0.0) for value in s])
    assert np.allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 0.5, atol=1e-3)
    assert np.abs(np.diff([line.heading(value) for value in s])).max() < 0.5 * 0.0121


def test_left_is_left_of_the_heading():
    line = StreetLine(3)
    heading = line.heading(100.0)
    away = line.at(100.0, 2.0) - line.at(100.0, 0.0)
    assert away == pytest.approx([-2 * np.sin(heading), 2 * np.cos(heading)])


def test_a_street_is_the_same_wherever_one_asks_first():
    far_first, near_first = StreetLine(5), StreetLine(5)
    far = far_first.at(900.0, 1.0)
    near_first.at(10.0, 0.0)
    assert near_first.at(900.0, 1.0) == pytest.approx(far)


@pytest.mark.parametrize("seed", range(8))
def test_the_camera_moves_forward_above_the_ground_without_jumps(seed):
    path = CameraPath(seed, StreetLine(seed), 1.5)
    times = np.arange(0, 20, 0.05)
    assert np.all(np.diff([path.s(t_s) for t_s in times]) >= 0)
    poses = [path.pose(t_s) for t_s in times]
    assert min(pose.position[2] for pose in poses) > 0.5
    assert np.abs(np.diff([pose.yaw for pose in poses])).max() < 0.1
    assert np.linalg.norm(np.diff([pose.position for pose in poses], axis=0), axis=1).max() < 1.5


def test_axes_of_a_level_pose_along_x():
    axes = Pose(np.zeros(3), 0.0, 0.0, 0.0).axes()
    assert axes.tolist() == [[0, -1, 0], [0, 0, -1], [1, 0, 0]]  # right, down, forward


def test_axes_stay_at_right_angles_when_turned():
    axes = Pose(np.zeros(3), 0.7, -0.3, 0.2).axes()
    assert np.allclose(axes @ axes.T, np.eye(3))
    assert axes[2, 2] == pytest.approx(np.sin(-0.3))  # pitched down
