"""What a codec hands back."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np

from halsie_ros.events.events import Events


@dataclass(frozen=True, slots=True, eq=False)
class Triggers:
    """N edges on a camera's trigger input.

    Attributes:
        t_us: time on the events' clock, ``(N,) int64``.
        value: 1 rising, 0 falling, ``(N,) uint8``.
        channel: the input's number, ``(N,) uint8``.
    """

    t_us: np.ndarray
    value: np.ndarray
    channel: np.ndarray

    @classmethod
    def with_room(cls, count: int) -> Triggers:
        """Arrays of that length to be filled; 0 for no edges."""
        return cls(np.empty(count, np.int64), np.empty(count, np.uint8), np.empty(count, np.uint8))

    def __len__(self) -> int:
        return len(self.t_us)

    def __getitem__(self, index: slice) -> Triggers:
        return Triggers(self.t_us[index], self.value[index], self.channel[index])


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """One packet's content.

    Attributes:
        events: in the packet's order.
        triggers: in the packet's order.
        dropped: how many events (or words) were left out, by cause.
        span_us: the first and last time that the packet tells, with or without events; None: it tells none.
    """

    events: Events
    triggers: Triggers = field(default_factory=lambda: Triggers.with_room(0))
    dropped: dict[str, int] = field(default_factory=dict)
    span_us: tuple[int, int] | None = None


def columns(room: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Room for x, y, t_us and polarity; made here because numba takes 1 us to hand over an array of its own."""
    return np.empty(room, np.uint16), np.empty(room, np.uint16), np.empty(room, np.int64), np.empty(room, np.bool_)


def words16(data: np.ndarray, big_endian: bool) -> np.ndarray:
    """The 16-bit words of ``data`` (n,) uint8, read-only; a view of it unless they are swapped or at odd addresses."""
    words = (data[:-1] if len(data) % 2 else data).view(np.uint16)
    if big_endian != (sys.byteorder == "big"):
        words = words.byteswap()
    elif not words.flags.aligned:
        words = words.copy()
    # Numba compiles for writable and read-only arrays apart.
    if words.flags.writeable:
        words.flags.writeable = False
    return words


def span_of(events: Events) -> tuple[int, int] | None:
    """The first and last event's time."""
    return (int(events.t_us[0]), int(events.t_us[-1])) if len(events) else None
