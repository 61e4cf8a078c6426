"""Events as a structure of arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Numpy hands out one object for each of these, so that the usual case is found by identity.
_U16, _I64, _BOOL = np.dtype(np.uint16), np.dtype(np.int64), np.dtype(np.bool_)
_DTYPES = (("x", _U16), ("y", _U16), ("t_us", _I64), ("polarity", _BOOL))


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """N events of one sensor, in the order of arrival (by time, unless a reader says otherwise).

    Attributes:
        x: column in pixels from the left edge, ``(N,) uint16``.
        y: row in pixels from the top edge, ``(N,) uint16``.
        t_us: time in microseconds, ``(N,) int64``; which clock it counts on is the reader's to say.
        polarity: True where the light grew (ON), False where it fell (OFF), ``(N,) bool``.
    """

    x: np.ndarray
    y: np.ndarray
    t_us: np.ndarray
    polarity: np.ndarray

    def __post_init__(self) -> None:
        x, y, t, p = self.x, self.y, self.t_us, self.polarity
        if (
            (x.dtype is _U16 and y.dtype is _U16 and t.dtype is _I64 and p.dtype is _BOOL)
            and t.ndim == 1
            and x.shape == y.shape == p.shape == t.shape
        ):
            return
        for name, dtype in _DTYPES:
            array = getattr(self, name)
            if array.dtype != dtype or array.ndim != 1 or len(array) != len(self.t_us):
                raise ValueError(
                    f"Events.{name} is {array.dtype} of shape {array.shape}: give {dtype} "
                    f"of shape ({len(self.t_us)},), or use Events.of() to convert"
                )

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike, t_us: ArrayLike, polarity: ArrayLike) -> Events:
        """Converts array-likes; a polarity counts as ON where it is greater than zero (so 0/1, -1/+1, bool)."""
        polarity = np.asarray(polarity)
        return cls(
            np.ascontiguousarray(x, np.uint16),
            np.ascontiguousarray(y, np.uint16),
            np.ascontiguousarray(t_us, np.int64),
            np.ascontiguousarray(polarity if polarity.dtype == np.bool_ else polarity > 0),
        )

    @classmethod
    def on_sensor(
        cls, x: ArrayLike, y: ArrayLike, t_us: ArrayLike, polarity: ArrayLike, width: int, height: int
    ) -> tuple[Events, int]:
        """As `of`, with events that lie outside a sensor left out; and how many they are.

        Places are compared before they are converted: -1 and 70000, which 16 bits would wrap into the picture, are
        outside like any other.
        """
        x, y = np.asarray(x), np.asarray(y)
        with np.errstate(invalid="ignore"):
            kept = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        outside = len(kept) - int(np.count_nonzero(kept))
        if not outside:
            return cls.of(x, y, t_us, polarity), 0
        return cls.of(x[kept], y[kept], np.asarray(t_us)[kept], np.asarray(polarity)[kept]), outside

    @classmethod
    def empty(cls) -> Events:
        """No events."""
        return cls(np.empty(0, np.uint16), np.empty(0, np.uint16), np.empty(0, np.int64), np.empty(0, np.bool_))

    @classmethod
    def concatenate(cls, parts: Iterable[Events]) -> Events:
        """The events of all parts, in the parts' order; copies once."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def __len__(self) -> int:
        return len(self.t_us)

    def __getitem__(self, index: slice | np.ndarray) -> Events:
        """The events chosen by a slice (views) or by a mask or index array (copies)."""
        return Events(self.x[index], self.y[index], self.t_us[index], self.polarity[index])

    def shifted(self, offset_us: int) -> Events:
        """The same events with ``offset_us`` added to every time."""
        return Events(self.x, self.y, self.t_us + np.int64(offset_us), self.polarity)

    def between(self, t0_us: int, t1_us: int) -> Events:
        """The events with ``t0_us < t <= t1_us`` (views); times must not decrease.

        Example: of times 10, 20, 30, ``between(10, 30)`` gives 20 and 30.
        """
        return self[np.searchsorted(self.t_us, t0_us, "right") : np.searchsorted(self.t_us, t1_us, "right")]
