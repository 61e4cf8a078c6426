"""`halsie bench events`: message bytes to arrays, and the whole event path, one thread."""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from halsie_ros.bench import c_loops
from halsie_ros.bench.harness import Row, median_seconds, row_of_times
from halsie_ros.errors import ModelError
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.codecs import evt3
from halsie_ros.events.events import Events
from halsie_ros.events.messages import EventTopicDecoder, encode_event_array, encode_event_packet
from halsie_ros.events.windows import EventRing
from halsie_ros.geometry.registration import Registration
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.segmentation.event_layer import EventLayer
from halsie_ros.segmentation.synchronizer import Synchronizer, Timing

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

    def columns(events: Any) -> Events:
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
    """All that a node does with event packets before the step graph: decode, clock, synchroniser; per frame its
    window's events, geometry, and the currents of the model's first layer, which are the grid that the graph gets.

    Attributes:
        steps: frames that got their events.
        events: events that came into a window.
    """

    def __init__(
        self,
        *,
        packet_us: int,
        window_us: int = 50_000,
        size: tuple[int, int] = (HEIGHT, WIDTH),
        model: str = "halsie_street",
    ) -> None:
        """Sizes: a packet every ``packet_us``, a frame every ``window_us`` whose size is ``size`` (height, width)."""
        card = ModelCard.load(find_model(model))
        layer = EventLayer.of(card.graph("step"))
        if layer is None:
            raise ModelError(f"{card.path}: {card.name} has no first layer that runs event by event: choose another")
        self._layer, self._bin_us = layer, card.bin_us
        self._decoder, self._clock = EventTopicDecoder(PACKET), SensorClock()
        self._synchronizer = Synchronizer(Timing(window_us), EventRing)
        same = size == (HEIGHT, WIDTH)
        self._registration = (Registration.identity if same else Registration.resize)((HEIGHT, WIDTH), size)
        rows, columns = (-(-side // card.size_multiple) * card.size_multiple // 4 for side in size)
        shape = (1, layer.bias.size, rows, columns)
        self._membrane, self._spikes = np.zeros(shape, np.float32), np.empty(shape, np.float32)
        self._currents = np.empty((rows, columns, layer.bias.size), np.float32)
        self._window_us = window_us
        self._frame_us: int | None = None
        self.packets_per_window = window_us // packet_us
        self.steps = self.events = 0

    def push(self, message: bytes) -> None:
        """Takes one packet; when it completes a frame's window, makes the grid."""
        batch, _ = self._clock.localize(self._decoder.push(message))
        last_us = batch.end_us
        now_s = last_us / 1e6
        if self._frame_us is None or last_us < self._frame_us - self._window_us:  # the first packet, or a jump back
            self._frame_us = last_us + self._window_us
        if last_us >= self._frame_us:
            self._synchronizer.push_frame(self._frame_us, self._frame_us * 1000, now_s)
            self._frame_us += self._window_us
        self._synchronizer.push_events(batch.events, now_s, stamp_us=last_us)
        choice = self._synchronizer.choose(now_s)
        if choice is None:
            return
        step = self._synchronizer.cut(choice, now_s)
        seen = self._registration.apply(step.events)
        self._membrane, _ = self._layer.step(
            seen,
            self._membrane,
            self._spikes,
            self._currents,
            t0_us=step.t0_us,
            dt_us=np.array([step.t1_us - step.t0_us], np.float32),
            bin_us=self._bin_us,
        )
        self.steps += 1
        self.events += len(seen)


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


def path_seconds(path: EventPath, rate: float, *, packet_us: int, packets: int, runs: int) -> float:
    """CPU seconds that the path takes for so many packets of a stream of `rate` events a second."""
    messages = _packets(rate, packet_us, packets)

    def run() -> None:
        for message in messages:
            path.push(message)

    return median_seconds(run, runs=runs, warmup=1)[0]


def _path() -> Iterator[Row]:
    packet_us, packets = 1000, 1000
    path = EventPath(packet_us=packet_us, size=(260, 346))
    seconds = {
        rate: path_seconds(path, rate, packet_us=packet_us, packets=packets, runs=5) for rate in (1e4, 2e6, 10e6)
    }
    per_packet = seconds[1e4] / packets * 1e6
    note = "decode, clock, synchroniser, geometry, first layer; packets of 1 ms; resized to 346x260"
    yield Row("events/path_per_packet", "us", per_packet, note=note)
    yield Row("events/path_per_mevent", "us", (seconds[10e6] - seconds[1e4]) / (packets * packet_us / 1e6) / 10 * 1e6)
    for rate, name in ((2e6, "2"), (10e6, "10")):
        load = seconds[rate] / (packets * packet_us / 1e6)
        yield Row(f"events/path_core_share_{name}mev", "of a core", load, note=f"{name} Mevents/s")
