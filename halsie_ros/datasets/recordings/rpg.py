"""The RPG text format (Mueggler et al. 2017, Event-Camera Dataset and Simulator): events.txt, images.txt, calib.txt.

Lines are ``t x y p`` (seconds, pixels, 0 or 1), ``t path``, and ``fx fy cx cy k1 k2 p1 p2 k3``.
"""

from __future__ import annotations

import itertools
import math
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
_LARGEST = 65_535
"""Of a coordinate: events hold 16 bits."""
_LATEST_S = 2_000_000_000
"""Stamps of ROS hold 31 bits of seconds; the rest is left for the clock's start."""


class RpgSequence(Sequence):
    """One folder of the format; frames and events share one lens (DAVIS), so frame and event pixels are the same.

    Args:
        folder: holds events.txt, and images.txt and calib.txt where there are frames and a calibration.

    Raises:
        DatasetError: events.txt is missing, or a line of a list is none; events that cannot be (back in time, half
            a pixel) are found when they are read. The line names the file and its line.
    """

    licence = "see the data set (RPG: CC BY-NC-SA)"

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        require(self._folder, "a folder with events.txt, images.txt, calib.txt")
        self._events_file = require(self._folder / "events.txt", "events in the RPG text format (t x y p)")
        self.name = self._folder.resolve().name
        self._images = self._read_images()
        self.height, self.width = self._sensor_size()
        self.calibration = self._read_calibration()

    @property
    def span_us(self) -> tuple[int, int]:
        """See `Sequence.span_us`."""
        times = self._all.t_us
        return (int(times[0]), int(times[-1])) if len(times) else (0, 0)

    @cached_property
    def _all(self) -> Events:
        return Events.concatenate(self.parts())

    def events(self, t0_us: int, t1_us: int) -> Events:
        """See `Sequence.events`."""
        return self._all.between(t0_us, t1_us)

    def parts(self) -> Iterator[Events]:
        """All events in order, a million lines at a time, without holding the others."""
        last_s = 0.0
        with self._events_file.open(encoding="utf-8", errors="replace") as file:
            while True:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # numpy warns at the end of the file
                        rows = np.loadtxt(file, np.float64, ndmin=2, max_rows=_LINES)
                except ValueError as error:
                    raise self._fault() from error
                if not rows.size:
                    return
                if rows.shape[1] != 4 or not _possible(rows, last_s).all():
                    raise self._fault()
                last_s = rows[-1, 0]
                # Seconds with nine decimals: the nearest microsecond, as drivers count.
                t_us = np.rint(rows[:, 0] * 1e6)
                yield self._on_sensor(rows[:, 1], rows[:, 2], t_us, rows[:, 3], *self._sensor)

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.frames`."""
        for t_us, path in self._images:
            yield t_us, read_image(path, "L")

    def labels(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.labels`."""
        return iter(())

    def _fault(self) -> DatasetError:
        """Looks for the line that cannot be, once it is known that there is one."""
        last_s = 0.0
        with self._events_file.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = raw.decode("utf-8", "replace").split("#")[0].strip()
                if not line:
                    continue
                try:
                    row = np.array([line.split()], np.float64)
                except ValueError:
                    row = np.empty((1, 0))
                fault = "want `t x y p`" if row.shape[1] != 4 else self._row_fault(row, last_s)
                if fault:
                    return DatasetError(f"{self._events_file}: line {number} is {line[:80]!r}: {fault}")
                last_s = row[0, 0]
        return DatasetError(f"{self._events_file}: changed while it was read: try again")

    def _row_fault(self, row: np.ndarray, last_s: float) -> str:
        """What is wrong with one row ``(1, 4)``, "" where nothing is."""
        if _possible(row, last_s).all():
            return ""
        t_s, _, _, polarity = row[0]
        if not 0 <= t_s < _LATEST_S:
            return f"want a time of 0 to {_LATEST_S} s"
        if t_s < last_s:
            return f"the time goes back from {last_s:.6f} s: sort the file by time"
        if polarity not in (0, 1, -1):
            return "want a polarity of 0 or 1"
        return "want whole pixels"

    @property
    def _sensor(self) -> tuple[int, int]:
        """Columns and rows that events may have: the images', before they are known whatever fits."""
        if self._images:
            return self.width, self.height
        return _LARGEST + 1, _LARGEST + 1

    def _read_images(self) -> list[tuple[int, Path]]:
        file = self._folder / "images.txt"
        found: list[tuple[int, Path]] = []
        for number, line in enumerate(_lines(file) if file.exists() else [], 1):
            words = line.split()
            if not words:
                continue
            try:
                time_s, path = float(words[0]), self._folder / words[1]
            except (ValueError, IndexError):
                raise DatasetError(f"{file}: line {number} is {line[:80]!r}: want `t path`") from None
            if not 0 <= time_s < _LATEST_S:
                raise DatasetError(f"{file}: line {number} is {line[:80]!r}: want a time of 0 to {_LATEST_S} s")
            found.append((round(time_s * 1e6), path))
        for number, (one, other) in enumerate(itertools.pairwise(found), 2):
            if other[0] < one[0]:
                raise DatasetError(
                    f"{file}: picture {number} ({other[1].name}) is earlier than the one before: sort them"
                )
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
            fx, fy, cx, cy, *distortion = map(float, " ".join(_lines(file)).split())
        except ValueError:
            raise DatasetError(f"{file}: want `fx fy cx cy k1 k2 p1 p2 k3` in one line") from None
        if not all(map(math.isfinite, (fx, fy, cx, cy, *distortion))) or fx <= 0 or fy <= 0 or len(distortion) > 8:
            raise DatasetError(f"{file}: want fx and fy above 0, all finite, and at most 8 distortion coefficients")
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        return Calibration(self.width, self.height, matrix, np.array(distortion or [0.0] * 5))


def _possible(rows: np.ndarray, last_s: float) -> np.ndarray:
    """Which of the rows ``(N, 4)`` can be events after `last_s`, wherever they lie, ``(N,) bool``."""
    t_s, x, y, polarity = rows.T
    with np.errstate(invalid="ignore"):
        result: np.ndarray = (
            (t_s >= np.concatenate([[last_s], t_s[:-1]]))
            & (t_s < _LATEST_S)
            & (np.isfinite(x) & (x == np.floor(x)))
            & (np.isfinite(y) & (y == np.floor(y)))
            & ((np.abs(polarity) == 1) | (polarity == 0))
        )
        return result


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: no text (byte {error.start}): copy it again") from error


def open_sequence(folder: Path) -> RpgSequence:
    """The recording in a folder, see `halsie_ros.datasets.registry`."""
    return RpgSequence(folder)
