"""Encodings with eight bytes an event: `libcaer` and the deprecated `mono`.

libcaer: two 32-bit words, data (bit 0 valid, 1 polarity, 2..16 row, 17..31 column) and microseconds (31 bits), which
count from ``time_base`` nanoseconds and may roll over within a packet. mono: one 64-bit word, polarity bit 63, row
48..62, column 32..47, nanoseconds since ``time_base`` 0..31. Public sources of ros-event-camera, Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.events.codecs.batch import Decoded, Triggers, columns, span_of
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit

_LIBCAER_SPAN = 1 << 31
_MONO_SPAN_NS = 1 << 32


@njit()
def _word(data, at, swap):
    """The 32-bit word at byte ``at``."""
    a, b, c, d = np.int64(data[at]), np.int64(data[at + 1]), np.int64(data[at + 2]), np.int64(data[at + 3])
    return a << 24 | b << 16 | c << 8 | d if swap else d << 24 | c << 16 | b << 8 | a


@njit()
def _decode_libcaer(data, swap, time_base, width, height, x, y, t, p):
    count = len(data) // 8
    n = 0
    base_us = time_base // 1000
    last = np.int64(0)
    for i in range(count):
        word = _word(data, 8 * i, swap)
        low = _word(data, 8 * i + 4, swap) & 0x7FFFFFFF
        # Rolled over, not merely a little out of order.
        if last - low > 1 << 30:
            base_us += 1 << 31
        last = low
        column = word >> 17
        row = word >> 2 & 0x7FFF
        if column < width and row < height:
            x[n], y[n], t[n], p[n] = column, row, base_us + low, (word & 2) != 0
            n += 1
    return n


@njit()
def _decode_mono(data, swap, time_base, width, height, x, y, t, p):
    count = len(data) // 8
    n = 0
    low_at, high_at = (4, 0) if swap else (0, 4)
    for i in range(count):
        low = _word(data, 8 * i + low_at, swap)
        word = _word(data, 8 * i + high_at, swap)
        column = word & 0xFFFF
        row = word >> 16 & 0x7FFF
        if column < width and row < height:
            x[n], y[n], t[n], p[n] = column, row, (time_base + low) // 1000, word >> 31 != 0
            n += 1
    return n


class _Decoder:
    """A decoder without state: every packet stands for itself."""

    sensor_clock = True
    _kernel: Callable[..., Any]

    def reset(self) -> None:
        """Nothing to forget."""

    resync = reset

    def decode(
        self, data: np.ndarray, *, width: int, height: int, time_base: int, big_endian: bool, stamp_ns: int
    ) -> Decoded:
        """Decodes one packet; arguments as of `evt3.Decoder.decode`."""
        del stamp_ns
        count = len(data) // 8
        x, y, t, p = columns(count)
        kept = type(self)._kernel(data, big_endian, time_base, width, height, x, y, t, p)
        dropped = {"off_sensor": count - kept} if kept < count else {}
        if len(data) % 8:
            dropped["odd_bytes"] = len(data) % 8
        events = Events(x[:kept], y[:kept], t[:kept], p[:kept])
        return Decoded(events, Triggers.with_room(0), dropped, span_of(events))


class LibcaerDecoder(_Decoder):
    """Decodes `libcaer`."""

    _kernel = _decode_libcaer


class MonoDecoder(_Decoder):
    """Decodes `mono`."""

    _kernel = _decode_mono


def encode_libcaer(events: Events, *, time_base_us: int) -> np.ndarray:
    """The `libcaer` bytes of events, ``(8n,) uint8``; raises CodecError on what 15 and 31 bits cannot hold."""
    dt = events.t_us - time_base_us
    if len(events) and (events.x.max() > 0x7FFF or events.y.max() > 0x7FFF):
        raise CodecError(f"libcaer holds coordinates to 32767, not x {events.x.max()}, y {events.y.max()}")
    if len(events) and (dt.min() < 0 or dt.max() >= _LIBCAER_SPAN):
        raise CodecError(f"libcaer holds 2147 s from time_base, not {dt.min()} to {dt.max()} us: set time_base_us")
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events.x.astype(np.uint32) << 17 | events.y.astype(np.uint32) << 2 | events.polarity << 1 | 1
    words[:, 1] = dt
    return words.reshape(-1).view(np.uint8)


def encode_mono(events: Events, *, time_base_us: int) -> np.ndarray:
    """The `mono` bytes of events, ``(8n,) uint8``; raises CodecError on what 15 and 32 bits cannot hold."""
    dt_ns = (events.t_us - time_base_us) * 1000
    if len(events) and events.y.max() > 0x7FFF:
        raise CodecError(f"mono holds rows to 32767, not {events.y.max()}")
    if len(events) and (dt_ns.min() < 0 or dt_ns.max() >= _MONO_SPAN_NS):
        raise CodecError(f"mono holds 4.29 s from time_base, not {dt_ns.min()} to {dt_ns.max()} ns: set time_base_us")
    words = dt_ns.astype("<u8")
    words |= events.x.astype(np.uint64) << 32 | events.y.astype(np.uint64) << 48
    words |= events.polarity.astype(np.uint64) << 63
    return words.view(np.uint8)
