"""The pinhole camera with a lens, as sensor_msgs/CameraInfo describes it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from halsie_ros.errors import GeometryError

#: How many distortion coefficients each model may have.
_COEFFICIENTS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8), "equidistant": (0, 4)}
#: Steps of the inversion of the lens; it stops as soon as all pixels are within 1e-4 pixels.
_MAX_STEPS = 100


@dataclass(frozen=True, eq=False)
class Camera:
    """What a sensor_msgs/CameraInfo says about a camera.

    Attributes:
        width: columns.
        height: rows.
        k: camera matrix, ``(3, 3)``.
        d: distortion coefficients: plumb_bob k1 k2 p1 p2 k3, rational_polynomial k1 k2 p1 p2 k3 k4 k5 k6, equidistant
            k1 k2 k3 k4; none for no distortion.
        model: "plumb_bob", "rational_polynomial" or "equidistant".
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
        if self.k[0, 0] <= 0 or self.k[1, 1] <= 0:
            raise GeometryError(
                f"camera info: focal lengths {self.k[0, 0]}, {self.k[1, 1]} must be above 0: is the camera calibrated?"
            )
        if self.model not in _COEFFICIENTS:
            known = ", ".join(_COEFFICIENTS)
            raise GeometryError(f"camera info: distortion model {self.model!r} is not known: use one of {known}")
        if len(self.d) not in _COEFFICIENTS[self.model] or not np.isfinite(self.d).all():
            counts = " or ".join(map(str, _COEFFICIENTS[self.model]))
            raise GeometryError(f"camera info: {self.model} with {len(self.d)} coefficients: give {counts} finite ones")

    def distort(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the lens puts rays: normalised coordinates of the ideal to those of the real image.

        plumb_bob and rational_polynomial are Brown's model, equidistant is Kannala and Brandt's, as ROS uses them.
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
        k1, k2, p1, p2, k3, k4, k5, k6 = np.concatenate((self.d, np.zeros(8 - len(self.d))))
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        return (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )

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
