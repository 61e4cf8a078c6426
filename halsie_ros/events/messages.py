"""Serialized event messages to arrays and back: one stateful decoder per topic, no message classes.

The decoder takes the message's bytes as a bag or a raw subscription hands them over and finds the codec by the
message's type and `encoding`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.events.codecs import PacketDecoder, Triggers, event_array, packet_codec, sort_for_writing
from halsie_ros.events.codecs.batch import columns, span_of
from halsie_ros.events.events import Events
from halsie_ros.wire.definitions import EVENT_ARRAYS, EVENT_PACKET
from halsie_ros.wire.layout import known_definition, parse_layout
from halsie_ros.wire.stamps import SECOND_NS, ns_to_stamp

__all__ = [
    "MESSAGE_TYPES",
    "EventBatch",
    "EventTopicDecoder",
    "Triggers",
    "carries_events",
    "encode_event_array",
    "encode_event_packet",
    "message_type_of",
]

#: The message types that carry events and are known by name.
MESSAGE_TYPES = (EVENT_PACKET, *EVENT_ARRAYS)
_MAX_SIDE = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch:
    """What one message held.

    Attributes:
        events: sorted as in the message; ``t_us`` on the sensor's clock, unwrapped, where `sensor_clock` is True,
            else the absolute stamp of each event.
        stamp_ns: header.stamp.
        frame_id: header.frame_id.
        width: sensor columns.
        height: sensor rows.
        encoding: the packet's `encoding`, or "event_array".
        seq: the packet's number; None for arrays, which have none.
        lost: packets missing before this one, by `seq`.
        triggers: edges on the trigger input.
        dropped: events and words left out, by cause.
        sensor_clock: whether `events.t_us` needs `clock.SensorClock` to become host time.
        span_us: first and last time that the message tells on the events' clock, with or without events; or None.
    """

    events: Events
    stamp_ns: int
    frame_id: str
    width: int
    height: int
    encoding: str
    seq: int | None = None
    lost: int = 0
    triggers: Triggers = field(default_factory=lambda: Triggers.with_room(0))
    dropped: dict[str, int] = field(default_factory=dict)
    sensor_clock: bool = False
    span_us: tuple[int, int] | None = None

    def shifted(self, shift_us: int) -> EventBatch:
        """The same batch with all its times, and its stamp, moved."""
        span = None if self.span_us is None else (self.span_us[0] + shift_us, self.span_us[1] + shift_us)
        stamp_ns = self.stamp_ns + shift_us * 1000
        return replace(self, events=self.events.shifted(shift_us), stamp_ns=stamp_ns, span_us=span)

    @property
    def end_us(self) -> int:
        """How far the sensor has come: the last time that the message tells; its stamp where it tells none."""
        return self.span_us[1] if self.span_us is not None else self.stamp_ns // 1000

    def losses(self) -> dict[str, int]:
        """What was lost up to this message, by cause: `lost_event_message`, and `events_…` left out of it."""
        lost = {"lost_event_message": self.lost} if self.lost else {}
        return lost | {f"events_{cause}": number for cause, number in self.dropped.items()}


def message_type_of(name: str) -> str:
    """The full name of a message type: `pkg/Type`, as ROS 1 has it, becomes `pkg/msg/Type`."""
    package, _, short = name.partition("/")
    return f"{package}/msg/{short.rpartition('/')[2]}"


def carries_events(name: str, serialization: str = "cdr", definition: str | None = None) -> bool:
    """Whether messages of this type are events that `EventTopicDecoder` reads: by its name, or by its definition."""
    if message_type_of(name) in MESSAGE_TYPES:
        return True
    if not definition:
        return False
    try:
        EventTopicDecoder(name, serialization=serialization, definition=definition)
    except CodecError:
        return False
    return True


#: Names that packages give to the same members of an event.
_MEMBERS = (("x",), ("y",), ("ts", "timestamp", "stamp", "time"), ("polarity", "pol", "p"))
_MEMBER_TYPES = (("uint16",), ("uint16",), ("int32", "uint32"), ("uint32",), ("bool", "uint8"))


class EventTopicDecoder:
    """Decodes the messages of one topic in their order.

    After a `CodecError` the message is to be skipped; the decoder goes on with the next one.
    """

    def __init__(self, message_type: str, *, serialization: str = "cdr", definition: str | None = None) -> None:
        """Prepares a decoder.

        Args:
            message_type: one of `MESSAGE_TYPES`, or its ROS 1 name; any other whose definition is alike.
            serialization: "cdr" or "ros1".
            definition: the message definition (.msg text) that the bag or the graph carries; None: the known one.

        Raises:
            CodecError: an unknown type without definition, another serialization, or a definition that lacks what
                events need.
        """
        self.message_type = message_type_of(message_type)
        if not definition and self.message_type not in MESSAGE_TYPES:
            raise CodecError(
                f"{message_type} carries no events that we know: known are {', '.join(MESSAGE_TYPES)}, "
                "and any type that a recording or the graph defines alike"
            )
        definition = definition or known_definition(self.message_type, serialization)
        self._layout = parse_layout(definition, serialization)
        kinds = {item.name: item.kind for item in self._layout.fields}
        # Bytes with an encoding are packets, structures are arrays, whatever the type is called.
        self._is_packet = "encoding" in kinds or (
            self.message_type == EVENT_PACKET and kinds.get("events") != "structs"
        )
        wanted = {"header.stamp.sec": "number", "header.frame_id": "string", "width": "number", "height": "number"}
        wanted["events"] = "bytes" if self._is_packet else "structs"
        if self._is_packet:
            wanted |= {"encoding": "string", "is_bigendian": "number", "seq": "number", "time_base": "number"}
        for name, kind in wanted.items():
            if kinds.get(name) != kind:
                raise CodecError(f"definition of {message_type}: field {name} is {kinds.get(name)}, not a {kind}")
        if not self._is_packet:
            self._offsets()
        self.reset()

    def _offsets(self) -> None:
        """Works out where x, y, seconds, nanoseconds and polarity of the array's events are."""
        members = next(field for field in self._layout.fields if field.name == "events").members
        types = {member.name: member.type for member in members}
        x, y, time, polarity = (
            next((name for name in names if any(key.split(".")[0] == name for key in types)), names[0])
            for names in _MEMBERS
        )
        names = (x, y, f"{time}.sec", f"{time}.nanosec", polarity)
        for name, allowed in zip(names, _MEMBER_TYPES, strict=True):
            if types.get(name) not in allowed:
                raise CodecError(f"definition of {self.message_type}: event {name} is {types.get(name)}, not {allowed}")
        first, rest, self._stride, self._tail = self._layout.struct_offsets("events")
        self._first = np.array([first[name] for name in names], np.int64)
        self._rest = np.array([*(rest[name] for name in names), 0], np.int64)
        self._first_end = max(first[member.name] + member.size for member in members)

    def reset(self) -> None:
        """Forgets the sensor's clock and sequence, as before the first message."""
        self._decoder: PacketDecoder | None = None
        self._encoding = ""
        self._seq: int | None = None

    def push(self, payload: bytes | memoryview, log_time_ns: int | None = None) -> EventBatch:
        """Decodes one message.

        Args:
            payload: the serialized message; with its 4-byte encapsulation for CDR.
            log_time_ns: when it was received, used where header.stamp is zero.

        Raises:
            CodecError: cut short, of unknown encoding, or of a sensor of no plausible size.
        """
        values = self._layout.read(payload)
        width, height = values["width"], values["height"]
        if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
            raise CodecError(f"event sensor of {width}x{height} pixels: both sides must be 1 to {_MAX_SIDE}")
        stamp_ns = values["header.stamp.sec"] * SECOND_NS + values["header.stamp.nanosec"]
        stamp_ns = stamp_ns or log_time_ns or 0
        data = np.frombuffer(memoryview(payload).toreadonly(), np.uint8)
        if self._is_packet:
            return self._packet(values, data, stamp_ns)
        if self._layout.aligned and not payload[1]:
            raise CodecError("event array in big-endian CDR: let a little-endian machine publish or record it")
        start, count = values["events"]
        end = start + ((count - 1) * self._stride + self._tail if count > 1 else count * self._first_end)
        if end > len(data):
            raise CodecError(f"message cut short: {count} events need {end} bytes, {len(data)} are there")
        rest = self._rest + start
        rest[5] = count
        x, y, t, p = columns(count)
        kept = event_array.decode(data, self._first + start, self._stride, rest, width, height, x, y, t, p)
        events, off_sensor = Events(x[:kept], y[:kept], t[:kept], p[:kept]), count - kept
        return EventBatch(
            events,
            stamp_ns,
            values["header.frame_id"],
            width,
            height,
            "event_array",
            dropped={"off_sensor": off_sensor} if off_sensor else {},
            span_us=span_of(events),
        )

    def _packet(self, values: dict[str, Any], data: np.ndarray, stamp_ns: int) -> EventBatch:
        encoding, seq, time_base = values["encoding"], values["seq"], values["time_base"]
        if self._decoder is None or encoding != self._encoding:
            self._decoder, self._encoding, self._seq = packet_codec(encoding).decoder(), encoding, None
        if time_base >= 1 << 62:
            raise CodecError(f"time_base {time_base} ns lies after the year 2116")
        lost = 0
        if self._seq is not None and seq not in (self._seq, self._seq + 1):
            lost = max(seq - self._seq - 1, 0)
            self._decoder.resync()
        self._seq = seq
        start, end = values["events"]
        decoded = self._decoder.decode(
            data[start:end],
            width=values["width"],
            height=values["height"],
            time_base=time_base,
            big_endian=bool(values["is_bigendian"]),
            stamp_ns=stamp_ns,
        )
        return EventBatch(
            decoded.events,
            stamp_ns,
            values["header.frame_id"],
            values["width"],
            values["height"],
            encoding,
            seq,
            lost,
            decoded.triggers,
            decoded.dropped,
            self._decoder.sensor_clock,
            decoded.span_us,
        )


