"""The RPG text format (Mueggler et al. 2017, Event-Camera Dataset and Simulator): events.txt, images.txt, calib.txt.

Lines are ``t x y p`` (seconds, pixels, 0 or 1), ``t path``, and ``fx fy cx cy k1 k2 p1 p2 k3``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from halsie_ros.datasets.base import Calibration, Sequence, read_image, require
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events

_LINES = 1_000_000
"""Lines of events.txt that are held as text at once."""


class RpgSequence(Sequence):
    """One folder of the format; frames and events share one lens (DAVIS), so frame and event pixels are the same.

    Args:
        folder: holds events.txt, and images.txt and calib.txt where there are frames and a calibration.

    Raises:
        DatasetError: events.txt is missing, or a line of a list is none.
    """

    licence = "see the data set (RPG: CC BY-NC-SA)"

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        require(self._folder, "a folder with events.txt, images.txt, calib.txt")
        self._events_file = require(self._folder / "events.txt", "events in the RPG text format (t x y p)")
        self.name = self._folder.name
        self._images = self._read_images()
        self.height, self.width = self._sensor_size()
        self.calibration = self._read_calibration()

    @property
    def span_us(self) -> tuple[int, int]:
        times = self._all.t_us
        return (int(times[0]), int(times[-1])) if len(times) else (0, 0)

    @cached_property
    def _all(self) -> Events:
        return Events.concatenate(self.parts())

    def events(self, t0_us: int, t1_us: int) -> Events:
        return self._all.between(t0_us, t1_us)

    def parts(self) -> Iterator[Events]:
        """All events in order, a million lines at a time, without holding the others."""
        number = 0
        with self._events_file.open() as file:
            while True:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # numpy warns at the end of the file
                        rows = np.loadtxt(file, np.float64, ndmin=2, max_rows=_LINES)
                except ValueError as error:
                    line = str(error).split(";")[0]
                    raise DatasetError(f"{self._events_file}: after line {number}: {line}; want `t x y p`") from error
                if not rows.size:
                    return
                if rows.shape[1] != 4:
                    raise DatasetError(f"{self._events_file}: lines of {rows.shape[1]} numbers: want `t x y p`")
                number += len(rows)
                # Seconds with nine decimals: the nearest microsecond, as drivers count.
                yield Events.of(rows[:, 1], rows[:, 2], np.rint(rows[:, 0] * 1e6), rows[:, 3])

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        for t_us, path in self._images:
            yield t_us, read_image(path, "L")

    def labels(self) -> Iterator[tuple[int, np.ndarray]]:
        return iter(())

    def _read_images(self) -> list[tuple[int, Path]]:
        file = self._folder / "images.txt"
        found = []
        for number, line in enumerate(file.read_text().splitlines() if file.exists() else [], 1):
            words = line.split()
            if not words:
                continue
            try:
                found.append((round(float(words[0]) * 1e6), self._folder / words[1]))
            except (ValueError, IndexError):
                raise DatasetError(f"{file}: line {number} is {line!r}: want `t path`") from None
        return found

    def _sensor_size(self) -> tuple[int, int]:
        if self._images:
            height, width = read_image(self._images[0][1], "L").shape
            return height, width
        return int(self._all.y.max(initial=0)) + 1, int(self._all.x.max(initial=0)) + 1

    def _read_calibration(self) -> Calibration | None:
        file = self._folder / "calib.txt"
        if not file.exists():
            return None
        try:
            fx, fy, cx, cy, *distortion = map(float, file.read_text().split())
        except ValueError:
            raise DatasetError(f"{file}: want `fx fy cx cy k1 k2 p1 p2 k3` in one line") from None
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        return Calibration(self.width, self.height, matrix, np.array(distortion or [0.0] * 5))
