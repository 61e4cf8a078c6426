from types import SimpleNamespace

import numpy as np
import pytest

from halsie_ros.errors import GeometryError, ParameterError
from halsie_ros.events import Events
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.geometry.camera import Camera

EVENTS = Events.of([3], [2], [10], [1])


def camera(width, height, focal):
    return Camera(width, height, np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1]]))


def test_a_homography_moves_events_and_is_made_once():
    alignment = Alignment("homography", [2, 0, 1, 0, 2, 0, 0, 0, 1])
    made = alignment.registration((8, 8), (16, 18))
    assert alignment.registration((8, 8), (16, 18)) is made
    moved = made.apply(EVENTS)
    assert (moved.x[0], moved.y[0]) == (7, 4)
    assert alignment.registration((8, 8), (16, 16)) is not made


def test_calibrations_are_waited_for_and_then_used():
    alignment = Alignment("camera_info")
    assert alignment.missing == ("camera_info", "event_camera_info")
    with pytest.raises(GeometryError, match="camera_info and event_camera_info not heard"):
        alignment.registration((8, 8), (16, 16))
    alignment.camera, alignment.event_camera = camera(16, 16, 20.0), camera(8, 8, 10.0)
    moved = alignment.registration((8, 8), (16, 16)).apply(EVENTS)
    # Event pixel 3 is at (3 - 3.5) / 10 = -0.05 of the focal length: image pixel 7.5 - 0.05 * 20 = 6.5, even: 6.
    assert (moved.x[0], moved.y[0]) == (6, 4)


def test_a_calibration_of_another_size_is_refused_once_and_for_all_frames():
    alignment = Alignment("camera_info", camera=camera(32, 32, 20.0), event_camera=camera(8, 8, 10.0))
    refusals = []
    for _ in range(2):
        with pytest.raises(GeometryError, match="camera_info is for 32x32, the stream is 16x16") as refusal:
            alignment.registration((8, 8), (16, 16))
        refusals.append(refusal.value)
    assert refusals[0] is refusals[1]


@pytest.mark.parametrize(
    ("arguments", "said"), [(("warp",), "registration is 'warp'"), (("homography", [1.0]), "homography has 1 numbers")]
)
def test_what_cannot_work_is_refused_when_it_is_made(arguments, said):
    with pytest.raises(ParameterError, match=said):
        Alignment(*arguments)


def test_a_calibration_that_was_refused_is_named_as_long_as_it_lasts():
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {"width": 8, "height": 8, "d": [], "binning_x": 0, "binning_y": 0, "distortion_model": "", "roi": roi}
    blank = SimpleNamespace(k=[0.0] * 9, **fields)
    good = SimpleNamespace(k=[10.0, 0, 3.5, 0, 10, 3.5, 0, 0, 1], **fields)
    alignment = Alignment("camera_info")
    with pytest.raises(GeometryError, match="K is all zeros"):
        alignment.hear("camera_info", blank)
    alignment.hear("camera_info", blank)  # said once
    alignment.hear("event_camera_info", good)
    with pytest.raises(GeometryError, match=r"camera_info: camera info: the camera is not calibrated"):
        alignment.registration((8, 8), (8, 8))
    alignment.hear("camera_info", good)
    assert alignment.registration((8, 8), (8, 8)).scale == pytest.approx(1)
