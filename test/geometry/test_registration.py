"""Registration: where events land in the image, what is dropped, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import GeometryError
from halsie_ros.events import Events
from halsie_ros.geometry.camera import Camera
from halsie_ros.geometry.registration import Registration

K = [[200.0, 0, 120.0], [0, 200.0, 90.0], [0, 0, 1]]
CAMERA = Camera(240, 180, K)


def at(*points) -> Events:
    x, y = zip(*points, strict=True)
    return Events.of(x, y, np.arange(len(x)), np.arange(len(x)) % 2)


def places(events: Events) -> list[tuple[int, int]]:
    return list(zip(events.x.tolist(), events.y.tolist(), strict=True))


def test_identity_returns_the_events_themselves():
    events = at((1, 2), (3, 4))
    assert Registration.identity((180, 240), (180, 240)).apply(events) is events


def test_identity_of_different_sizes_says_both_and_what_to_do():
    with pytest.raises(GeometryError, match=r"events are 240x180, images 640x480: set registration to resize"):
        Registration.identity((180, 240), (480, 640))


def test_resize_moves_pixel_centres():
    registration = Registration.resize((4, 4), (8, 2))
    assert places(registration.apply(at((0, 0), (1, 1), (2, 2), (3, 3)))) == [(0, 1), (0, 3), (1, 5), (1, 7)]
    assert registration.outside == 0


def test_resize_covers_every_pixel_of_a_smaller_image_and_only_those():
    y, x = np.mgrid[:48, :64].reshape(2, -1)
    mapped = Registration.resize((48, 64), (18, 24)).apply(Events.of(x, y, np.arange(x.size), x % 2))
    assert set(places(mapped)) == {(column, row) for column in range(24) for row in range(18)}


def test_homography_shifts_drops_and_counts_keeping_order_and_time():
    registration = Registration.homography([1, 0, 2, 0, 1, -1, 0, 0, 1], (4, 4), (4, 4))
    mapped = registration.apply(at((0, 0), (0, 1), (1, 3), (2, 3)))
    assert places(mapped) == [(2, 0), (3, 2)]
    assert mapped.t_us.tolist() == [1, 2]
    assert mapped.polarity.tolist() == [True, False]
    assert registration.outside == 2


def test_homography_divides_by_its_third_row():
    registration = Registration.homography([2, 0, 0, 0, 2, 0, 0, 0, 2], (4, 4), (4, 4))
    assert places(registration.apply(at((1, 2)))) == [(1, 2)]


def test_a_homography_with_a_camera_takes_the_lens_out_and_moves_a_barrel_image_outwards():
    lens = Camera(240, 180, K, [-0.3, 0.0, 0.0, 0.0])
    registration = Registration.homography(np.eye(3), (180, 240), (180, 240), camera=lens)
    # At (60, 90): u = -0.3; x (1 - 0.3 x^2) = -0.3 at x = -0.3090, so column 120 - 61.8.
    assert places(registration.apply(at((120, 90), (60, 90)))) == [(120, 90), (58, 90)]


def test_events_off_the_sensor_are_dropped():
    registration = Registration.resize((4, 4), (4, 4))
    assert len(registration.apply(at((4, 0), (0, 4), (65535, 65535)))) == 0
    assert registration.outside == 3


def test_alike_cameras_map_onto_themselves():
    registration = Registration.camera_info(
        Camera(240, 180, K, [-0.2, 0.05, 0, 0]), Camera(240, 180, K, [-0.2, 0.05, 0, 0])
    )
    events = at((0, 0), (239, 179), (17, 100))
    assert places(registration.apply(events)) == places(events)


def test_rotation_shifts_by_focal_length_times_tangent():
    angle = np.arctan(0.1)
    turn = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    mapped = Registration.camera_info(CAMERA, CAMERA, turn).apply(at((120, 90)))
    assert places(mapped) == [(140, 90)]


def test_focal_lengths_and_sizes_of_both_cameras_count():
    wide = Camera(640, 480, [[400.0, 0, 320], [0, 400.0, 240], [0, 0, 1]])
    assert places(Registration.camera_info(CAMERA, wide).apply(at((120, 90), (130, 80)))) == [(320, 240), (340, 220)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Registration.homography([1, 2, 3], (4, 4), (4, 4)), "homography of 3 numbers: give 9"),
        (lambda: Registration.homography("abc", (4, 4), (4, 4)), "homography of 0 numbers"),
        (lambda: Registration.homography(np.zeros(9), (4, 4), (4, 4)), "cannot be inverted"),
        (lambda: Registration.homography([1, 0, 99, 0, 1, 0, 0, 0, 1], (4, 4), (4, 4)), "no pixel of the 4x4 event"),
        (lambda: Registration.homography(np.eye(3), (4, 4), (4, 4), camera=CAMERA), "event_camera_info is 240x180"),
        (lambda: Registration.resize((0, 4), (4, 4)), "4x0 pixels"),
        (lambda: Registration.camera_info(CAMERA, CAMERA, np.ones((3, 3))), "not a 3x3 rotation"),
        (lambda: Registration.camera_info(CAMERA, CAMERA, np.diag([-1, 1, -1])), "no pixel of the 240x180 event"),
    ],
)
def test_registration_that_cannot_work_is_refused(make, message):
    with pytest.raises(GeometryError, match=message):
        make()


def test_scale_is_image_pixels_per_event_pixel():
    assert Registration.identity((40, 60)).scale == 1
    assert Registration.resize((40, 60), (80, 120)).scale == pytest.approx(2, abs=0.1)
    turned = [0, -0.5, 39, 0.5, 0, 0, 0, 0, 1]
    assert Registration.homography(turned, (40, 60), (40, 60)).scale == pytest.approx(0.5, abs=0.1)
