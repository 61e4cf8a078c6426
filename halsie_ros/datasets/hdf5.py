"""HDF5 files with errors that a person can act on; h5py and its plugins are loaded here only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.datasets.base import require
from halsie_ros.errors import DatasetError


def open_hdf5(path: Path, what: str) -> Any:
    """Opens a file for reading; Blosc and ZSTD are understood.

    Args:
        path: of the file.
        what: what it is, for the message where it is missing.

    Raises:
        DatasetError: it is missing, cut short, not HDF5, or the extra `data` is not installed.
    """
    try:
        import h5py
        import hdf5plugin  # noqa: F401  (registers Blosc with h5py)
    except ImportError:
        raise DatasetError(
            f"{path}: h5py and hdf5plugin are not installed, `pip install halsie_ros[data]` brings them"
        ) from None
    require(path, what)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(f"{path}: cut short or not HDF5 ({reason}); download it again") from None


def array(file: Any, key: str, columns: int | None = None) -> Any:
    """A data set of an open file, not yet read.

    Raises:
        DatasetError: the key is missing, or the shape is not (N, `columns`).
    """
    if key not in file or not hasattr(file[key], "shape"):
        there = ", ".join(sorted(file.keys())) or "nothing"
        raise DatasetError(f"{file.filename}: no data set {key}; the file's top level holds {there}")
    found = file[key]
    if columns is not None and (found.ndim != 2 or found.shape[1] != columns):
        raise DatasetError(f"{file.filename}: {key} has shape {found.shape}, not (N, {columns})")
    return found


def read(dataset: Any, start: int, stop: int) -> np.ndarray:
    """Rows ``start`` to ``stop`` of a data set.

    Raises:
        DatasetError: the stored chunks are damaged.
    """
    try:
        result: np.ndarray = dataset[start:stop]
        return result
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"{dataset.file.filename}: rows {start} to {stop} of {dataset.name} are damaged ({reason}); "
            "download the file again"
        ) from None


def whole(file: Any, key: str) -> np.ndarray:
    """All of a data set of an open file.

    Raises:
        DatasetError: the key is missing, a single value, or its chunks are damaged.
    """
    found = array(file, key)
    if not found.ndim:
        raise DatasetError(f"{file.filename}: {key} is a single value, not a list; download the file again")
    return read(found, 0, len(found))


def first_after(times: Any, t: float, start: int, stop: int) -> int:
    """The first row of ``start`` to ``stop`` whose time is greater than `t`, by bisection in the file.

    `times` is called with a row and gives its time; times must not decrease. Reads about ``log2(stop - start)`` rows.
    """
    while start < stop:
        middle = (start + stop) // 2
        if times(middle) <= t:
            start = middle + 1
        else:
            stop = middle
    return start
