"""libcaer_cmp, the 16-bit word stream of libcaer_driver (public sources of ros-event-camera, Apache-2.0).

Bits 15..12 of a little-endian word: 0 high and 1 low 12 bits of microseconds since the packet's ``time_base``
(nanoseconds), 2 column, 3 row and polarity: one event, 4 row base and polarity, 5 vector of 8 rows from the base.
Every packet starts at time 0; the column lives on from packet to packet.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.events.codecs.batch import Decoded, Triggers, columns, span_of, words16
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit

_SPAN_US = 1 << 24


@njit()
def _count(words):
    """Upper bound of the number of events in ``words`` (n,) uint16."""
    room = np.int64(0)
    for i in range(len(words)):
        word = np.int64(words[i])
        code = word >> 12
        if code == 5:
            for bit in range(8):
                room += word >> bit & 1
        elif code == 3:
            room += 1
    return room


@njit()
def _decode(words, state, base_us, width, height, x, y, t, p):
    """Decodes ``words`` (n,) uint16 into arrays of enough room; returns events and three counts of drops.

    ``state`` (3,) int64 is column, row base (-1: not seen) and polarity.
    """
    column, base, polarity = state[0], state[1], state[2] != 0
    high = np.int64(0)
    low = np.int64(0)
    n = 0
    off_sensor = 0
    columnless = 0
    unknown = 0
    for i in range(len(words)):
        word = np.int64(words[i])
        code = word >> 12
        if code == 3 or code == 5:
            bits = word & 0xFF if code == 5 else 1
            first_row = word & 0x7FF if code == 3 else base
            on = (word & 0x800) != 0 if code == 3 else polarity
            for bit in range(8):
                if bits >> bit & 1:
                    row = first_row + bit
                    if column < 0 or first_row < 0:
                        columnless += 1
                    elif column < width and row < height:
                        x[n] = column
                        y[n] = row
                        t[n] = base_us + (high | low)
                        p[n] = on
                        n += 1
                    else:
                        off_sensor += 1
            if code == 5 and base >= 0:
                base = min(base + 8, 0xFFFF)
        elif code == 2:
            column = word & 0x7FF
        elif code == 1:
            low = word & 0xFFF
        elif code == 0:
            high = (word & 0xFFF) << 12
        elif code == 4:
            base = word & 0x7FF
            polarity = (word & 0x800) != 0
        else:
            unknown += 1
    state[0], state[1], state[2] = column, base, np.int64(polarity)
    return n, off_sensor, columnless, unknown


class Decoder:
    """Decodes the packets of one sensor in their order; times are ``time_base`` plus microseconds."""

    sensor_clock = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets the column and the row base."""
        self._state = np.array([-1, -1, 0], np.int64)

    resync = reset

    def decode(
        self, data: np.ndarray, *, width: int, height: int, time_base: int, big_endian: bool, stamp_ns: int
    ) -> Decoded:
        """Decodes one packet; arguments as of `evt3.Decoder.decode`."""
        del stamp_ns
        words = words16(data, big_endian)
        x, y, t, p = columns(_count(words))
        n, *drops = _decode(words, self._state, time_base // 1000, width, height, x, y, t, p)
        names = ("off_sensor", "before_column", "unknown_word")
        dropped = {name: int(count) for name, count in zip(names, drops, strict=True) if count}
        if len(data) % 2:
            dropped["odd_bytes"] = 1
        events = Events(x[:n], y[:n], t[:n], p[:n])
        return Decoded(events, Triggers.with_room(0), dropped, span_of(events))


@njit()
def _encode(x, y, dt, p):
    """The words of events sorted by time, ``dt`` microseconds from the base; single events only."""
    words = np.empty(4 * len(dt), np.uint16)
    n = 0
    high = np.int64(-1)
    low = np.int64(-1)
    column = np.int64(-1)
    for i in range(len(dt)):
        if dt[i] >> 12 != high:
            high = dt[i] >> 12
            words[n] = high
            n += 1
        if dt[i] & 0xFFF != low:
            low = dt[i] & 0xFFF
            words[n] = 0x1000 | low
            n += 1
        if x[i] != column:
            column = np.int64(x[i])
            words[n] = 0x2000 | column
            n += 1
        words[n] = 0x3000 | (np.uint16(p[i]) << 11) | y[i]
        n += 1
    return words[:n]


def encode(events: Events, *, time_base_us: int) -> np.ndarray:
    """The bytes of events sorted by time, ``(n,) uint8``.

    Raises:
        CodecError: a coordinate above 2047, or a time outside 16.777216 s from ``time_base_us``.
    """
    if not len(events):
        return np.empty(0, np.uint8)
    if events.x.max() > 0x7FF or events.y.max() > 0x7FF:
        raise CodecError(f"libcaer_cmp holds coordinates to 2047, not x {events.x.max()}, y {events.y.max()}")
    dt = events.t_us - time_base_us
    if dt[0] < 0 or dt[-1] >= _SPAN_US:
        raise CodecError(f"libcaer_cmp holds {_SPAN_US} us from time_base, not {dt[0]} to {dt[-1]}: set time_base_us")
    return _encode(events.x, events.y, dt, events.polarity).astype("<u2", copy=False).view(np.uint8)
