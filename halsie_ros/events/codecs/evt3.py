"""EVT 3.0, the 16-bit word stream of Prophesee sensors (public format description by Prophesee; Apache-2.0 decoder
of ros-event-camera/event_camera_codecs as the reference for wrap-around).

Bits 15..12 of a little-endian word name its type: 0 row, 2 single event, 3 vector base, 4 vector of 12, 5 vector of 8,
6 low 12 bits of time, 8 high 12 bits of time, A trigger; 7, E and F carry monitoring data that we skip, and the word
0x9999 fills up blocks of a fixed size. Time has 24 bits of microseconds and so wraps every 16.777216 s.

State of a decoder, an ``(8,) int64`` array that every kernel here reads and writes:
``HIGH`` time above the low 12 bits, wraps counted in; ``LOW``; ``ROW`` (-1: not seen yet); ``BASE`` column of the
next vector; ``POLARITY`` of vectors; ``TIMED`` (0: no high word yet, 1: high word seen, 2: high and low seen);
``FIRST`` first complete time of the last packet (-1: none); ``LAST`` its last.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.events.codecs.batch import Decoded, Triggers, columns, words16
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit

HIGH, LOW, ROW, BASE, POLARITY, TIMED, FIRST, LAST = range(8)
WRAP_US = 1 << 24
#: A high word may step back by this many units of 4.096 ms without a wrap (sensors do; the reference decoder's figure).
BACKWARD_STEPS = 10
#: Longest step that a writer leaves to the reader's wrap rule, in units of 4.096 ms (half a wrap).
_FORWARD_STEPS = 2048


@njit()
def _count(words):
    """Upper bounds of the numbers of events and triggers in ``words`` (n,) uint16."""
    events = np.uint32(0)
    triggers = np.uint32(0)
    for i in range(len(words)):
        word = np.uint32(words[i])
        code = word >> 12
        bits = word & (np.uint32(0xFFF) if code == 4 else np.uint32(0xFF))
        bits = bits - ((bits >> 1) & 0x555)
        bits = (bits & 0x333) + ((bits >> 2) & 0x333)
        bits = (bits & 0xF) + ((bits >> 4) & 0xF) + (bits >> 8)
        events += bits if (code == 4 or code == 5) else np.uint32(code == 2)
        triggers += np.uint32(code == 10)
    return events, triggers


@njit()
def _decode(words, state, width, height, x, y, t, p, trigger_t, trigger_value, trigger_channel):
    """Decodes ``words`` (n,) uint16 into arrays of enough room; returns events, triggers and four counts of drops."""
    high, low, row, base = state[0], state[1], state[2], state[3]
    polarity, timed = state[4] != 0, state[5]
    now = high | low
    first = np.int64(-1)
    n = 0
    triggers = 0
    off_sensor = 0
    untimed = 0
    rowless = 0
    unknown = 0
    # While time or row are unknown, `line` lies below every sensor: one comparison in the loop finds all bad events.
    line = row if timed == 2 and row >= 0 else np.int64(1 << 20)
    for i in range(len(words)):
        word = np.int64(words[i])
        code = word >> 12
        if code == 2:
            column = word & 0x7FF
            if column < width and line < height:
                x[n] = column
                y[n] = line
                t[n] = now
                p[n] = (word & 0x800) != 0
                n += 1
            elif timed < 2:
                untimed += 1
            elif row < 0:
                rowless += 1
            else:
                off_sensor += 1
        elif code == 0:
            row = word & 0x7FF
            if timed == 2:
                line = row
        elif code == 6:
            low = word & 0xFFF
            now = high | low
            if first < 0 and timed > 0:
                first = now
                timed = np.int64(2)
                if row >= 0:
                    line = row
        elif code == 8:
            step = word & 0xFFF
            last = (high >> 12) & 0xFFF
            if step + 10 < last:
                high += 1 << 24
            high = (high >> 24) << 24 | step << 12
            now = high | low
            timed = max(timed, 1)
        elif code == 3:
            base = word & 0x7FF
            polarity = (word & 0x800) != 0
        elif code == 4 or code == 5:
            size = 12 if code == 4 else 8
            start = base if base >= 0 else np.int64(1 << 20)
            for bit in range(size):
                if word >> bit & 1:
                    column = start + bit
                    if column < width and line < height:
                        x[n] = column
                        y[n] = line
                        t[n] = now
                        p[n] = polarity
                        n += 1
                    elif timed < 2:
                        untimed += 1
                    elif row < 0 or base < 0:
                        rowless += 1
                    else:
                        off_sensor += 1
            if base >= 0:
                base = min(base + size, 0xFFFF)
        elif code == 10:
            if timed < 2:
                untimed += 1
            else:
                trigger_t[triggers] = now
                trigger_value[triggers] = word & 1
                trigger_channel[triggers] = word >> 8 & 0xF
                triggers += 1
        elif code != 7 and code != 14 and code != 15 and word != 0x9999:
            unknown += 1
    state[0], state[1], state[2], state[3] = high, low, row, base
    state[4], state[5], state[6], state[7] = np.int64(polarity), timed, first, now
    return n, triggers, off_sensor, untimed, rowless, unknown


_CAUSES = ("off_sensor", "before_time", "before_row", "unknown_word")
_NO_TRIGGERS = Triggers.with_room(0)


def fresh_state() -> np.ndarray:
    """The state of a decoder that has seen nothing, ``(8,) int64``."""
    return np.array([0, 0, -1, -1, 0, 0, -1, -1], np.int64)


class Decoder:
    """Decodes the packets of one sensor in their order; times are microseconds of sensor time, unwrapped."""

    sensor_clock = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets the sensor's time, row and wraps."""
        self._state = fresh_state()
        self._anchor: tuple[int, int] | None = None

    def resync(self) -> None:
        """After lost packets: waits for the next high and low time words and the next row, keeps the wraps."""
        self._state[TIMED] = 0
        self._state[ROW] = self._state[BASE] = -1

    def decode(
        self, data: np.ndarray, *, width: int, height: int, time_base: int, big_endian: bool, stamp_ns: int
    ) -> Decoded:
        """Decodes one packet.

        Args:
            data: the words, ``(n,) uint8``; an odd last byte is counted as `odd_bytes`.
            width: sensor columns; events outside are counted as `off_sensor`.
            height: sensor rows.
            time_base: not used by EVT3.
            big_endian: True where the words' bytes are swapped.
            stamp_ns: host time of the packet, which settles whole wraps lost in gaps and jumps (0: not known).
        """
        words = words16(data, big_endian)
        room, trigger_room = _count(words)
        x, y, t, p = columns(room)
        edges = Triggers.with_room(trigger_room) if trigger_room else _NO_TRIGGERS
        count, trigger_count, *drops = _decode(
            words, self._state, width, height, x, y, t, p, edges.t_us, edges.value, edges.channel
        )
        if count != room:
            x, y, t, p = x[:count], y[:count], t[:count], p[:count]
        if trigger_count != trigger_room:
            edges = edges[:trigger_count]
        shift = self._whole_wraps(stamp_ns)
        if shift:
            t += shift
            edges.t_us[:] += shift
        dropped = {name: count for name, count in zip(_CAUSES, drops, strict=True) if count} if any(drops) else {}
        if len(data) % 2:
            dropped["odd_bytes"] = 1
        first, last = int(self._state[FIRST]), int(self._state[LAST])
        span = None if first < 0 else (first + shift, last)
        return Decoded(Events(x, y, t, p), edges, dropped, span)

    def _whole_wraps(self, stamp_ns: int) -> int:
        """Microseconds (a multiple of the wrap) that bring this packet's time to where the host's stamps put it.

        The words alone cannot tell a silence of 17 s from one of 0.2 s, nor a replay that starts again from a wrap;
        the stamps of two packets can, to much better than half a wrap.
        """
        first = int(self._state[FIRST])
        if first < 0 or not stamp_ns:
            return 0
        shift = 0
        if self._anchor is not None:
            seen_us, seen_ns = self._anchor
            expected = seen_us + (stamp_ns - seen_ns) // 1000
            wraps = (expected - first + WRAP_US // 2) // WRAP_US
            shift = max(wraps, -(first // WRAP_US)) * WRAP_US
            for index in (HIGH, LAST):
                self._state[index] += shift
        self._anchor = (first + shift, stamp_ns)
        return shift


@njit()
def _encode(x, y, t, p):
    """The words of events sorted by time, ``(n,) uint16``: a time, a row, then single events."""
    words = np.empty(4 * len(t) + 8, np.uint16)
    n = 0
    high = np.int64(-1)
    low = np.int64(-1)
    row = np.int64(-1)
    for i in range(len(t)):
        step = t[i] >> 12
        if step != high:
            # A step of more than half a wrap is walked, for a reader counts at most one wrap per high word.
            while high >= 0 and step - high > 2048:
                if n + 8 > len(words):
                    words = np.append(words, np.empty(len(words), np.uint16))
                high += 2048
                words[n] = 0x8000 | (high & 0xFFF)
                n += 1
            high = step
            words[n] = 0x8000 | (step & 0xFFF)
            n += 1
            low = np.int64(-1)
        if (t[i] & 0xFFF) != low:
            low = t[i] & 0xFFF
            words[n] = 0x6000 | low
            n += 1
        if y[i] != row:
            row = np.int64(y[i])
            words[n] = row
            n += 1
        words[n] = 0x2000 | (np.uint16(p[i]) << 11) | x[i]
        n += 1
        if n + 8 > len(words):
            words = np.append(words, np.empty(len(words), np.uint16))
    return words[:n]


#: Longest time that one written packet may span.
MAX_SPAN_US = 3_600_000_000


def encode(events: Events, *, time_base_us: int) -> np.ndarray:
    """The EVT3 bytes of events sorted by time, ``(n,) uint8``; each call starts with a full time and a row.

    Raises:
        CodecError: a coordinate above 2047, a negative time, or more than an hour in one packet.
    """
    del time_base_us  # EVT3 carries its own time
    if not len(events):
        return np.empty(0, np.uint8)
    if events.x.max() > 0x7FF or events.y.max() > 0x7FF:
        raise CodecError(f"evt3 holds coordinates to 2047, not x {events.x.max()}, y {events.y.max()}: use libcaer")
    if events.t_us[0] < 0:
        raise CodecError(f"evt3 time starts at 0, not at {events.t_us[0]} us: shift the events")
    if events.t_us[-1] - events.t_us[0] > MAX_SPAN_US:
        raise CodecError(f"one evt3 packet over {events.t_us[-1] - events.t_us[0]} us: split it within an hour")
    return _encode(events.x, events.y, events.t_us, events.polarity).astype("<u2", copy=False).view(np.uint8)
