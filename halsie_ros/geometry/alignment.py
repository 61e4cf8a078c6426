"""Which registration applies, as sizes and calibrations become known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from halsie_ros.errors import GeometryError, ParameterError
from halsie_ros.geometry.camera import Camera
from halsie_ros.geometry.registration import Registration

KINDS = ("identity", "resize", "homography", "camera_info")


@dataclass
class Alignment:
    """How events get into the image frame: the kind is fixed, sizes and calibrations come with the messages.

    Attributes:
        kind: one of `KINDS`.
        matrix: 9 numbers by rows, event pixels to image pixels, for "homography".
        rotation: 9 numbers by rows, from the event camera's frame to the camera's, for "camera_info"; empty: none.
        undistort: take the event lens out before a homography (needs the event camera's calibration).
        camera: calibration of the images, None until it is known.
        event_camera: calibration of the event camera, None until it is known.
    """

    kind: str
    matrix: Sequence[float] = ()
    rotation: Sequence[float] = ()
    undistort: bool = False
    camera: Camera | None = None
    event_camera: Camera | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ParameterError(f"registration is {self.kind!r}: give one of {', '.join(KINDS)}")
        if self.kind == "homography" and len(self.matrix) != 9:
            raise ParameterError(f"homography has {len(self.matrix)} numbers: give 9, by rows, for this registration")
        self._made: tuple[tuple[Any, ...], Registration | GeometryError] | None = None
        self._heard: dict[str, tuple[Any, ...]] = {}
        self._refused: dict[str, str] = {}

    @property
    def needs(self) -> tuple[str, ...]:
        """The calibration topics that must be heard: of "camera_info" and "event_camera_info"."""
        if self.kind == "camera_info":
            return ("camera_info", "event_camera_info")
        return ("event_camera_info",) if self.kind == "homography" and self.undistort else ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of `needs` that have not come."""
        known = {"camera_info": self.camera, "event_camera_info": self.event_camera}
        return tuple(name for name in self.needs if known[name] is None)

    def hear(self, name: str, info: Any) -> None:
        """Takes a sensor_msgs/CameraInfo, of whichever library; one that says what the last one said changes nothing.

        Args:
            name: whose it is: "camera_info" or "event_camera_info".
            info: the message.

        Raises:
            GeometryError: no calibration, said once; what was known before stays.
        """
        k, d = getattr(info, "k", ()), getattr(info, "d", ())
        if not len(k):  # ROS 1 writes them in capitals
            k, d = info.K, info.D
        roi = (info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height)
        heard = (
            (info.width, info.height, info.distortion_model, info.binning_x, info.binning_y, *roi), tuple(k), tuple(d)
        )  # fmt: skip
        if heard == self._heard.get(name):
            return
        self._heard[name] = heard
        try:
            camera = Camera.from_info(info)
        except GeometryError as error:
            self._refused[name] = str(error)
            self._made = None
            raise
        self._refused.pop(name, None)
        if name == "camera_info":
            self.camera = camera
        else:
            self.event_camera = camera

    def registration(self, sensor_size: tuple[int, int], image_size: tuple[int, int]) -> Registration:
        """The way from sensor to image, sizes (height, width); made once for each pair of sizes and calibrations.

        Raises:
            GeometryError: they do not fit each other, or a calibration has not come.
        """
        key = (sensor_size, image_size, self.camera, self.event_camera)
        if self._made is None or self._made[0] != key:
            try:
                self._made = (key, self._make(sensor_size, image_size))
            except GeometryError as error:
                self._made = (key, error)  # not tried again with every frame
        if isinstance(self._made[1], GeometryError):
            raise self._made[1]
        return self._made[1]

    def _make(self, sensor_size: tuple[int, int], image_size: tuple[int, int]) -> Registration:
        if refused := [f"{name}: {self._refused[name]}" for name in self.missing if name in self._refused]:
            raise GeometryError("; ".join(refused))
        if self.missing:
            raise GeometryError(
                f"registration {self.kind}: {' and '.join(self.missing)} not heard: publish or remap it"
            )
        if self.kind == "identity":
            return Registration.identity(sensor_size, image_size)
        if self.kind == "resize":
            return Registration.resize(sensor_size, image_size)
        if self.kind == "homography":
            camera = self.event_camera if self.undistort else None
            return Registration.homography(self.matrix, sensor_size, image_size, camera=camera)
        camera = _checked("camera_info", self.camera, image_size)
        event_camera = _checked("event_camera_info", self.event_camera, sensor_size)
        rotation = np.reshape(self.rotation, (3, 3)) if len(self.rotation) else None
        return Registration.camera_info(event_camera, camera, rotation)


def _checked(name: str, camera: Camera | None, size: tuple[int, int]) -> Camera:
    if camera is None or (camera.height, camera.width) != size:
        told = "nothing" if camera is None else f"{camera.width}x{camera.height}"
        raise GeometryError(
            f"{name} is for {told}, the stream is {size[1]}x{size[0]}: calibrate at that "
            "size, or publish it with the binning or region of interest that the pictures have"
        )
    return camera
