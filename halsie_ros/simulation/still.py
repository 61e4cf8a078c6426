"""A moving camera over a still picture: every view is the picture warped, and the last view is the picture itself.

The motion is a camera's rotation (yaw, pitch, roll, as the homography ``K R K^-1``) and a drive along the optical
axis through a corridor: a ground plane below the horizon and a wall on either side, the same for every picture
(our choice: it needs no labels and no depth, so that nothing of the ground truth can leak into the events, and
still gives a road picture the flow a car would see: still at the horizon, faster towards the borders).

A point of the still at ``q`` from the focus of expansion has the inverse depth ``g(q)`` (homogeneous of degree 1:
``g = max(0, q_y / ground, |q_x| / wall)`` per unit of drive). Seen from a camera ``d`` units behind it lies at
``u = q / (1 + d g(q))``, which solves to ``q = u / (1 - d g(u))``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from halsie_ros.kernels import njit

IGNORE = 255
"""Label of pixels that the still does not show."""

_FASTEST = 0.4
"""Random motions carry most of the picture by at most so many of its widths in a second (road video: about 0.3)."""
_FARTHEST = 0.6
"""Bound of ``d g(u)``: a view from behind never looks nearer than this, where the closed form would tear."""


@dataclass(frozen=True)
class CameraMotion:
    """A smooth motion of ``duration_s`` that ends in the still's own pose.

    Every component moves at ``rate * (1 + sway * sin(...))`` so that speed varies without jumps.

    Attributes:
        duration_s: time at which the view is the still itself.
        yaw_px_s: speed of the picture's centre to the right in pixels per second, from turning.
        pitch_px_s: the same, downwards.
        roll_rad_s: turning about the optical axis, radians per second.
        drive_per_s: corridor units driven forward per second (0.5: the picture's border moves at about half its
            distance from the centre per second); negative drives backwards.
        sway: share by which speed swings, 0 to below 1.
        sway_hz: frequency of the swing.
        phase_rad: phase of the swing at the end of the motion.
    """

    duration_s: float
    yaw_px_s: float = 0.0
    pitch_px_s: float = 0.0
    roll_rad_s: float = 0.0
    drive_per_s: float = 0.0
    sway: float = 0.0
    sway_hz: float = 1.0
    phase_rad: float = 0.0

    @classmethod
    def random(cls, rng: np.random.Generator, duration_s: float, width: int) -> CameraMotion:
        """A motion as a car, a robot or a hand might make it; speeds scale with the picture's ``width``.

        Driving forward is the most frequent, so that training sees what road video shows (our choice).
        """
        kind = rng.choice(3, p=(0.6, 0.25, 0.15))
        turn, pitch, roll, drive = ((0.05, 0.015, 0.02, 0.3), (0.2, 0.05, 0.05, 0.1), (0.1, 0.08, 0.15, 0.2))[kind]
        forward = abs(rng.normal(0, 1)) + 0.2 if kind == 0 else rng.normal(0, 1)
        motion = cls(
            duration_s,
            yaw_px_s=float(np.clip(rng.normal(0, turn), -0.4, 0.4) * width),
            pitch_px_s=float(rng.normal(0, pitch) * width),
            roll_rad_s=float(rng.normal(0, roll)),
            drive_per_s=float(np.clip(forward, -2, 2) * drive),
            sway=float(rng.uniform(0, 0.8)),
            sway_hz=float(rng.uniform(0.5, 3.0)),
            phase_rad=float(rng.uniform(0, 2 * np.pi)),
        )
        even = replace(motion, duration_s=0.05, sway=0.0)
        moved = even.displacement_px(0.0, 0.05, width, round(0.75 * width))
        speed = float(np.quantile(np.hypot(*moved.T), 0.8)) / 0.05 / width * (1 + motion.sway)
        return motion if speed <= _FASTEST else motion._slowed(_FASTEST / speed)

    def _slowed(self, factor: float) -> CameraMotion:
        return replace(
            self,
            yaw_px_s=self.yaw_px_s * factor,
            pitch_px_s=self.pitch_px_s * factor,
            roll_rad_s=self.roll_rad_s * factor,
            drive_per_s=self.drive_per_s * factor,
        )

    def _elapsed(self, t_s: float) -> float:
        """The still's time minus ``t_s``, with the swing of speed integrated: 0 at the end, seconds before it."""
        left = self.duration_s - t_s
        omega = 2 * np.pi * self.sway_hz
        return left + self.sway / omega * (np.sin(omega * left + self.phase_rad) - np.sin(self.phase_rad))

    def pose(self, t_s: float, width: int, height: int) -> tuple[np.ndarray, float]:
        """The view at ``t_s``: homography (3, 3) float64 from the view's pixels to the still's, and the drive left."""
        left = self._elapsed(t_s)
        focal = 0.9 * width
        yaw, pitch, roll = self.yaw_px_s * left / focal, self.pitch_px_s * left / focal, self.roll_rad_s * left
        camera = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
        cos, sin = np.cos, np.sin
        about_y = np.array([[cos(yaw), 0, -sin(yaw)], [0, 1, 0], [sin(yaw), 0, cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, cos(pitch), -sin(pitch)], [0, sin(pitch), cos(pitch)]])
        about_z = np.array([[cos(roll), -sin(roll), 0], [sin(roll), cos(roll), 0], [0, 0, 1]])
        if left == 0:
            return np.eye(3), 0.0
        return camera @ about_y @ about_x @ about_z @ np.linalg.inv(camera), self.drive_per_s * left

    def displacement_px(self, t0_s: float, t1_s: float, width: int, height: int) -> np.ndarray:
        """How far the picture's points move between two times, at a grid of 9 x 9 pixels: (81, 2) float64 x, y."""
        x, y = (a.ravel() for a in np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)))
        first, second = (np.empty((len(x), 2)) for _ in range(2))
        for t_s, out in ((t0_s, first), (t1_s, second)):
            homography, drive = self.pose(t_s, width, height)
            _sources(x, y, homography, drive, *_corridor(width, height), out)
        return first - second


