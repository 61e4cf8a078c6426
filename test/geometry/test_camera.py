"""Lens models: what goes through the lens comes back, and nonsense is refused."""

from __future__ import annotations

from types import SimpleNamespace

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
        Camera(240, 180, K, [0.1, -0.2, 0.001, 0.0, 0.01, 0.2, -0.1, 0.0, 0.001, 0.002, -0.001, 0.001], "rational"),
        Camera(240, 180, K, [0.1, -0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.02, -0.03], "rational_polynomial"),
        Camera(240, 180, K, [0.9], "fov"),
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
        ((240, 180, np.zeros((3, 3))), r"not calibrated \(K is all zeros\): calibrate it"),
        ((240, 180, [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]), "focal lengths -1.0, 1.0 must be above 0"),
        ((0, 0, K), "0x0 pixels: is the camera calibrated"),
        ((240, 180, [1, 2]), "k has 2 numbers"),
        ((240, 180, K, [0.1] * 15), "plumb_bob with 15 coefficients: it has 14 at most"),
        ((240, 180, K, [0.1] * 5, "equidistant"), "equidistant with 5 coefficients: it has 4 at most"),
        ((240, 180, K, [0.1], "fisheye62"), "distortion model 'fisheye62' is not known"),
        ((240, 180, K, [np.nan] * 4), "plumb_bob with coefficients .* give finite ones"),
    ],
)
def test_camera_info_that_cannot_work_is_refused(arguments, message):
    with pytest.raises(GeometryError, match=message):
        Camera(*arguments)


@pytest.mark.parametrize(
    ("d", "model", "same_as"),
    [
        ([0.1, 0.2], "radtan", ([0.1, 0.2, 0, 0, 0], "plumb_bob")),
        ([0.1, 0.2, 0.01, 0.02], "radial-tangential", ([0.1, 0.2, 0.01, 0.02], "plumb_bob")),
        ([0.1, 0.2, 0.01, 0.02, 0.3], "", ([0.1, 0.2, 0.01, 0.02, 0.3], "plumb_bob")),
        ([0.1, 0.2, 0.01, 0.02, 0.3, 0, 0, 0], "Brown Conrady", ([0.1, 0.2, 0.01, 0.02, 0.3], "plumb_bob")),
        ([1, 2, 0, 0, 3, 1, 2, 3, *[0] * 6], "rational_polynomial", ([1, 2, 0, 0, 3, 1, 2, 3], "rational_polynomial")),
        ([0.1, 0.2, 0, 0, 0], "fisheye", ([0.1, 0.2], "equidistant")),
        ([0.1, 0.2, 0.3, 0.4], "kannala_brandt4", ([0.1, 0.2, 0.3, 0.4], "equidistant")),
        ([0.1], "equi", ([0.1, 0, 0, 0], "equidistant")),
        ([0, 0, 0, 0, 0], "a model of the future", ([], "plumb_bob")),
    ],
)
def test_models_are_known_under_every_name_and_with_any_count_of_coefficients(d, model, same_as):
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 5), np.linspace(-0.4, 0.4, 5))
    one, other = Camera(240, 180, K, d, model), Camera(240, 180, K, *same_as)
    assert one.model == other.model
    np.testing.assert_array_equal(one.distort(x, y), other.distort(x, y))


def test_lens_models_agree_with_opencv():
    cv2 = pytest.importorskip("cv2")
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, 7), np.linspace(-0.4, 0.4, 5))
    points = np.stack((x, y, np.ones_like(x)), -1).reshape(-1, 1, 3)
    rng = np.random.default_rng(3)
    for count in (4, 5, 8, 12, 14):
        d = rng.uniform(-0.05, 0.05, count)
        expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), d)
        ours = np.stack(Camera(240, 180, K, d, "rational_polynomial").distort(x, y), -1)
        np.testing.assert_allclose(ours.reshape(-1, 2), expected.reshape(-1, 2), atol=1e-9)


def info(**changes):
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {"width": 640, "height": 480, "k": [300.0, 0, 320, 0, 300, 240, 0, 0, 1], "d": [], "binning_x": 0,
              "binning_y": 0, "distortion_model": "plumb_bob", "roi": roi}  # fmt: skip
    return SimpleNamespace(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "size", "k"),
    [
        ({}, (640, 480), (300, 300, 320, 240)),
        ({"binning_x": 1, "binning_y": 1}, (640, 480), (300, 300, 320, 240)),
        ({"binning_x": 2, "binning_y": 2}, (320, 240), (150, 150, 160, 120)),
        ({"roi": (160, 120, 320, 240)}, (320, 240), (300, 300, 160, 120)),
        ({"roi": (160, 120, 320, 240), "binning_x": 2, "binning_y": 4}, (160, 60), (150, 75, 80, 30)),
    ],
)
def test_binning_and_region_of_interest_are_those_of_rep_104(changes, size, k):
    if "roi" in changes:
        names = ("x_offset", "y_offset", "width", "height")
        changes = changes | {"roi": SimpleNamespace(**dict(zip(names, changes["roi"], strict=True)))}
    camera = Camera.from_info(info(**changes))
    assert (camera.width, camera.height) == size
    assert (camera.k[0, 0], camera.k[1, 1], camera.k[0, 2], camera.k[1, 2]) == k


def test_a_camera_info_of_ros_1_is_read():
    message = info()
    message.K, message.D = message.k, [0.1] * 5
    del message.k, message.d
    assert Camera.from_info(message).d[:5].tolist() == [0.1] * 5
