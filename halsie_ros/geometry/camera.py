"""The pinhole camera with a lens, as sensor_msgs/CameraInfo describes it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halsie_ros.errors import GeometryError

#: Coefficients that each model has at most: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4 tx ty (OpenCV's order), k1 ... k4, w.
_COEFFICIENTS = {"plumb_bob": 14, "rational_polynomial": 14, "equidistant": 4, "fov": 1}
#: Other names of the same models, as Kalibr, OpenCV, RealSense, OAK-D, camera_calibration and others write them.
_ALIASES = {
    "": "plumb_bob", "none": "plumb_bob", "radtan": "plumb_bob", "radialtangential": "plumb_bob",
    "plumbbob": "plumb_bob", "perspective": "plumb_bob",
    "brownconrady": "plumb_bob", "modifiedbrownconrady": "plumb_bob", "opencv": "plumb_bob", "rational": "plumb_bob",
    "rationalpolynomial": "rational_polynomial", "rationalpolynominal": "rational_polynomial",
    "thinprism": "rational_polynomial", "equi": "equidistant", "equidistant": "equidistant", "fisheye": "equidistant",
    "kannalabrandt": "equidistant", "kannalabrandt4": "equidistant", "opencvfisheye": "equidistant", "fov": "fov",
    "atan": "fov", "ftheta": "equidistant",
}  # fmt: skip
#: Steps of the inversion of the lens; it stops as soon as all pixels are within 1e-4 pixels.
_MAX_STEPS = 100


@dataclass(frozen=True, eq=False)
class Camera:
    """What a sensor_msgs/CameraInfo says about a camera.

    Attributes:
        width: columns.
        height: rows.
        k: camera matrix, ``(3, 3)``.
        d: distortion coefficients, as many as were given (any number): plumb_bob and rational_polynomial k1 k2 p1 p2 k3
            k4 k5 k6 s1 s2 s3 s4 tx ty, equidistant k1 k2 k3 k4, fov w. Afterwards all of the model's, or none for no
            distortion.
        model: "plumb_bob", "rational_polynomial", "equidistant", "fov", or another tool's name of one of them.
        r: rectification matrix, ``(3, 3)``.
    """

    width: int
    height: int
    k: np.ndarray
    d: np.ndarray = field(default_factory=lambda: np.zeros(0))
    model: str = "plumb_bob"
    r: np.ndarray = field(default_factory=lambda: np.eye(3))

    def __post_init__(self) -> None:
        for name, shape in (("k", (3, 3)), ("r", (3, 3))):
            matrix = np.asarray(getattr(self, name), np.float64)
            if matrix.size != 9 or not np.isfinite(matrix).all():
                raise GeometryError(f"camera info: {name} has {matrix.size} numbers: give 9 finite ones, {shape}")
            object.__setattr__(self, name, matrix.reshape(3, 3))
        object.__setattr__(self, "d", np.asarray(self.d, np.float64).reshape(-1))
        if self.width < 1 or self.height < 1:
            raise GeometryError(f"camera info of {self.width}x{self.height} pixels: is the camera calibrated?")
        if not self.k[:2].any():
            raise GeometryError(
                "camera info: the camera is not calibrated (K is all zeros): calibrate it (camera_calibration), or "
                "choose a registration that needs no calibration"
            )
        if self.k[0, 0] <= 0 or self.k[1, 1] <= 0:
            raise GeometryError(
                f"camera info: focal lengths {self.k[0, 0]}, {self.k[1, 1]} must be above 0: is the camera calibrated?"
            )
        if not np.isfinite(self.d).all():
            raise GeometryError(f"camera info: {self.model} with coefficients {self.d.tolist()}: give finite ones")
        model = _ALIASES.get(re.sub(r"[^a-z0-9]", "", self.model.lower()), "")
        if not self.d.any() and model != "equidistant":  # there zeros are a fisheye lens all the same
            object.__setattr__(self, "d", np.zeros(0))  # no distortion, whatever the model is called
            model = model or "plumb_bob"
        if not model:
            known = ", ".join(_COEFFICIENTS)
            raise GeometryError(f"camera info: distortion model {self.model!r} is not known: use one of {known}")
        most = _COEFFICIENTS[model]
        if self.d[most:].any():
            raise GeometryError(f"camera info: {self.model} with {len(self.d)} coefficients: it has {most} at most")
        if len(self.d):
            d = self.d[:most]  # drivers fill up with zeros, or leave out those that are zero
            object.__setattr__(self, "d", np.concatenate((d, np.zeros(most - len(d)))))
        object.__setattr__(self, "model", model)

    @classmethod
    def from_info(cls, info: Any) -> Camera:
        """The camera of the pictures that a sensor_msgs/CameraInfo goes with, of whichever library.

        Size and K of the message are the whole sensor's; region of interest and binning say which part of it a picture
        shows and how coarsely (REP 104): the centre moves by the region's corner, then both are divided.

        Example: K of 640x480 with a centre at 320, binning 2 and a region from column 160 gives a centre at 80.

        Raises:
            GeometryError: no calibration, or one that is not known.
        """
        k, d = getattr(info, "k", ()), getattr(info, "d", ())
        if not len(k):  # ROS 1 writes them in capitals
            k, d = info.K, info.D
        k = np.array(k, np.float64)
        width, height, roi = int(info.width), int(info.height), info.roi
        if k.size == 9:
            k = k.reshape(3, 3)
            if int(roi.width) and int(roi.height):
                k[0, 2] -= int(roi.x_offset)
                k[1, 2] -= int(roi.y_offset)
                width, height = int(roi.width), int(roi.height)
            across, down = max(int(info.binning_x), 1), max(int(info.binning_y), 1)
            k[0] /= across
            k[1] /= down
            width, height = width // across, height // down
        return cls(width, height, k, np.array(d, np.float64), str(info.distortion_model))

    def distort(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the lens puts rays: normalised coordinates of the ideal to those of the real image.

        plumb_bob and rational_polynomial are Brown's model with OpenCV's thin prism and tilt, equidistant is Kannala
        and Brandt's, fov that of Devernay and Faugeras (2001).
        """
        if not len(self.d):
            return x, y
        r2 = x * x + y * y
        if self.model == "equidistant":
            r = np.sqrt(r2)
            theta = np.arctan(r)
            t2 = theta * theta
            k1, k2, k3, k4 = self.d
            bent = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
            scale = np.divide(bent, r, out=np.ones_like(r), where=r > 1e-12)
            return x * scale, y * scale
        if self.model == "fov":
            r, w = np.sqrt(r2), self.d[0]
            scale = np.divide(np.arctan(2 * r * np.tan(w / 2)), w * r, out=np.ones_like(r), where=r > 1e-12)
            return x * scale, y * scale
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tilt_x, tilt_y = self.d
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + r2 * s2)
        bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + r2 * s4)
        if not (tilt_x or tilt_y):
            return bent_x, bent_y
        (a, b, c), (d, e, f), (g, h, i) = _tilt(tilt_x, tilt_y)
        depth = g * bent_x + h * bent_y + i
        return (a * bent_x + b * bent_y + c) / depth, (d * bent_x + e * bent_y + f) / depth

    def rays(self) -> np.ndarray:
        """The ideal ray ``(x, y, 1)`` of every pixel, ``(height, width, 3) float64``; NaN where the lens has none.

        The lens model goes from ray to pixel; its inverse is found by fixed-point steps.
        """
        column, row = np.meshgrid(np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64))
        v = (row - self.k[1, 2]) / self.k[1, 1]
        u = (column - self.k[0, 2] - self.k[0, 1] * v) / self.k[0, 0]
        if self.model == "equidistant" and len(self.d):
            # The angle is inverted, not the tangent, which runs away towards 90 degrees.
            bent = np.hypot(u, v)
            k1, k2, k3, k4 = self.d
            theta = bent.copy()
            for _ in range(_MAX_STEPS):
                t2 = theta * theta
                gain = 1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))
                slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
                theta = theta - (theta * gain - bent) / np.where(np.abs(slope) < 1e-6, 1e-6, slope)
                theta = np.clip(theta, 0, np.pi)
            scale = np.divide(np.tan(theta), bent, out=np.ones_like(bent), where=bent > 1e-12)
            x, y = u * scale, v * scale
            x[theta >= np.pi / 2] = np.nan
        else:
            x, y = u.copy(), v.copy()
            with np.errstate(over="ignore", invalid="ignore"):
                for _ in range(_MAX_STEPS):
                    bent_x, bent_y = self.distort(x, y)
                    error_x, error_y = bent_x - u, bent_y - v
                    if np.nanmax(np.hypot(error_x, error_y)) * max(self.k[0, 0], self.k[1, 1]) < 1e-4:
                        break
                    x, y = x - error_x, y - error_y
        with np.errstate(over="ignore", invalid="ignore"):
            bent_x, bent_y = self.distort(x, y)
            lost = np.hypot((bent_x - u) * self.k[0, 0], (bent_y - v) * self.k[1, 1]) > 0.5
        x[lost] = np.nan
        return np.stack((x, y, np.ones_like(x)), -1)

    def project(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (columns, rows) of rays ``(..., 3)``; NaN for those from behind the camera."""
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(rays[..., 2] > 0, rays[..., 2], np.nan)
            x, y = self.distort(rays[..., 0] / depth, rays[..., 1] / depth)
        return self.k[0, 0] * x + self.k[0, 1] * y + self.k[0, 2], self.k[1, 1] * y + self.k[1, 2]


def _tilt(tilt_x: float, tilt_y: float) -> np.ndarray:
    """The perspective of an image plane that is turned against the lens, ``(3, 3)`` (OpenCV's tilted model)."""
    cx, sx, cy, sy = np.cos(tilt_x), np.sin(tilt_x), np.cos(tilt_y), np.sin(tilt_y)
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    turn = about_y @ about_x
    onto = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    result: np.ndarray = onto @ turn
    return result
