"""`halsie bench events`: message bytes to arrays, and the whole event path, one thread."""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from halsie_ros.bench import c_loops
from halsie_ros.bench.harness import Row, median_seconds, row_of_times
from halsie_ros.events.accumulate import BinAccumulator
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.codecs import evt3
from halsie_ros.events.events import Events
from halsie_ros.events.messages import EventTopicDecoder, encode_event_array, encode_event_packet
from halsie_ros.events.windows import EventRing
from halsie_ros.geometry.registration import Registration

HEIGHT, WIDTH = 480, 640
PACKET = "event_camera_msgs/msg/EventPacket"
ARRAY = "dvs_msgs/msg/EventArray"


def moving_edge(count: int, span_us: int) -> Events:
    """Events as a sensor reads them out: by time, some of a row sharing one, on an edge that moves."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, span_us, count))
    y = rng.integers(0, HEIGHT, count)
    x = (t * WIDTH // span_us + y // 3 + rng.integers(0, 40, count)) % WIDTH
    return Events.of(x, y, t, rng.integers(0, 2, count))


def cases(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of decoding and of the path from packet to grid."""
    del args
    yield from _evt3()
    yield from _event_array()
    yield from _path()


def _evt3() -> Iterator[Row]:
    count = 1_000_000
    data = evt3.encode(moving_edge(count, 1_000_000), time_base_us=0)
    data.flags.writeable = False

    def ours() -> Events:
        decoder = evt3.Decoder()
        return decoder.decode(data, width=WIDTH, height=HEIGHT, time_base=0, big_endian=False, stamp_ns=0).events

    note = f"{data.nbytes / 2 / count:.1f} words an event"
    library = c_loops.build()
    if library is None:
        (mine,) = median_seconds(ours, runs=9)
        yield row_of_times("events/evt3", mine, work=count / 1e6, unit="Mevents/s", note=note)
        return
    library.evt3.restype = ctypes.c_size_t

    def in_c() -> Events:
        columns = (np.empty(count, np.uint16), np.empty(count, np.uint16), np.empty(count, np.int64))
        polarity = np.empty(count, np.bool_)
        state = np.zeros(5, np.int64)
        pointers = [c_loops.pointer(array) for array in (*columns, polarity)]
        found = library.evt3(
            c_loops.pointer(data), ctypes.c_size_t(data.nbytes // 2), c_loops.pointer(state), WIDTH, HEIGHT, *pointers
        )
        return Events(*(array[:found] for array in (*columns, polarity)))

    if not np.array_equal(ours().t_us, in_c().t_us):
        raise ArithmeticError("the C decoder and ours disagree: the comparison means nothing")
    mine, c_s = median_seconds(ours, in_c, runs=15)
    yield row_of_times("events/evt3", mine, "C decoder, gcc -O3", c_s, work=count / 1e6, unit="Mevents/s", note=note)


def _event_array() -> Iterator[Row]:
    count = 50_000
    message = encode_event_array(moving_edge(count, 100_000), width=WIDTH, height=HEIGHT, stamp_ns=1, frame_id="camera")
    decoder = EventTopicDecoder(ARRAY)

    def ours() -> Events:
        return decoder.push(message).events

    (mine,) = median_seconds(ours, runs=41)
    name, peer = _message_objects(message)
    peer_s = median_seconds(peer, runs=3, warmup=1)[0] if peer is not None else None
    note = "message bytes to arrays" if peer is not None else "neither rclpy with dvs_msgs nor rosbags is here"
    yield row_of_times("events/eventarray_50k", mine, name, peer_s, note=note)


def _message_objects(message: bytes) -> tuple[str | None, Callable[[], Events] | None]:
    """The usual way: a message object, then its attributes one by one; with rclpy where it is, else rosbags."""

    def columns(events) -> Events:
        return Events.of(
            [event.x for event in events],
            [event.y for event in events],
            [event.ts.sec * 1_000_000 + event.ts.nanosec // 1000 for event in events],
            [event.polarity for event in events],
        )

    try:
        from dvs_msgs.msg import EventArray
        from rclpy.serialization import deserialize_message

        def with_rclpy() -> Events:
            parsed: Any = deserialize_message(message, EventArray)
            return columns(parsed.events)

        return "rclpy deserialize + loop", with_rclpy
    except ImportError:
        pass
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError:
        return None, None
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(
        get_types_from_msg("uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity", "dvs_msgs/Event")
    )
    fields = "std_msgs/Header header\nuint32 height\nuint32 width\ndvs_msgs/Event[] events"
    store.register(get_types_from_msg(fields, ARRAY))

    def with_rosbags() -> Events:
        parsed: Any = store.deserialize_cdr(message, ARRAY)
        return columns(parsed.events)

    return "rosbags deserialize + loop", with_rosbags


class EventPath:
    """All that a node does with event packets: decode, clock, ring; per window cut, geometry and counts."""

    def __init__(self, *, packet_us: int, window_us: int = 50_000) -> None:
        """Sizes: a packet every ``packet_us``, a window of five bins each ``window_us``, resized to 346x260."""
        self._decoder = EventTopicDecoder(PACKET)
        self._clock = SensorClock()
        self._ring = EventRing()
        self._registration = Registration.resize((HEIGHT, WIDTH), (260, 346))
        self._grid = BinAccumulator(bin_us=window_us // 5, bins=5, height=260, width=346)
        self._window_us = window_us
        self._from_us: int | None = None
        self.packets_per_window = window_us // packet_us

    def push(self, message: bytes) -> None:
        """Takes one packet; when its window is full, makes the grid."""
        batch, jump = self._clock.localize(self._decoder.push(message))
        if jump.resets:
            self._ring.reset()
            self._from_us = None
        self._ring.push(batch.events)
        last_us = batch.end_us
        if self._from_us is None:
            self._from_us = last_us
        while last_us - self._from_us >= self._window_us:
            start, stop = self._from_us, self._from_us + self._window_us
            self._grid.start(start)
            self._grid.add(self._registration.apply(self._ring.cut(start, stop)))
            self._from_us = stop


def _packets(rate: float, packet_us: int, packets: int) -> list[bytes]:
    events = moving_edge(int(rate * packets * packet_us / 1e6), packets * packet_us)
    return [
        encode_event_packet(
            events.between(k * packet_us - 1, (k + 1) * packet_us - 1),
            encoding="evt3",
            width=WIDTH,
            height=HEIGHT,
            stamp_ns=1_000_000_000 + k * packet_us * 1000,
            frame_id="camera",
            seq=k,
        )
        for k in range(packets)
    ]


def _path() -> Iterator[Row]:
    packet_us, packets = 1000, 1000
    path = EventPath(packet_us=packet_us)
    seconds = {}
    for rate in (1e4, 2e6, 10e6):
        messages = _packets(rate, packet_us, packets)

        def run(messages=messages) -> None:
            for message in messages:
                path.push(message)

        (seconds[rate],) = median_seconds(run, runs=5, warmup=1)
    per_packet = seconds[1e4] / packets * 1e6
    note = "decode, clock, ring, cut, geometry, counts; packets of 1 ms"
    yield Row("events/path_per_packet", "us", per_packet, note=note)
    yield Row("events/path_per_mevent", "us", (seconds[10e6] - seconds[1e4]) / (packets * packet_us / 1e6) / 10 * 1e6)
    for rate, name in ((2e6, "2"), (10e6, "10")):
        load = seconds[rate] / (packets * packet_us / 1e6)
        yield Row(f"events/path_core_share_{name}mev", "of a core", load, note=f"{name} Mevents/s")
