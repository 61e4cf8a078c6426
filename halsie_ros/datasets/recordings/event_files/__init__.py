"""Recordings of events in files: one entry per format, found by the file's ending.

Readers stream: a part at a time, in the file's order, times in microseconds on the file's own clock. Data sets with
frames and labels have readers of their own in `datasets`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from numpy.typing import ArrayLike

from halsie_ros.errors import CodecError
from halsie_ros.events.events import Events

__all__ = ["FILE_FORMATS", "EventFile", "open_events"]


@dataclass
class EventFile:
    """A recording that is ready to be read.

    Attributes:
        path: of the file.
        format: e.g. "evt3 raw".
        width: sensor columns.
        height: sensor rows.
        parts: starts reading from the beginning; each call gives a new iterator.
        dropped: events and words left out so far, by cause; it fills while parts are read.
    """

    path: Path
    format: str
    width: int
    height: int
    parts: Callable[[], Iterator[Events]]
    dropped: dict[str, int] = field(default_factory=dict)

    def read(self) -> Events:
        """All events at once."""
        return Events.concatenate(self.parts())

    def drop(self, causes: dict[str, int]) -> None:
        """Adds to `dropped`."""
        for cause, count in causes.items():
            self.dropped[cause] = self.dropped.get(cause, 0) + count

    def inside(self, x: ArrayLike, y: ArrayLike, t_us: ArrayLike, polarity: ArrayLike) -> Events:
        """The events on the sensor; the others are counted as `off_sensor`."""
        events, outside = Events.on_sensor(x, y, t_us, polarity, self.width, self.height)
        if outside:
            self.drop({"off_sensor": outside})
        return events


#: Ending of the file name -> module with `open_file(path) -> EventFile`; loaded when needed, for their libraries.
FILE_FORMATS = {
    ".raw": "halsie_ros.datasets.recordings.event_files.prophesee",
    ".aedat4": "halsie_ros.datasets.recordings.event_files.aedat4",
    ".h5": "halsie_ros.datasets.recordings.event_files.hdf5",
    ".hdf5": "halsie_ros.datasets.recordings.event_files.hdf5",
    ".txt": "halsie_ros.datasets.recordings.event_files.text",
}


def open_events(path: str | Path) -> EventFile:
    """Opens a recording of events.

    Args:
        path: Prophesee .raw (EVT 2.0 or 3.0), AEDAT4, DSEC .h5, MVSEC .hdf5 or RPG text.

    Raises:
        CodecError: no such file, an unknown ending, or a file that is not what its ending says.
    """
    path = Path(path)
    if not path.is_file():
        raise CodecError(f"{path}: no such file, give a recording of events ({', '.join(FILE_FORMATS)})")
    module = FILE_FORMATS.get(path.suffix.lower())
    if module is None:
        raise CodecError(f"{path}: unknown ending {path.suffix!r}, known are {', '.join(FILE_FORMATS)}")
    result: EventFile = importlib.import_module(module).open_file(path)
    return result
