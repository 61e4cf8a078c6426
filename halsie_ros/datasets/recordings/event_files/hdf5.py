"""Events in HDF5: DSEC's columns (`events/x`, `y`, `t`, `p`, Blosc) and MVSEC's tables of x, y, seconds, polarity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.datasets.recordings.event_files import EventFile
from halsie_ros.errors import CodecError
from halsie_ros.events.events import Events

_ROWS = 1 << 20
_TABLES = ("davis/left/events", "events")
DSEC_SIZE = (640, 480)
MVSEC_SIZE = (346, 260)


def open_file(path: Path) -> EventFile:
    """Opens DSEC's events.h5, MVSEC's *_data.hdf5 (left camera) or a file with one `events` table.

    Raises:
        CodecError: neither layout is there.
        DatasetError: not HDF5, cut short, or the extra `data` is missing.
    """
    from halsie_ros.datasets.hdf5 import open_hdf5, read

    file = open_hdf5(path, "events in HDF5")
    if all(f"events/{key}" in file for key in "xytp"):
        columns = [file[f"events/{key}"] for key in "xytp"]
        offset = int(np.ravel(file["t_offset"][()])[0]) if "t_offset" in file else 0

        def rows(start: int, stop: int) -> tuple[np.ndarray, ...]:
            x, y, t, p = (read(column, start, stop) for column in columns)
            return x, y, t.astype(np.int64) + offset, p

        return _recording(path, "dsec h5", DSEC_SIZE, len(columns[2]), rows)
    table = next((file[key] for key in _TABLES if key in file and getattr(file[key], "shape", ())[1:] == (4,)), None)
    if table is not None:

        def table_rows(start: int, stop: int) -> tuple[np.ndarray, ...]:
            part = read(table, start, stop)
            return part[:, 0], part[:, 1], np.rint(part[:, 2] * 1e6), part[:, 3]

        return _recording(path, "mvsec hdf5", MVSEC_SIZE, len(table), table_rows)
    there = ", ".join(sorted(file)) or "nothing"
    raise CodecError(f"{path}: neither events/x, y, t, p nor a table of 4 columns, the file holds {there}")


def _recording(path: Path, name: str, size: tuple[int, int], count: int, rows: Callable[[int, int], Any]) -> EventFile:
    def parts() -> Iterator[Events]:
        for start in range(0, count, _ROWS):
            yield recording.inside(*rows(start, min(start + _ROWS, count)))

    recording = EventFile(path, name, *size, parts)
    return recording
