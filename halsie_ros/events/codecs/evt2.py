"""EVT 2.0 and EVT 2.1, the word streams of older Prophesee sensors (public format descriptions by Prophesee).

EVT 2.0, 32-bit words, bits 31..28: 0 off and 1 on event (time low 6 bits 27..22, column 21..11, row 10..0), 8 time
high 28 bits, A trigger (time low 27..22, channel 12..8, value bit 0). Time is ``high << 6 | low`` microseconds, 34
bits, and wraps after 4.8 hours.

EVT 2.1, 64-bit words: the upper half as above, and in the lower half of an event word one bit for each of the 32 pixels
from its column on. Older firmware swaps the halves ("legacy").
"""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.events.codecs.batch import Decoded, Triggers, columns
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit

_HIGH_BITS = 28
_MAX_US = 1 << (_HIGH_BITS + 6)
_EMPTY = np.empty(0, np.uint32)


@njit()
def _bits(masks):
    """How many bits are set in ``masks`` (n,) uint32, all together."""
    total = 0
    for i in range(len(masks)):
        mask = np.int64(masks[i])
        while mask:
            mask &= mask - 1
            total += 1
    return total


@njit()
def _decode(words, masks, state, width, height, x, y, t, p, trigger_t, trigger_value, trigger_channel):
    """Decodes ``words`` (n,) uint32; ``masks`` (n,) uint32 are the pixels of EVT 2.1's, empty for EVT 2.0.

    ``state`` (4,) int64: the time above the low bits; 1 where it is known; first and last time of this call, -1: none.
    """
    high = state[0]
    known = state[1] != 0
    first = np.int64(-1)
    last = np.int64(-1)
    n = 0
    triggers = 0
    off_sensor = 0
    untimed = 0
    unknown = 0
    vectors = len(masks) > 0
    for i in range(len(words)):
        word = np.int64(words[i])
        code = word >> 28
        if code == 8:
            step = word & 0xFFFFFFF
            before = high >> 6
            turns = before >> 28
            # Back by more than half the range: a wrap; by less: a sensor's slip.
            if (before & 0xFFFFFFF) - step > 1 << 27:
                turns += 1
            high = (turns << 28 | step) << 6
            known = True
            last = high
            if first < 0:
                first = last
        elif code == 0 or code == 1:
            now = high | word >> 22 & 0x3F
            column = word >> 11 & 0x7FF
            row = word & 0x7FF
            mask = np.int64(masks[i]) if vectors else np.int64(1)
            while mask:
                if not known:
                    untimed += 1
                elif mask & 1:
                    if column < width and row < height:
                        x[n] = column
                        y[n] = row
                        t[n] = now
                        p[n] = code == 1
                        n += 1
                    else:
                        off_sensor += 1
                mask >>= 1
                column += 1
            if known:
                last = max(last, now)
                if first < 0:
                    first = now
        elif code == 10:
            if not known:
                untimed += 1
            else:
                trigger_t[triggers] = high | word >> 22 & 0x3F
                trigger_value[triggers] = word & 1
                trigger_channel[triggers] = word >> 8 & 0x1F
                triggers += 1
        elif code != 14 and code != 15:
            unknown += 1
    state[0], state[1], state[2], state[3] = high, np.int64(known), first, last
    return n, triggers, off_sensor, untimed, unknown


