"""A grid to fill again and again without zeroing all of it each time."""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.kernels import njit

#: Above this share of touched cells a plain fill is faster than clearing cell by cell (measured, our choice).
_DENSE_SHARE = 16


@njit()
def _clear(cells, touched, count, step):
    """Zeroes the ``touched`` cells, and where ``step`` is not 0 those one step further."""
    for i in range(count):
        cells[touched[i]] = 0
    if step:
        for i in range(count):
            if touched[i] + step < len(cells):
                cells[touched[i] + step] = 0


class GridBuffer:
    """A float32 grid that remembers which cells were written, and so is cleared in proportion to them.

    Give it as `out` to the functions of `voxel`: what they return is `array`, valid until the next use. Zeroing a
    640x480x10 grid takes about 1 ms; clearing after 10,000 events a twentieth of that.

    Attributes:
        array: the grid, float32.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Makes a grid of zeros."""
        self.array = np.zeros(shape, np.float32)
        self._log = np.empty(0, np.int32)
        self._count = 0
        self._step = 0
        self._dense = self.array.size > np.iinfo(np.int32).max

    def clear(self) -> None:
        """Sets all cells to 0."""
        if self._dense:
            self.array.fill(0)
        else:
            _clear(self.array.reshape(-1), self._log, self._count, self._step)
        self._count = 0
        self._dense = self.array.size > np.iinfo(np.int32).max

    def touch_all(self) -> None:
        """Says that any cell may have been written."""
        self._dense = True

    def log(self, events: int, step: int = 0) -> np.ndarray:
        """Where to write the flat index of each cell that the next ``events`` touch, ``(events,) int32``.

        Args:
            events: how many cells at most; the caller says with `logged` how many it were.
            step: a second cell is touched that far behind each.

        Returns:
            An empty array where it no longer pays to remember.
        """
        self._step = step
        if self._dense or (self._count + events) * _DENSE_SHARE > self.array.size:
            self._dense = True
            return self._log[:0]
        if self._count + events > len(self._log):
            self._log = np.concatenate((self._log[: self._count], np.empty(self._count + 2 * events, np.int32)))
        return self._log[self._count : self._count + events]

    def logged(self, count: int) -> None:
        """Keeps the first ``count`` of the indices asked for last."""
        if not self._dense:
            self._count += count


def checked(shape: tuple[int, ...], out: np.ndarray | GridBuffer | None) -> np.ndarray:
    """An array of ``shape``: `out`, or a new one where it is None; its content is not defined.

    Raises:
        ParameterError: an `out` of another shape or type.
    """
    if out is None:
        return np.empty(shape, np.float32)
    grid = out.array if isinstance(out, GridBuffer) else out
    if grid.shape != shape or grid.dtype != np.float32 or not grid.flags.c_contiguous:
        raise ParameterError(f"out is {grid.dtype} of shape {grid.shape}: give C-contiguous float32 of shape {shape}")
    return grid


def zeroed(shape: tuple[int, ...], out: np.ndarray | GridBuffer | None) -> np.ndarray:
    """As `checked`, filled with 0; of a buffer any cell may be written afterwards."""
    if out is None:
        return np.zeros(shape, np.float32)
    grid = checked(shape, out)
    if isinstance(out, GridBuffer):
        out.clear()
        out.touch_all()
    else:
        grid.fill(0)
    return grid