def _header(stamp_ns: int, frame_id: str, width: int, height: int) -> bytearray:
    """Encapsulation, std_msgs/Header, height and width."""
    name = frame_id.encode() + b"\0"
    seconds, nanoseconds = ns_to_stamp(stamp_ns)
    out = bytearray(b"\0\1\0\0" + struct.pack("<iII", seconds, nanoseconds, len(name)) + name)
    out += bytes(-len(out) % 4)
    return out + struct.pack("<II", height, width)


def _writable(events: Events, width: int, height: int) -> Events:
    """The events in order; raises CodecError on what no message may hold."""
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise CodecError(f"event sensor of {width}x{height} pixels: both sides must be 1 to {_MAX_SIDE}")
    if len(events) and (events.x.max() >= width or events.y.max() >= height):
        raise CodecError(f"event at x {events.x.max()} or y {events.y.max()} lies outside the sensor {width}x{height}")
    events, refused = sort_for_writing(events)
    if refused:
        raise CodecError(f"{refused} events lie more than 1000 us before an earlier one: sort_for_writing drops them")
    return events


def encode_event_packet(
    events: Events,
    *,
    encoding: str,
    width: int,
    height: int,
    stamp_ns: int,
    frame_id: str,
    seq: int,
    time_base_us: int = 0,
) -> bytes:
    """The CDR bytes of an event_camera_msgs/EventPacket; events are sorted within 1 ms.

    Raises:
        CodecError: an unknown encoding, or events that it cannot hold.
    """
    codec = packet_codec(encoding)
    data = codec.encode(_writable(events, width, height), time_base_us=time_base_us)
    out = _header(stamp_ns, frame_id, width, height)
    out += bytes((4 - len(out)) % 8)
    name = encoding.encode() + b"\0"
    out += struct.pack("<QQI", seq, time_base_us * 1000, len(name)) + name + b"\0"
    out += bytes(-len(out) % 4)
    return bytes(out + struct.pack("<I", len(data)) + data.tobytes())


def encode_event_array(events: Events, *, width: int, height: int, stamp_ns: int, frame_id: str) -> bytes:
    """The CDR bytes of a dvs_msgs/EventArray or prophesee_event_msgs/EventArray (they are alike)."""
    out = _header(stamp_ns, frame_id, width, height)
    return bytes(out + event_array.encode(_writable(events, width, height)))