class Decoder:
    """Decodes the packets of one sensor in their order; times are microseconds of sensor time, unwrapped.

    Args:
        vectors: EVT 2.1.
        legacy: its halves are swapped.
    """

    sensor_clock = True

    def __init__(self, *, vectors: bool = False, legacy: bool = False) -> None:
        self._vectors, self._legacy = vectors, legacy
        self.reset()

    def reset(self) -> None:
        """Forgets the sensor's time and wraps."""
        self._state = np.array([0, 0, -1, -1], np.int64)

    def resync(self) -> None:
        """After lost packets: waits for the next high time word, keeps the wraps."""
        self._state[1] = 0

    def decode(
        self,
        data: np.ndarray,
        *,
        width: int,
        height: int,
        time_base: int = 0,
        big_endian: bool = False,
        stamp_ns: int = 0,
    ) -> Decoded:
        """Decodes one packet; arguments as of `evt3.Decoder.decode`; bytes of an incomplete word are `odd_bytes`."""
        del time_base, stamp_ns  # the words carry their own time, and wrap after hours
        size = 8 if self._vectors else 4
        whole = data[: len(data) // size * size]
        words = np.ascontiguousarray(whole).view(f"{'>' if big_endian else '<'}u4").astype(np.uint32)
        masks = _EMPTY
        if self._vectors:
            upper = int(big_endian == self._legacy)
            words, masks = np.ascontiguousarray(words[upper::2]), np.ascontiguousarray(words[1 - upper :: 2])
        codes = words >> 28
        events = codes < 2
        x, y, t, p = columns(int(_bits(masks[events])) if self._vectors else int(events.sum()))
        edges = Triggers.with_room(int((codes == 10).sum()))
        n, triggers, *drops = _decode(
            words, masks, self._state, width, height, x, y, t, p, edges.t_us, edges.value, edges.channel
        )
        names = ("off_sensor", "before_time", "unknown_word")
        dropped = {name: int(count) for name, count in zip(names, drops, strict=True) if count}
        if len(data) % size:
            dropped["odd_bytes"] = len(data) % size
        first, last = int(self._state[2]), int(self._state[3])
        span = None if first < 0 else (first, last)
        return Decoded(Events(x[:n], y[:n], t[:n], p[:n]), edges[:triggers], dropped, span)


class VectorDecoder(Decoder):
    """Decodes EVT 2.1."""

    def __init__(self, *, legacy: bool = False) -> None:
        super().__init__(vectors=True, legacy=legacy)


def encode(events: Events, *, time_base_us: int = 0) -> np.ndarray:
    """The words of events sorted by time as bytes, ``(n,) uint8``; a time word wherever it changes.

    Raises:
        CodecError: a coordinate above 2047, or a time that 34 bits cannot hold.
    """
    del time_base_us  # EVT2 carries its own time
    words, _ = _words(events)
    return words.view(np.uint8)


def encode_vectors(events: Events, *, time_base_us: int = 0, legacy: bool = False) -> np.ndarray:
    """As `encode`, in words of EVT 2.1: one event each, its column the last multiple of 32 before it."""
    del time_base_us
    words, places = _words(events)
    masks = np.zeros(len(words), "<u4")
    masks[places] = np.uint32(1) << (events.x & 31).astype(np.uint32)
    words[places] &= np.uint32(0xFFFFFFFF ^ (31 << 11))
    halves = (words, masks) if legacy else (masks, words)
    return np.stack(halves, -1).reshape(-1).view(np.uint8)


def _words(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """The 32-bit words, and which of them are events."""
    if len(events) and (events.x.max() > 0x7FF or events.y.max() > 0x7FF):
        raise CodecError(f"evt2 holds coordinates to 2047, not x {events.x.max()}, y {events.y.max()}: use libcaer")
    if len(events) and not 0 <= events.t_us.min() <= events.t_us.max() < _MAX_US:
        raise CodecError(
            f"evt2 time is 0 to {_MAX_US} us, not {events.t_us.min()} to {events.t_us.max()}: shift the events"
        )
    high = events.t_us >> 6
    fresh = np.ones(len(events), bool)
    fresh[1:] = high[1:] != high[:-1]
    words = np.empty(len(events) + int(fresh.sum()), "<u4")
    at = np.arange(len(events)) + np.cumsum(fresh)
    words[at[fresh] - 1] = 0x80000000 | high[fresh]
    words[at] = (
        events.polarity.astype(np.int64) << 28
        | (events.t_us & 0x3F) << 22
        | events.x.astype(np.int64) << 11
        | events.y.astype(np.int64)
    )
    return words, at
