"""libcaer_cmp, libcaer, mono and EVT2, by words made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import CodecError
from halsie_ros.events import Events
from halsie_ros.events.codecs import PACKET_CODECS, evt2, fixed, libcaer_cmp, packet_codec, sort_for_writing


def rows(events: Events) -> list[tuple[int, int, int, bool]]:
    return list(zip(events.x.tolist(), events.y.tolist(), events.t_us.tolist(), events.polarity.tolist(), strict=True))


def decode(decoder, values, dtype: str, *, time_base: int = 0, big_endian: bool = False):
    data = np.array(values, dtype).view(np.uint8)
    return decoder.decode(data, width=346, height=260, time_base=time_base, big_endian=big_endian, stamp_ns=0)


def test_libcaer_cmp_singles_and_vectors():
    words = [0x2000 | 9, 0x1005, 0x3800 | 7, 0x0001, 0x4000 | 16, 0x5081, 0x5001, 0x1006, 0x3000 | 1]
    out = decode(libcaer_cmp.Decoder(), words, "<u2", time_base=1_000_000_000)
    assert rows(out.events) == [
        (9, 7, 1_000_005, True),
        (9, 16, 1_004_101, False),
        (9, 23, 1_004_101, False),
        (9, 24, 1_004_101, False),
        (9, 1, 1_004_102, False),
    ]


def test_libcaer_cmp_counts_what_it_leaves_out():
    words = [0x3000, 0x2000 | 346, 0x3000, 0x2000, 0x5001, 0x3000 | 260, 0x6000, 0xF000]
    out = decode(libcaer_cmp.Decoder(), words, "<u2")
    assert not len(out.events)
    assert out.dropped == {"off_sensor": 2, "before_column": 2, "unknown_word": 2}


def test_libcaer_words_and_their_roll_over():
    def event(x, y, on, t):
        return [x << 17 | y << 2 | on << 1 | 1, t]

    values = [*event(345, 259, 1, (1 << 31) - 2), *event(0, 0, 0, 3), *event(346, 0, 1, 4), *event(0, 260, 1, 5)]
    out = decode(fixed.LibcaerDecoder(), values, "<u4", time_base=7_000)
    assert rows(out.events) == [(345, 259, (1 << 31) + 5, True), (0, 0, (1 << 31) + 10, False)]
    assert out.dropped == {"off_sensor": 2}


@pytest.mark.parametrize("order", ["<", ">"])
def test_mono_words(order):
    values = [1 << 63 | 259 << 48 | 345 << 32 | 5999, 0 << 48 | 346 << 32 | 7000, 12 << 32 | 8000]
    out = decode(fixed.MonoDecoder(), values, f"{order}u8", time_base=10_001, big_endian=order == ">")
    assert rows(out.events) == [(345, 259, 16, True), (12, 0, 18, False)]
    assert out.dropped == {"off_sensor": 1}


def test_evt2_words_triggers_and_wrap():
    words = [
        1 << 28,
        0x8 << 28 | (1 << 28) - 1,
        1 << 28 | 5 << 22 | 345 << 11 | 259,
        0xA << 28 | 6 << 22 | 3 << 8 | 1,
        0xE << 28,
        0x8 << 28 | 2,
        0 << 28 | 7 << 22 | 1 << 11 | 2,
        0 << 28 | 346 << 11,
        0x4 << 28,
    ]
    data = np.array(words, "<u4").view(np.uint8)
    out = evt2.Decoder().decode(data, width=346, height=260)
    last = ((1 << 28) - 1) << 6
    assert rows(out.events) == [(345, 259, last + 5, True), (1, 2, (1 << 34) + (2 << 6) + 7, False)]
    assert (out.triggers.t_us.tolist(), out.triggers.value.tolist()) == ([last + 6], [1])
    assert out.triggers.channel.tolist() == [3]
    assert out.dropped == {"off_sensor": 1, "before_time": 1, "unknown_word": 1}


@pytest.mark.parametrize("name", list(PACKET_CODECS))
def test_incomplete_last_word_is_counted(name):
    out = (
        packet_codec(name)
        .decoder()
        .decode(np.zeros(9, np.uint8), width=4, height=4, time_base=0, big_endian=False, stamp_ns=0)
    )
    assert out.dropped["odd_bytes"] == 1


@pytest.mark.parametrize(
    ("encode", "events", "message"),
    [
        (libcaer_cmp.encode, Events.of([2048], [0], [0], [1]), "libcaer_cmp holds coordinates to 2047"),
        (libcaer_cmp.encode, Events.of([0], [0], [1 << 24], [1]), "libcaer_cmp holds 16777216 us"),
        (fixed.encode_libcaer, Events.of([0], [40_000], [0], [1]), "libcaer holds coordinates to 32767"),
        (fixed.encode_libcaer, Events.of([0], [0], [-1], [1]), "libcaer holds 2147 s"),
        (fixed.encode_mono, Events.of([0], [40_000], [0], [1]), "mono holds rows to 32767"),
        (fixed.encode_mono, Events.of([0], [0], [4_294_968], [1]), "mono holds 4.29 s"),
    ],
)
def test_writers_refuse_what_their_words_cannot_hold(encode, events, message):
    with pytest.raises(CodecError, match=message):
        encode(events, time_base_us=0)


def test_writing_order_sorts_within_a_millisecond_and_refuses_beyond():
    events = Events.of([0, 1, 2, 3], [0] * 4, [5000, 4000, 3999, 6000], [1] * 4)
    ordered, refused = sort_for_writing(events)
    assert (ordered.x.tolist(), refused) == ([1, 0, 3], 1)
    same, refused = sort_for_writing(ordered)
    assert same is ordered and refused == 0


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
def test_evt21_words_hold_up_to_32_pixels(legacy, big_endian):
    def word(upper, lower=0):
        return upper | lower << 32 if legacy else upper << 32 | lower

    values = [
        word(1 << 28 | 5 << 22 | 0 << 11 | 3, 0b101),  # before any time
        word(8 << 28 | 7),
        word(1 << 28 | 5 << 22 | 32 << 11 | 3, 0x80000001),
        word(0 << 28 | 6 << 22 | 320 << 11 | 9, 1 << 25 | 1 << 26),  # columns 345 and 346, beyond the sensor
        word(10 << 28 | 8 << 22 | 2 << 8 | 1),
        word(12 << 28),
    ]
    dtype = ">u8" if big_endian else "<u8"
    data = np.array(values, np.uint64).astype(dtype).view(np.uint8)
    out = evt2.VectorDecoder(legacy=legacy).decode(data, width=346, height=260, big_endian=big_endian)
    time = 7 << 6
    assert rows(out.events) == [(32, 3, time | 5, True), (63, 3, time | 5, True), (345, 9, time | 6, False)]
    assert (out.triggers.t_us.tolist(), out.triggers.channel.tolist()) == ([time | 8], [2])
    assert out.dropped == {"before_time": 3, "off_sensor": 1, "unknown_word": 1}
    assert out.span_us == (time, time | 6)


def test_evt2_waits_for_a_time_after_lost_packets_and_keeps_its_wraps():
    decoder = evt2.Decoder()
    last, first = (1 << 28) - 1, 3
    for step in (last, first):
        decoder.decode(np.array([8 << 28 | step], "<u4").view(np.uint8), width=10, height=10)
    decoder.resync()
    event = 1 << 28 | 1 << 11 | 2
    data = np.array([event, 8 << 28 | 4, event], "<u4").view(np.uint8)
    out = decoder.decode(data, width=10, height=10)
    assert rows(out.events) == [(1, 2, (1 << 34) + (4 << 6), True)] and out.dropped == {"before_time": 1}
    decoder.reset()
    assert rows(decoder.decode(data, width=10, height=10).events) == [(1, 2, 4 << 6, True)]


@pytest.mark.parametrize(("name", "means"), [("EVT3", "evt3"), ("evt2.1", "evt21"), ("EVT2.0", "evt2")])
def test_encodings_are_known_in_every_spelling(name, means):
    assert packet_codec(name) is PACKET_CODECS[means]


@pytest.mark.parametrize("name", ["evt2", "evt21"])
def test_what_evt2_cannot_hold_is_refused(name):
    encode = PACKET_CODECS[name].encode
    with pytest.raises(CodecError, match="coordinates to 2047"):
        encode(Events.of([2048], [0], [0], [1]))
    with pytest.raises(CodecError, match="shift the events"):
        encode(Events.of([1], [0], [1 << 34], [1]))
