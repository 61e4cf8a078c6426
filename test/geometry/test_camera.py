"""Lens models: what goes through the lens comes back, and nonsense is refused."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import GeometryError
from halsie_ros.geometry.camera import Camera

K = [[200.0, 0, 119.5], [0, 200.0, 89.5], [0, 0, 1]]
# The RPG DAVIS240C's published calibration.
SLIDER = Camera(
    240,
    180,
    [[335.419462958, 0, 129.924663379], [0, 335.352935612, 99.1864303447], [0, 0, 1]],
    [-0.138592767408, 0.0933736664192, -0.000335586987532, 0.000173720158228, 0.0],
)


@pytest.mark.parametrize(
    "camera",
    [
        Camera(240, 180, K),
        SLIDER,
        Camera(240, 180, K, [-0.3, 0.1, 0.001, -0.001], "plumb_bob"),
        Camera(240, 180, K, [0.1, -0.2, 0.001, 0.0, 0.01, 0.2, -0.1, 0.0], "rational_polynomial"),
        Camera(240, 180, K, [-0.05, 0.01, -0.002, 0.0], "equidistant"),
    ],
)
def test_rays_project_back_onto_their_pixels(camera):
    columns, rows = camera.project(camera.rays())
    expected_columns, expected_rows = np.meshgrid(np.arange(240), np.arange(180))
    assert np.abs(columns - expected_columns).max() < 1e-3
    assert np.abs(rows - expected_rows).max() < 1e-3


def test_plumb_bob_follows_its_formula_by_hand():
    # r2 = 0.25, radial = 1 + 0.1 * 0.25 + 0.2 * 0.0625 = 1.0375; tangential 2 p1 x y + p2 (r2 + 2 x^2) with x 0.5, y 0.
    camera = Camera(240, 180, K, [0.1, 0.2, 0.01, 0.02, 0.0])
    x, y = camera.distort(np.array([0.5]), np.array([0.0]))
    assert x[0] == pytest.approx(0.5 * 1.0375 + 0.02 * 0.75)
    assert y[0] == pytest.approx(0.01 * 0.25)


def test_equidistant_without_coefficients_beyond_zero_maps_angle_to_radius():
    camera = Camera(240, 180, K, [0, 0, 0, 0], "equidistant")
    x, _ = camera.distort(np.array([1.0]), np.array([0.0]))
    assert x[0] == pytest.approx(np.pi / 4)


def test_pixel_beyond_the_lens_has_no_ray():
    camera = Camera(2000, 3, [[300.0, 0, 1000], [0, 300.0, 1], [0, 0, 1]], [0, 0, 0, 0], "equidistant")
    rays = camera.rays()
    assert np.isnan(rays[1, 0, 0])
    assert not np.isnan(rays[1, 1000, 0])


def test_ray_from_behind_falls_on_no_pixel():
    columns, _ = Camera(240, 180, K).project(np.array([[0.0, 0.0, -1.0]]))
    assert np.isnan(columns).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((240, 180, np.zeros((3, 3))), "focal lengths 0.0, 0.0 must be above 0"),
        ((0, 0, K), "0x0 pixels: is the camera calibrated"),
        ((240, 180, [1, 2]), "k has 2 numbers"),
        ((240, 180, K, [1, 2, 3]), "plumb_bob with 3 coefficients: give 0 or 4 or 5"),
        ((240, 180, K, [], "fisheye62"), "distortion model 'fisheye62' is not known"),
        ((240, 180, K, [np.nan] * 4), "plumb_bob with 4 coefficients"),
    ],
)
def test_camera_info_that_cannot_work_is_refused(arguments, message):
    with pytest.raises(GeometryError, match=message):
        Camera(*arguments)
