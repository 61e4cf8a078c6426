"""Events into the image frame: undistortion and registration of the event camera to the camera.

Pixels are at integer coordinates, x to the right, y down. Every registration is, in the end, one table that says for
each pixel of the event sensor which pixel of the image it falls on, or that it falls outside; an event costs one
lookup, whatever the lens.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from halsie_ros.errors import GeometryError
from halsie_ros.events.events import Events
from halsie_ros.geometry.camera import Camera
from halsie_ros.kernels import njit


@njit()
def _apply(x, y, t, p, table):
    """Looks up every event in ``table`` (H, W, 2) int32, where a negative column means outside."""
    height, width = table.shape[0], table.shape[1]
    new_x = np.empty(len(t), np.uint16)
    new_y = np.empty(len(t), np.uint16)
    new_t = np.empty(len(t), np.int64)
    new_p = np.empty(len(t), np.bool_)
    n = np.int64(0)
    for i in range(len(t)):
        if x[i] < width and y[i] < height:
            column = table[y[i], x[i], 0]
            new_x[n] = column
            new_y[n] = table[y[i], x[i], 1]
            new_t[n] = t[i]
            new_p[n] = p[i]
            n += np.int64(column >= 0)
    return new_x[:n], new_y[:n], new_t[:n], new_p[:n]


class Registration:
    """A way from the event sensor into the image frame, as a value.

    Made by `identity`, `resize`, `homography` or `camera_info`; sizes are (height, width).

    Attributes:
        kind: which of the four.
        outside: events that fell outside the image so far.
    """

    def __init__(self, kind: str, sensor_size: tuple[int, int], image_size: tuple[int, int], table=None) -> None:
        """Takes a table ``(H, W, 2) int32`` of columns and rows, -1 outside; None for no change at all."""
        self.kind = kind
        self.sensor_size = sensor_size
        self.image_size = image_size
        self.outside = 0
        self._table = table

    @cached_property
    def scale(self) -> float:
        """Image pixels per pixel of the event sensor: the median over the table, along rows or columns, whichever is
        further from 1."""
        if self._table is None:
            return 1.0
        scales = [1.0]
        for table in (self._table, self._table.transpose(1, 0, 2)):
            both = (table[:, 8:, 0] >= 0) & (table[:, :-8, 0] >= 0)
            apart = np.hypot(*(table[:, 8:].astype(float) - table[:, :-8])[both].T)
            scales += [float(np.median(apart)) / 8] if len(apart) else []
        return max(scales, key=lambda scale: abs(np.log(max(scale, 1e-6))))

    def apply(self, events: Events) -> Events:
        """The events in the image frame, in their order; those outside the image are dropped and counted."""
        if self._table is None:
            return events
        mapped = Events(*_apply(events.x, events.y, events.t_us, events.polarity, self._table))
        self.outside += len(events) - len(mapped)
        return mapped

    @classmethod
    def identity(cls, sensor_size: tuple[int, int], image_size: tuple[int, int] | None = None) -> Registration:
        """One sensor for both (DAVIS); raises GeometryError when the sizes differ."""
        image_size = sensor_size if image_size is None else image_size
        if sensor_size != image_size:
            raise GeometryError(
                f"registration identity: events are {_text(sensor_size)}, images {_text(image_size)}: "
                "set registration to resize, homography or camera_info"
            )
        return cls("identity", sensor_size, image_size)

    @classmethod
    def resize(cls, sensor_size: tuple[int, int], image_size: tuple[int, int]) -> Registration:
        """The same view at another resolution: a pixel goes where its centre falls, x' = floor((x + 1/2) W'/W)."""
        _check_sizes(sensor_size, image_size)
        (height, width), (new_height, new_width) = sensor_size, image_size
        columns, rows = np.meshgrid(
            np.floor((np.arange(width) + 0.5) * (new_width / width)),
            np.floor((np.arange(height) + 0.5) * (new_height / height)),
        )
        return cls("resize", sensor_size, image_size, _table(columns, rows, image_size))

    @classmethod
    def homography(
        cls, matrix, sensor_size: tuple[int, int], image_size: tuple[int, int], *, camera: Camera | None = None
    ) -> Registration:
        """A 3x3 matrix from event pixels to image pixels.

        Args:
            matrix: 9 numbers, row by row.
            sensor_size: of the events.
            image_size: of the images.
            camera: the event camera; with it events are undistorted before the matrix applies.

        Raises:
            GeometryError: not 9 finite numbers, or a matrix that cannot be inverted.
        """
        _check_sizes(sensor_size, image_size)
        try:
            h = np.asarray(matrix, np.float64)
        except (TypeError, ValueError):
            h = np.empty(0)
        if h.size != 9 or not np.isfinite(h).all():
            raise GeometryError(f"homography of {h.size} numbers: give 9 finite ones, row by row")
        h = h.reshape(3, 3)
        if np.linalg.matrix_rank(h) < 3:
            raise GeometryError(f"homography {h.tolist()} cannot be inverted: it maps the sensor onto a line")
        if camera is None:
            points = np.stack(
                (*np.meshgrid(np.arange(sensor_size[1]), np.arange(sensor_size[0])), np.ones(sensor_size))
            )
            points = points.transpose(1, 2, 0)
        else:
            _check_camera("event_camera_info", camera, sensor_size)
            points = camera.rays() @ camera.k.T
        mapped = points @ h.T
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(mapped[..., 2] > 0, mapped[..., 2], np.nan)
            table = _table(np.rint(mapped[..., 0] / depth), np.rint(mapped[..., 1] / depth), image_size)
        return cls("homography", sensor_size, image_size, _seen(table, "homography", sensor_size, image_size))

    @classmethod
    def camera_info(cls, event_camera: Camera, camera: Camera, rotation=None) -> Registration:
        """Both calibrations and the rotation between the cameras.

        Rotation only: for cameras that stand apart, near things are shifted by baseline * focal length / depth pixels
        (parallax), which no fixed mapping can mend; far things are right.

        Args:
            event_camera: of the events; its distortion is taken out.
            camera: of the images; its distortion is put in, for images come as the lens made them.
            rotation: 3x3, takes a direction in the event camera's frame to the camera's; None: they look alike.

        Raises:
            GeometryError: not a rotation, or no event pixel sees the image.
        """
        matrix = np.eye(3) if rotation is None else np.asarray(rotation, np.float64)
        if matrix.size != 9 or not np.allclose(matrix.reshape(3, 3) @ matrix.reshape(3, 3).T, np.eye(3), atol=1e-3):
            raise GeometryError(f"extrinsics {matrix.tolist()} are not a 3x3 rotation: rows must be orthonormal")
        sensor_size = (event_camera.height, event_camera.width)
        image_size = (camera.height, camera.width)
        columns, rows = camera.project(event_camera.rays() @ matrix.reshape(3, 3).T)
        table = _table(np.rint(columns), np.rint(rows), image_size)
        return cls("camera_info", sensor_size, image_size, _seen(table, "camera_info", sensor_size, image_size))


def _text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _check_sizes(*sizes: tuple[int, int]) -> None:
    for size in sizes:
        if not all(0 < side <= 1 << 16 for side in size):
            raise GeometryError(f"a sensor or image of {_text(size)} pixels: both sides must be 1 to 65536")


def _check_camera(name: str, camera: Camera, size: tuple[int, int]) -> None:
    if (camera.height, camera.width) != size:
        raise GeometryError(f"{name} is {_text((camera.height, camera.width))}, the events are {_text(size)}")


def _table(columns: np.ndarray, rows: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Columns and rows (H, W), NaN allowed, to a lookup table with -1 where they lie outside the image."""
    with np.errstate(invalid="ignore"):
        inside = (columns >= 0) & (columns < image_size[1]) & (rows >= 0) & (rows < image_size[0])
    table = np.full((*columns.shape, 2), -1, np.int32)
    table[inside, 0] = columns[inside]
    table[inside, 1] = rows[inside]
    return table


def _seen(table: np.ndarray, kind: str, sensor_size: tuple[int, int], image_size: tuple[int, int]) -> np.ndarray:
    """The table; raises GeometryError when no pixel of the sensor falls into the image."""
    if not (table[..., 0] >= 0).any():
        raise GeometryError(
            f"registration {kind}: no pixel of the {_text(sensor_size)} event sensor falls into the "
            f"{_text(image_size)} image: check direction and units of the matrix"
        )
    return table


def warm() -> None:
    """Loads the compiled kernel that moves events into the image frame, see `halsie_ros.events.warm`."""
    Registration.homography(np.eye(3), (4, 4), (4, 4)).apply(Events.of([0, 1], [0, 1], [10, 20], [0, 1]))
