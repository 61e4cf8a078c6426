"""EVT3 word by word: every word type, time and its wraps, lost packets, loops."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import CodecError
from halsie_ros.events import Events
from halsie_ros.events.codecs import evt3
from halsie_ros.events.messages import EventTopicDecoder, encode_event_packet

WRAP_US = 1 << 24


def row(y: int) -> int:
    return y


def single(x: int, on: int = 1) -> int:
    return 0x2000 | on << 11 | x


def high(t_us: int) -> int:
    return 0x8000 | (t_us >> 12 & 0xFFF)


def low(t_us: int) -> int:
    return 0x6000 | (t_us & 0xFFF)


def time(t_us: int) -> list[int]:
    return [high(t_us), low(t_us)]


def decode(*words: int, decoder: evt3.Decoder | None = None, stamp_ns: int = 0):
    decoder = decoder or evt3.Decoder()
    data = np.array(words, "<u2").view(np.uint8)
    return decoder.decode(data, width=640, height=480, time_base=0, big_endian=False, stamp_ns=stamp_ns)


def rows(events: Events) -> list[tuple[int, int, int, bool]]:
    return list(zip(events.x.tolist(), events.y.tolist(), events.t_us.tolist(), events.polarity.tolist(), strict=True))


def test_single_events_take_the_last_row_and_time():
    out = decode(*time(0x1234567), row(7), single(3), single(4, 0), low(0x568), single(5))
    assert rows(out.events) == [(3, 7, 0x234567, True), (4, 7, 0x234567, False), (5, 7, 0x234568, True)]
    assert out.span_us == (0x234567, 0x234568)


def test_vectors_count_up_from_their_base():
    out = decode(*time(10), row(2), 0x3000 | 100, 0x4000 | 0b100000000001, 0x5000 | 0b10000010, 0x3800 | 9, 0x5001)
    assert rows(out.events) == [
        (100, 2, 10, False),
        (111, 2, 10, False),
        (113, 2, 10, False),
        (119, 2, 10, False),
        (9, 2, 10, True),
    ]


def test_triggers_tell_edge_and_channel():
    out = decode(*time(10), 0xA000 | 5 << 8 | 1, low(12), 0xA000)
    assert out.triggers.t_us.tolist() == [10, 12]
    assert out.triggers.value.tolist() == [1, 0]
    assert out.triggers.channel.tolist() == [5, 0]


def test_monitoring_words_are_skipped_and_unknown_ones_counted():
    out = decode(*time(10), row(1), 0xE014, 0xF123, 0x7001, 0x1000, 0x9000, 0xB000, 0xC000, 0xD000, single(1))
    assert rows(out.events) == [(1, 1, 10, True)]
    assert out.dropped == {"unknown_word": 5}


def test_events_before_a_full_time_or_a_row_are_dropped_and_counted():
    out = decode(row(1), single(1), low(5), single(2), high(0), single(3), 0xA001, low(6), single(4))
    assert rows(out.events) == [(4, 1, 6, True)]
    assert out.dropped == {"before_time": 4}
    assert decode(*time(10), single(1), 0x3000, 0x5003).dropped == {"before_row": 3}
    assert decode(*time(10), row(1), 0x5003).dropped == {"before_row": 2}


def test_events_outside_the_sensor_are_dropped_and_counted():
    out = decode(*time(10), row(480), single(1), row(1), single(640), 0x3000 | 635, 0x4FFF, single(2))
    assert [x for x, *_ in rows(out.events)] == [635, 636, 637, 638, 639, 2]
    assert out.dropped == {"off_sensor": 9}


def test_odd_last_byte_is_counted():
    decoder = evt3.Decoder()
    out = decoder.decode(np.zeros(3, np.uint8), width=4, height=4, time_base=0, big_endian=False, stamp_ns=0)
    assert out.dropped == {"odd_bytes": 1}


def test_time_wraps_after_24_bits_and_slips_back_without_a_wrap():
    out = decode(*time(WRAP_US - 1), row(0), single(0), *time(5), single(0), *time(WRAP_US - 4096), single(0))
    # From 0xfff to 0 is a wrap; forward again to 0xfff is the new turn.
    assert out.events.t_us.tolist() == [WRAP_US - 1, WRAP_US + 5, 2 * WRAP_US - 4096]
    slip = decode(*time(20 << 12), row(0), single(0), *time(10 << 12), single(0), *time(9 << 12), single(0))
    assert slip.events.t_us.tolist() == [20 << 12, 10 << 12, 9 << 12]
    wrap = decode(*time(20 << 12), row(0), single(0), *time(9 << 12), single(0))
    assert wrap.events.t_us.tolist() == [20 << 12, WRAP_US + (9 << 12)]


def test_state_lives_on_from_packet_to_packet():
    decoder = evt3.Decoder()
    decode(*time(10), row(3), 0x3800 | 50, decoder=decoder)
    assert rows(decode(0x5001, single(1, 0), low(11), single(2), decoder=decoder).events) == [
        (50, 3, 10, True),
        (1, 3, 10, False),
        (2, 3, 11, True),
    ]


def test_after_lost_packets_nothing_is_guessed_but_the_wraps_stay():
    decoder = evt3.Decoder()
    decode(*time(WRAP_US - 1), row(3), *time(1), single(1), decoder=decoder)
    decoder.resync()
    out = decode(single(1), low(7), single(2), *time(9), single(3), row(4), single(4), decoder=decoder)
    assert rows(out.events) == [(4, 4, WRAP_US + 9, True)]
    assert out.dropped == {"before_time": 2, "before_row": 1}


def packet(t_us: int, seq: int, stamp_ns: int) -> bytes:
    events = Events.of([1], [1], [t_us], [1])
    return encode_event_packet(events, encoding="evt3", width=8, height=8, stamp_ns=stamp_ns, frame_id="", seq=seq)


@pytest.mark.parametrize("gap_us", [1_000_000, 8_000_000, 16_777_216, 20_000_000, 40_000_000, 3_600_000_000])
def test_silence_of_any_length_is_bridged_by_the_stamps(gap_us):
    decoder = EventTopicDecoder("event_camera_msgs/msg/EventPacket")
    first = decoder.push(packet(3_000_000, 0, 10**18)).events.t_us[0]
    # Half a second of latency more does not matter.
    second = decoder.push(packet(3_000_000 + gap_us, 1, 10**18 + gap_us * 1000 + 500_000_000)).events.t_us[0]
    third = decoder.push(packet(3_000_100 + gap_us, 2, 10**18 + gap_us * 1000 + 100_000)).events.t_us[0]
    assert (second - first, third - second) == (gap_us, 100)


def test_recording_played_again_gives_the_same_times(evt3_messages):
    decoder = EventTopicDecoder("event_camera_msgs/msg/EventPacket")
    turns = [[decoder.push(payload) for _, payload in evt3_messages[:100]] for _ in range(3)]
    for again in turns[1:]:
        for one, two in zip(turns[0], again, strict=True):
            assert np.array_equal(one.events.t_us, two.events.t_us)
            assert np.array_equal(one.events.x, two.events.x)
            assert np.array_equal(one.triggers.t_us, two.triggers.t_us)


def test_writer_steps_through_silences_so_that_every_time_comes_back():
    times = np.array([0, 5, 41_000, 41_001, 17_000_000, 90_000_000, 90_000_001, 900_000_000, 3_599_999_999])
    events = Events.of(np.arange(9), np.arange(9), times, np.arange(9) % 2)
    back = decode(*evt3.encode(events, time_base_us=0).view("<u2")).events
    assert rows(back) == rows(events)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (Events.of([2048], [0], [0], [1]), "evt3 holds coordinates to 2047, not x 2048"),
        (Events.of([0], [0], [-1], [1]), "evt3 time starts at 0, not at -1 us"),
        (Events.of([0, 0], [0, 0], [0, 3_600_000_001], [1, 1]), "split it within an hour"),
    ],
)
def test_writer_refuses_what_the_words_cannot_hold(events, message):
    with pytest.raises(CodecError, match=message):
        evt3.encode(events, time_base_us=0)


def test_padding_words_are_no_loss():
    t = np.arange(400) * 10 + 1
    events = Events.of(t % 160, t % 120, t, t % 2)
    words = evt3.encode(events, time_base_us=0).view("<u2")
    padded = np.insert(words, np.arange(0, len(words), 4), 0x9999).astype("<u2").view(np.uint8)
    out = evt3.Decoder().decode(padded, width=160, height=120, time_base=0, big_endian=False, stamp_ns=0)
    assert len(out.events) == 400 and np.array_equal(out.events.t_us, t) and not out.dropped
