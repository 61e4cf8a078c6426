"""Codecs under attack: random bytes, round trips, and packets split anywhere."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halsie_ros.errors import CodecError
from halsie_ros.events import Events
from halsie_ros.events.codecs import PACKET_CODECS, evt2, evt3, packet_codec
from halsie_ros.events.messages import MESSAGE_TYPES, EventTopicDecoder, encode_event_array, encode_event_packet
from halsie_ros.events.voxel import bin_counts
from halsie_ros.events.windows import EventRing

PACKET = "event_camera_msgs/msg/EventPacket"
ARRAY = "dvs_msgs/msg/EventArray"
ENCODINGS = list(PACKET_CODECS)

bounded = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def sorted_events(draw, max_t_us: int = 1 << 22, side: int = 2047, max_size: int = 60):
    """Events in order of time, with many equal times, rows and columns."""
    size = draw(st.integers(0, max_size))
    column = st.lists(st.integers(0, side) | st.integers(0, 3), min_size=size, max_size=size)
    times = draw(st.lists(st.integers(0, max_t_us) | st.integers(0, 5), min_size=size, max_size=size))
    return (
        Events.of(draw(column), draw(column), np.sort(np.array(times, np.int64)), draw(column))
        if size
        else Events.empty()
    )


def same(a: Events, b: Events) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in Events.__slots__)


def inside(events: Events, width: int, height: int) -> bool:
    return not len(events) or (int(events.x.max()) < width and int(events.y.max()) < height)


def write(events: Events, encoding: str = "evt3", seq: int = 0, stamp_ns: int = 0) -> bytes:
    return encode_event_packet(
        events, encoding=encoding, width=2048, height=2048, stamp_ns=stamp_ns, frame_id="cam", seq=seq
    )


@bounded
@pytest.mark.parametrize("encoding", ENCODINGS)
@given(
    pieces=st.lists(st.binary(max_size=400), min_size=1, max_size=4),
    width=st.integers(1, 2048),
    height=st.integers(1, 2048),
    time_base=st.integers(0, 1 << 61),
    big_endian=st.booleans(),
    stamp_ns=st.integers(0, 1 << 60),
)
def test_random_bytes_yield_only_events_on_the_sensor(encoding, pieces, width, height, time_base, big_endian, stamp_ns):
    decoder = packet_codec(encoding).decoder()
    for piece in pieces:
        out = decoder.decode(
            np.frombuffer(piece, np.uint8),
            width=width,
            height=height,
            time_base=time_base,
            big_endian=big_endian,
            stamp_ns=stamp_ns,
        )
        assert inside(out.events, width, height)
        # Twelve events a word is the most that any word holds.
        assert len(out.events) + sum(out.dropped.values()) <= 6 * len(piece) + 8
        assert out.events.t_us.min(initial=0) >= 0
        assert set(out.triggers.value.tolist()) <= {0, 1}


@bounded
@given(data=st.binary(max_size=400), width=st.integers(1, 2048))
def test_random_evt2_words_yield_only_events_on_the_sensor(data, width):
    out = evt2.Decoder().decode(np.frombuffer(data, np.uint8), width=width, height=260)
    assert inside(out.events, width, 260)
    assert len(out.events) <= len(data) // 4


@bounded
@pytest.mark.parametrize("message_type", MESSAGE_TYPES)
@pytest.mark.parametrize("serialization", ["cdr", "ros1"])
@given(data=st.binary(max_size=300))
def test_random_messages_are_refused_or_hold_events_on_their_sensor(message_type, serialization, data):
    decoder = EventTopicDecoder(message_type, serialization=serialization)
    for payload in (data, b"\0\1\0\0" + data):
        try:
            batch = decoder.push(payload)
        except CodecError:
            continue
        assert inside(batch.events, batch.width, batch.height)


@bounded
@pytest.mark.parametrize("kind", [*ENCODINGS, "array"])
@given(
    events=sorted_events(max_size=10), changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)
)
def test_damaged_messages_are_refused_or_hold_events_on_their_sensor(kind, events, changes):
    if kind == "array":
        whole = encode_event_array(events, width=2048, height=2048, stamp_ns=1, frame_id="cam")
    else:
        whole = write(events, kind)
    damaged = bytearray(whole)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    decoder = EventTopicDecoder(ARRAY if kind == "array" else PACKET)
    try:
        batch = decoder.push(bytes(damaged))
        assert inside(batch.events, batch.width, batch.height)
    except CodecError:
        pass
    # Whatever came before, the next good message is read (resynced, for its seq tells of a loss).
    after = decoder.push(whole)
    assert same(after.events, events) or kind == "evt3"
    assert len(after.events) == len(events)


@bounded
@pytest.mark.parametrize("encoding", ENCODINGS)
@given(events=sorted_events())
def test_packets_come_back_as_written(encoding, events):
    assert same(EventTopicDecoder(PACKET).push(write(events, encoding)).events, events)


@bounded
@given(events=sorted_events(max_t_us=3_000_000_000))
def test_evt3_holds_silences_of_many_wraps(events):
    events = events.shifted(-int(events.t_us[0]) if len(events) else 0)
    assert same(EventTopicDecoder(PACKET).push(write(events)).events, events)


@bounded
@given(events=sorted_events(max_t_us=(1 << 31) * 1_000_000 - 1, side=65535))
def test_arrays_come_back_as_written_in_cdr_and_packed(events):
    whole = encode_event_array(events, width=65536, height=65536, stamp_ns=1, frame_id="camera")
    assert same(EventTopicDecoder(ARRAY).push(whole).events, events)
    packed = struct.pack("<IIII3sIII", 0, 1, 0, 3, b"cam", 65536, 65536, len(events))
    for x, y, t, p in zip(events.x, events.y, events.t_us.tolist(), events.polarity, strict=True):
        packed += struct.pack("<HHIIB", x, y, t // 1_000_000, t % 1_000_000 * 1000, int(p))
    assert same(EventTopicDecoder("dvs_msgs/EventArray", serialization="ros1").push(packed).events, events)


@bounded
@given(events=sorted_events(max_t_us=1 << 33))
def test_evt2_comes_back_as_written(events):
    out = evt2.Decoder().decode(evt2.encode(events), width=2048, height=2048)
    assert same(out.events, events)


@bounded
@pytest.mark.parametrize(("encoding", "word"), [("evt3", 2), ("libcaer", 8), ("mono", 8)])
@given(events=sorted_events(), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_packets_split_between_any_words_decode_to_the_same_events(encoding, word, events, cuts):
    codec = packet_codec(encoding)
    data = codec.encode(events, time_base_us=0)
    edges = [0, *sorted(cut * word for cut in cuts if cut * word < len(data)), len(data)]
    decoder = codec.decoder()
    keywords = {"width": 2048, "height": 2048, "time_base": 0, "big_endian": False, "stamp_ns": 7}
    parts = [decoder.decode(data[a:b], **keywords).events for a, b in itertools.pairwise(edges)]
    assert same(Events.concatenate(parts), events)


@bounded
@given(data=st.binary(max_size=300), cut=st.integers(0, 150))
def test_random_evt3_words_decode_alike_whole_and_split(data, cut):
    words = np.frombuffer(data[: len(data) // 2 * 2], np.uint8)
    keywords = {"width": 640, "height": 480, "time_base": 0, "big_endian": False, "stamp_ns": 0}
    whole = evt3.Decoder().decode(words, **keywords)
    decoder = evt3.Decoder()
    parts = [decoder.decode(part, **keywords) for part in (words[: 2 * cut], words[2 * cut :])]
    assert same(Events.concatenate(part.events for part in parts), whole.events)
    assert np.array_equal(np.concatenate([part.triggers.t_us for part in parts]), whole.triggers.t_us)


@bounded
@given(
    events=sorted_events(max_t_us=3000, side=7),
    order=st.randoms(use_true_random=False),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    capacity=st.integers(1, 100),
)
def test_ring_holds_the_newest_events_however_they_arrive(events, order, sizes, capacity):
    ring = EventRing(capacity)
    arrival = list(range(len(events)))
    order.shuffle(arrival)
    pushed = Events.empty()
    for size in sizes:
        packet = events[np.array(arrival[:size], np.int64)]
        arrival = arrival[size:]
        ring.push(packet)
        pushed = Events.concatenate([pushed, packet])
        assert len(ring) == min(len(pushed), ring.capacity) or ring.overflowed
        assert len(ring) <= ring.capacity
    assert np.all(np.diff(ring.newest(ring.capacity).t_us) >= 0)
    if len(pushed) <= ring.capacity:
        for t0, t1 in ((-1, 3000), (100, 900), (900, 100)):
            expected = np.sort(pushed.t_us[(pushed.t_us > t0) & (pushed.t_us <= t1)])
            assert np.array_equal(ring.cut(t0, t1).t_us, expected)


@bounded
@given(events=sorted_events(max_t_us=60_000, side=40), bins=st.integers(1, 6), bin_us=st.integers(1, 20_000))
def test_bin_counts_agree_with_counting_by_hand(events, bins, bin_us):
    grid = bin_counts(events, t0_us=100, bin_us=bin_us, bins=bins, height=30, width=35)
    expected = np.zeros_like(grid)
    for x, y, t, p in zip(events.x, events.y, events.t_us.tolist(), events.polarity, strict=True):
        if t > 100 and x < 35 and y < 30:
            expected[2 * min((t - 100 - 1) // bin_us, bins - 1) + int(p), y, x] += 1
    assert np.array_equal(grid, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.int64, np.uint16])
def test_places_outside_a_sensor_are_left_out_before_they_could_wrap_into_it(dtype):
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    x = np.array([0, 5, -1, 70000, 9, -65535, 10], np.int64)
    if info is not None:
        x = x.astype(dtype)  # wrapped as a file of that type has them
    events, outside = Events.on_sensor(x.astype(dtype), np.zeros(7), np.arange(7), np.ones(7), 10, 10)
    inside = (x >= 0) & (x < 10)
    assert events.x.tolist() == x[inside].tolist() and events.t_us.tolist() == np.flatnonzero(inside).tolist()
    assert outside == 7 - inside.sum()