def _corridor(width: int, height: int) -> tuple[float, float, float, float]:
    """Focus of expansion x, y and the distances of ground and walls, in pixels: the horizon at 45 % of the height."""
    return (width - 1) / 2, 0.45 * (height - 1), 0.5 * height, 0.6 * width


@njit(inline="always")
def _source(x, y, h, drive, foe_x, foe_y, ground, wall):
    w = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    u = (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w - foe_x
    v = (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w - foe_y
    nearness = drive * max(0.0, v / ground, abs(u) / wall)
    scale = 1.0 / (1.0 - min(nearness, _FARTHEST))
    return foe_x + u * scale, foe_y + v * scale


@njit()
def _sources(xs, ys, h, drive, foe_x, foe_y, ground, wall, out):
    for i in range(len(xs)):
        out[i, 0], out[i, 1] = _source(xs[i], ys[i], h, drive, foe_x, foe_y, ground, wall)


@njit(inline="always")
def _reflect(position, size):
    """Folds a coordinate into 0..size-1, mirrored at the borders."""
    if 0.0 <= position <= size - 1:
        return position
    period = 2.0 * (size - 1)
    position = abs(position) % period
    return period - position if position > size - 1 else position


@njit(fastmath=True, error_model="numpy")
def _warp(image, h, drive, foe_x, foe_y, ground, wall, out):
    """Bilinear sampling of (H, W, C) float32 into ``out``, borders mirrored."""
    height, width, channels = image.shape
    for y in range(height):
        for x in range(width):
            sx, sy = _source(x, y, h, drive, foe_x, foe_y, ground, wall)
            sx, sy = _reflect(sx, width), _reflect(sy, height)
            x0, y0 = int(sx), int(sy)
            x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
            fx, fy = np.float32(sx - x0), np.float32(sy - y0)
            for c in range(channels):
                top = image[y0, x0, c] + fx * (image[y0, x1, c] - image[y0, x0, c])
                bottom = image[y1, x0, c] + fx * (image[y1, x1, c] - image[y1, x0, c])
                out[y, x, c] = top + fy * (bottom - top)


@njit()
def _warp_labels(labels, h, drive, foe_x, foe_y, ground, wall, outside, out):
    """Nearest sampling of (H, W) uint8 into ``out``, ``outside`` where the still does not reach."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            sx, sy = _source(x, y, h, drive, foe_x, foe_y, ground, wall)
            ix, iy = int(np.floor(sx + 0.5)), int(np.floor(sy + 0.5))
            inside = 0 <= ix < width and 0 <= iy < height
            out[y, x] = labels[iy, ix] if inside else outside


class MovingStill:
    """A still met by a moving camera.

    Args:
        image: (H, W, C) float32, any unit (light, or 0..255), C = 1 or 3.
        motion: the camera's motion; at ``motion.duration_s`` the view is ``image`` itself, bit for bit.
    """

    def __init__(self, image: np.ndarray, motion: CameraMotion):
        if image.ndim != 3:
            raise ValueError(f"image has shape {image.shape}: give (height, width, channels)")
        self._image = np.ascontiguousarray(image, np.float32)
        self.motion = motion

    def _geometry(self, t_s: float) -> tuple[np.ndarray, float, tuple[float, float, float, float]]:
        height, width = self._image.shape[:2]
        return (*self.motion.pose(t_s, width, height), _corridor(width, height))

    def view(self, t_s: float) -> np.ndarray:
        """The view at ``t_s``, (H, W, C) float32; what lies beyond the still's border is mirrored."""
        out = np.empty_like(self._image)
        homography, drive, corridor = self._geometry(t_s)
        _warp(self._image, homography, drive, *corridor, out)
        return out

    def labels(self, labels: np.ndarray, t_s: float) -> np.ndarray:
        """The still's ``labels`` (H, W) uint8 as the view at ``t_s`` shows them; 255 beyond the still's border."""
        if labels.shape != self._image.shape[:2]:
            raise ValueError(f"labels have shape {labels.shape}, the image {self._image.shape[:2]}")
        out = np.empty(labels.shape, np.uint8)
        homography, drive, corridor = self._geometry(t_s)
        _warp_labels(np.ascontiguousarray(labels), homography, drive, *corridor, IGNORE, out)
        return out
