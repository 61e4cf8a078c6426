"""EVT 2.0, the 32-bit word stream of older Prophesee sensors (public format description by Prophesee).

Bits 31..28 of a little-endian word: 0 off and 1 on event (time low 6 bits 27..22, column 21..11, row 10..0), 8 time
high 28 bits, A trigger (time low 27..22, channel 12..8, value bit 0). Time is ``high << 6 | low`` microseconds, 34
bits, and wraps after 4.8 hours.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.events.codecs.batch import Decoded, Triggers, columns
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit

_HIGH_BITS = 28


@njit()
def _decode(data, state, width, height, x, y, t, p, trigger_t, trigger_value, trigger_channel):
    """Decodes ``data`` (n,) uint8; ``state`` (1,) int64 is the time above the low bits, -1 before the first."""
    high = state[0]
    n = 0
    triggers = 0
    off_sensor = 0
    untimed = 0
    unknown = 0
    for i in range(len(data) // 4):
        word = (
            np.int64(data[4 * i])
            | np.int64(data[4 * i + 1]) << 8
            | np.int64(data[4 * i + 2]) << 16
            | np.int64(data[4 * i + 3]) << 24
        )
        code = word >> 28
        if code == 8:
            step = word & 0xFFFFFFF
            last = high >> 6
            turns = last >> 28 if high >= 0 else 0
            # Back by more than half the range: a wrap; by less: a sensor's slip.
            if high >= 0 and (last & 0xFFFFFFF) - step > 1 << 27:
                turns += 1
            high = (turns << 28 | step) << 6
        elif code == 0 or code == 1:
            column = word >> 11 & 0x7FF
            row = word & 0x7FF
            if high < 0:
                untimed += 1
            elif column < width and row < height:
                x[n] = column
                y[n] = row
                t[n] = high | word >> 22 & 0x3F
                p[n] = code == 1
                n += 1
            else:
                off_sensor += 1
        elif code == 10:
            if high < 0:
                untimed += 1
            else:
                trigger_t[triggers] = high | word >> 22 & 0x3F
                trigger_value[triggers] = word & 1
                trigger_channel[triggers] = word >> 8 & 0x1F
                triggers += 1
        elif code != 14 and code != 15:
            unknown += 1
    state[0] = high
    return n, triggers, off_sensor, untimed, unknown


class Decoder:
    """Decodes a stream piece by piece; each piece holds whole words."""

    def __init__(self) -> None:
        self._state = np.array([-1], np.int64)

    def decode(self, data: np.ndarray, *, width: int, height: int) -> Decoded:
        """Decodes ``data`` (n,) uint8; an incomplete last word is counted as `odd_bytes`."""
        words = data[: len(data) // 4 * 4].reshape(-1, 4)
        codes = words[:, 3] >> 4
        x, y, t, p = columns(int((codes < 2).sum()))
        edges = Triggers.with_room(int((codes == 10).sum()))
        n, triggers, *drops = _decode(
            data, self._state, width, height, x, y, t, p, edges.t_us, edges.value, edges.channel
        )
        names = ("off_sensor", "before_time", "unknown_word")
        dropped = {name: int(count) for name, count in zip(names, drops, strict=True) if count}
        if len(data) % 4:
            dropped["odd_bytes"] = len(data) % 4
        return Decoded(Events(x[:n], y[:n], t[:n], p[:n]), edges[:triggers], dropped)


def encode(events: Events) -> np.ndarray:
    """The words of events sorted by time as bytes, ``(n,) uint8``; a time word wherever it changes."""
    high = events.t_us >> 6
    fresh = np.ones(len(events), bool)
    fresh[1:] = high[1:] != high[:-1]
    words = np.empty(len(events) + int(fresh.sum()), "<u4")
    at = np.arange(len(events)) + np.cumsum(fresh)
    words[at[fresh] - 1] = 0x80000000 | (high[fresh] & ((1 << _HIGH_BITS) - 1))
    words[at] = (
        events.polarity.astype(np.int64) << 28
        | (events.t_us & 0x3F) << 22
        | events.x.astype(np.int64) << 11
        | events.y.astype(np.int64)
    )
    return words.view(np.uint8)
