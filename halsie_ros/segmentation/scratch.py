"""Arrays for the time of a step, kept for the next one: in fresh memory the first touch of each page costs more than
what is written there (1 of 23 ms at 640x480)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class Scratch:
    """Lends float32 arrays whose content does not matter; threads may borrow at the same time."""

    def __init__(self) -> None:
        self._free: defaultdict[tuple[int, ...], deque[np.ndarray]] = defaultdict(deque)

    @contextmanager
    def borrow(self, *shapes: tuple[int, ...]) -> Iterator[list[np.ndarray]]:
        """An array of each shape, until the block ends."""
        arrays = [self._take(shape) for shape in shapes]
        try:
            yield arrays
        finally:
            for array in arrays:
                self._free[array.shape].append(array)

    def _take(self, shape: tuple[int, ...]) -> np.ndarray:
        try:
            return self._free[shape].pop()
        except IndexError:
            return np.empty(shape, np.float32)
