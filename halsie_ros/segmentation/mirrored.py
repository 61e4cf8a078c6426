"""Whether events lie mirrored or rolled against the frames: they should lie where the frame has edges."""

from __future__ import annotations

import numpy as np

from halsie_ros.events import Events

_ROWS, _COLUMNS = 24, 32
_FADE = 0.97
"""Weight of what was seen before; some 30 frames count."""
_SEEN = 40
_EVERY = 8
"""Frames from one look to the next, once it is known how they lie."""
_MARGIN, _LEAST = 0.2, 0.3
_FEWEST = 500
_WAYS = {
    "mirrored left to right": (slice(None), slice(None, None, -1)),
    "upside down": (slice(None, None, -1), slice(None)),
}
_WAYS["rolled by half a turn"] = (slice(None, None, -1), slice(None, None, -1))


class Mirrored:
    """Compares where events fall with where the frame has edges, as it is and turned.

    Attributes:
        how: in words, empty where events lie as they should, or where that cannot be told.
    """

    def __init__(self) -> None:
        self.how = ""
        self._scores = np.zeros(1 + len(_WAYS))
        self._seen = 0
        self._asked = 0

    def look(self, image: np.ndarray, events: Events, sensor_size: tuple[int, int]) -> None:
        """Takes a frame and the events before it; both are taken to see about the same.

        Args:
            image: ``(H, W, 3)`` or ``(H, W)`` uint8.
            events: in sensor pixels.
            sensor_size: (height, width) of the sensor.
        """
        self._asked += 1
        if self._seen >= _SEEN and self._asked % _EVERY:
            return  # how sensors are mounted does not change from frame to frame
        if len(events) < _FEWEST or min(image.shape[:2]) < 4 * _COLUMNS:
            return
        there = _event_cells(events, sensor_size)
        edges = _edge_cells(image)
        scores = [_correlation(there, edges), *(_correlation(there[way], edges) for way in _WAYS.values())]
        self._scores = _FADE * self._scores + (1 - _FADE) * np.array(scores)
        self._seen += 1
        if self._seen < _SEEN:
            return
        mean = self._scores / (1 - _FADE**self._seen)
        best = int(mean.argmax())
        sure = mean[best] > max(mean[0] + _MARGIN, _LEAST)
        self.how = list(_WAYS)[best - 1] if best and sure else ""


def _event_cells(events: Events, size: tuple[int, int]) -> np.ndarray:
    """Square roots of the numbers of events by cell, ``(24, 32)``: busy cells must not outweigh all others."""
    rows = events.y.astype(np.int64) * _ROWS // size[0]
    columns = events.x.astype(np.int64) * _COLUMNS // size[1]
    inside = (rows < _ROWS) & (columns < _COLUMNS)
    counts = np.bincount((rows * _COLUMNS + columns)[inside], minlength=_ROWS * _COLUMNS)
    return np.sqrt(counts).reshape(_ROWS, _COLUMNS)


def _edge_cells(image: np.ndarray) -> np.ndarray:
    """Square roots of the mean steepness by cell, ``(24, 32)``."""
    grey = (image[..., 1] if image.ndim == 3 else image)[::2, ::2].astype(np.int16)
    steep = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    rows, columns = (np.arange(n) * size // n for n, size in zip((_ROWS, _COLUMNS), steep.shape))
    sums = np.add.reduceat(np.add.reduceat(steep, rows, 0, dtype=np.int64), columns, 1)
    cells = np.outer(np.diff(rows, append=steep.shape[0]), np.diff(columns, append=steep.shape[1]))
    return np.sqrt(sums / cells)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / scale if scale else 0.0
