"""Event messages as bytes: golden numbers of real recordings, field layouts, and what is refused."""

from __future__ import annotations

import sqlite3
import struct

import numpy as np
import pytest

from halsie_ros.errors import CodecError
from halsie_ros.events import Events
from halsie_ros.events.messages import (
    EventTopicDecoder,
    carries_events,
    encode_event_array,
    encode_event_packet,
    message_type_of,
)
from halsie_ros.wire.layout import known_definition

PACKET = "event_camera_msgs/msg/EventPacket"
ARRAY = "dvs_msgs/msg/EventArray"
THREE = Events.of([1, 2, 3], [4, 5, 6], [1_000_001, 1_000_002, 2_500_000], [1, 0, 1])


def same(a: Events, b: Events) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in Events.__slots__)


def packet(events=THREE, **changes) -> bytes:
    fields = {"encoding": "evt3", "width": 640, "height": 480, "stamp_ns": 5_000_000_007, "frame_id": "cam", "seq": 3}
    return encode_event_packet(events, **(fields | changes))


def array(events=THREE) -> bytes:
    return encode_event_array(events, width=640, height=480, stamp_ns=5_000_000_007, frame_id="camera")


def totals(batches) -> dict:
    events = Events.concatenate(batch.events for batch in batches)
    values = np.concatenate([batch.triggers.value for batch in batches])
    trigger_t = np.concatenate([batch.triggers.t_us for batch in batches])
    return {
        "off": int((~events.polarity).sum()),
        "on": int(events.polarity.sum()),
        "rising": int((values == 1).sum()),
        "falling": int((values == 0).sum()),
        "sum_us": int(events.t_us.sum() + trigger_t.sum()),
        "first_us": int(events.t_us[0]),
        "x": int(events.x.sum(dtype=np.int64)),
        "y": int(events.y.sum(dtype=np.int64)),
    }


def test_real_evt3_recording_gives_its_golden_numbers(evt3_messages):
    decoder = EventTopicDecoder(PACKET)
    batches = [decoder.push(payload, stamp) for stamp, payload in evt3_messages]
    found = totals(batches)
    assert found["off"] == 218_291
    assert found["on"] == 125_183
    assert found["rising"] == 2_079
    assert found["falling"] == 2_078
    assert found["sum_us"] == 2_885_601_049_874
    assert found["first_us"] == 7_139_845
    assert (batches[0].width, batches[0].height, batches[0].encoding, batches[0].frame_id) == (640, 480, "evt3", "0293")
    assert not any(batch.dropped or batch.lost for batch in batches)


def test_ros1_bag_and_ros2_bag_agree_event_for_event(shared_data, evt3_messages):
    from rosbags.rosbag1 import Reader

    ros2 = EventTopicDecoder(PACKET)
    with Reader(shared_data / "events" / "event_camera_bags" / "evt3_640x480_ros1.bag") as reader:
        (connection,) = reader.connections
        ros1 = EventTopicDecoder(connection.msgtype, serialization="ros1", definition=connection.msgdef.data)
        undefined = EventTopicDecoder("event_camera_msgs/EventPacket", serialization="ros1")
        count = 0
        for (_, _, payload1), (_, payload2) in zip(reader.messages(), evt3_messages, strict=True):
            one, two, three = ros1.push(payload1), ros2.push(payload2), undefined.push(payload1)
            assert same(one.events, two.events) and same(one.events, three.events)
            assert np.array_equal(one.triggers.t_us, two.triggers.t_us)
            assert one.stamp_ns == two.stamp_ns
            count += len(one.events)
    assert count == 343_474


def test_trigger_recording_gives_the_reference_decoders_sums(shared_data):
    with sqlite3.connect(shared_data / "events" / "event_camera_bags" / "evt3_trigger.db3") as base:
        rows = base.execute("select data from messages order by timestamp").fetchall()
    decoder = EventTopicDecoder(PACKET)
    found = totals([decoder.push(data) for (data,) in rows])
    # Sums that the reference decoder's own test expects: 1222326831810 us, 42078718, 31656267, 41439 on, triggers
    # 29096982 us with one rising edge.
    assert found["sum_us"] == 1_222_326_831_810 + 29_096_982
    assert (found["x"], found["y"], found["on"], found["rising"]) == (42_078_718, 31_656_267, 41_439, 1)


@pytest.mark.parametrize("encoding", ["evt3", "libcaer_cmp", "libcaer", "mono", "evt2", "evt21"])
@pytest.mark.parametrize("frame_id", ["", "c", "ca", "cam", "came"])
def test_packet_comes_back_as_written_whatever_the_alignment(encoding, frame_id):
    batch = EventTopicDecoder(PACKET).push(
        packet(encoding=encoding, frame_id=frame_id, time_base_us=0 if encoding.startswith("evt") else 1_000_000)
    )
    assert same(batch.events, THREE)
    assert (batch.stamp_ns, batch.frame_id, batch.seq, batch.encoding) == (5_000_000_007, frame_id, 3, encoding)
    assert (batch.width, batch.height, batch.sensor_clock) == (640, 480, True)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_array_comes_back_as_written(count):
    batch = EventTopicDecoder(ARRAY).push(array(THREE[:count]))
    assert same(batch.events, THREE[:count])
    assert (batch.stamp_ns, batch.width, batch.height) == (5_000_000_007, 640, 480)
    assert not batch.sensor_clock and batch.seq is None


def test_written_bytes_are_what_rosbags_writes():
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    event = "uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity"
    whole = "std_msgs/Header header\nuint32 height\nuint32 width\ndvs_msgs/Event[] events"
    fields = (
        "std_msgs/Header header\nuint32 height\nuint32 width\nuint64 seq\nuint64 time_base\n"
        "string encoding\nbool is_bigendian\nuint8[] events"
    )
    store.register(get_types_from_msg(event, "dvs_msgs/msg/Event"))
    store.register(get_types_from_msg(whole, ARRAY))
    store.register(get_types_from_msg(fields, PACKET))
    decoded = store.deserialize_cdr(array(), ARRAY)
    assert [(e.x, e.y, e.ts.sec, e.ts.nanosec, e.polarity) for e in decoded.events] == [
        (1, 4, 1, 1000, True),
        (2, 5, 1, 2000, False),
        (3, 6, 2, 500_000_000, True),
    ]
    assert same(EventTopicDecoder(ARRAY).push(bytes(store.serialize_cdr(decoded, ARRAY))).events, THREE)
    message = store.deserialize_cdr(packet(), PACKET)
    assert (message.width, message.height, message.seq, message.encoding) == (640, 480, 3, "evt3")
    assert same(EventTopicDecoder(PACKET).push(bytes(store.serialize_cdr(message, PACKET))).events, THREE)


def test_field_order_comes_from_the_bags_definition():
    definition = (
        "Header header\nuint32 width\nuint32 height\nmy/Event[] events\n===\nMSG: my/Event\n"
        "bool polarity # on\nuint16 y\nuint16 x\ntime ts\n"
    )
    payload = struct.pack("<IIII3s", 0, 5, 7, 3, b"cam") + struct.pack("<II", 640, 480) + struct.pack("<I", 2)
    payload += struct.pack("<BHHII", 1, 4, 1, 1, 1000) + struct.pack("<BHHII", 0, 5, 2, 1, 2000)
    decoder = EventTopicDecoder("dvs_msgs/EventArray", serialization="ros1", definition=definition)
    batch = decoder.push(payload)
    assert same(batch.events, THREE[:2])
    assert (batch.width, batch.height, batch.frame_id) == (640, 480, "cam")


def test_ros1_arrays_are_packed():
    payload = struct.pack("<IIII3s", 0, 5, 7, 3, b"cam") + struct.pack("<II", 480, 640) + struct.pack("<I", 2)
    payload += struct.pack("<HHIIB", 1, 4, 1, 1000, 1) + struct.pack("<HHIIB", 2, 5, 1, 2000, 0)
    assert same(EventTopicDecoder("dvs_msgs/EventArray", serialization="ros1").push(payload).events, THREE[:2])


def test_big_endian_packets_are_swapped():
    payload = bytearray(packet())
    data_bytes = struct.unpack_from("<I", payload, len(payload) - 22 - 4)
    assert data_bytes == (22,)
    words = np.frombuffer(bytes(payload[-22:]), "<u2").astype(">u2").tobytes()
    payload[-22:] = words
    payload[payload.index(b"evt3\0") + 5] = 1
    assert same(EventTopicDecoder(PACKET).push(bytes(payload)).events, THREE)


def test_event_outside_the_sensor_is_dropped_and_counted():
    data = bytearray(array())
    struct.pack_into("<H", data, data.index(struct.pack("<HH", 1, 4)), 640)
    batch = EventTopicDecoder(ARRAY).push(bytes(data))
    assert same(batch.events, THREE[1:])
    assert batch.dropped == {"off_sensor": 1}


def test_lost_packets_are_counted_by_seq():
    decoder = EventTopicDecoder(PACKET)
    assert [decoder.push(packet(seq=seq)).lost for seq in (3, 4, 7, 7, 2)] == [0, 0, 2, 0, 0]


def test_zero_stamp_is_replaced_by_the_log_time():
    assert EventTopicDecoder(PACKET).push(packet(stamp_ns=0), 77).stamp_ns == 77


@pytest.mark.parametrize("make", [packet, array])
def test_cut_short_message_is_refused_and_the_next_one_decodes(make):
    decoder = EventTopicDecoder(PACKET if make is packet else ARRAY)
    whole = make()
    for length in range(len(whole)):
        with pytest.raises(CodecError, match=r"cut short|not plain CDR"):
            decoder.push(whole[:length])
    assert same(decoder.push(whole).events, THREE)


def test_unknown_encoding_names_the_known_ones():
    with pytest.raises(
        CodecError, match=r"event encoding 'evt4': known are evt3, libcaer_cmp, libcaer, mono, evt2, evt21"
    ):
        EventTopicDecoder(PACKET).push(packet().replace(b"evt3\0", b"evt4\0"))


def test_sensor_without_size_is_refused():
    data = bytearray(array())
    struct.pack_into("<I", data, data.index(struct.pack("<II", 480, 640)), 0)
    with pytest.raises(CodecError, match="event sensor of 640x0 pixels"):
        EventTopicDecoder(ARRAY).push(bytes(data))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("Header header\nuint32 width\nuint32 height\nuint8[] events", "field events is bytes, not a structs"),
        ("Header header\nuint32 width", "field height is None, not a number"),
        ("Header header\nfloat32[3] size", "cannot read field size of type float32\\[3\\]"),
        (
            "Header header\nuint32 width\nuint32 height\nE[] events\n===\nMSG: a/E\nfloat32 x\nuint16 y\ntime ts",
            "event x is float32",
        ),
    ],
)
def test_definition_without_what_events_need_is_refused(definition, message):
    with pytest.raises(CodecError, match=message):
        EventTopicDecoder("dvs_msgs/EventArray", serialization="ros1", definition=definition)


def test_other_message_types_are_refused_by_name():
    assert message_type_of("dvs_msgs/EventArray") == ARRAY
    with pytest.raises(CodecError, match="sensor_msgs/msg/Image carries no events"):
        EventTopicDecoder("sensor_msgs/msg/Image")


@pytest.mark.parametrize(
    ("events", "changes", "message"),
    [
        (THREE, {"width": 2}, "outside the sensor 2x480"),
        (THREE, {"encoding": "raw"}, "unknown event encoding 'raw'"),
        (THREE, {"encoding": "mono", "time_base_us": 2_000_000}, "set time_base_us"),
        (THREE.shifted(-2_000_000), {}, "evt3 time starts at 0"),
        (THREE[::-1], {}, "2 events lie more than 1000 us before an earlier one"),
    ],
)
def test_writer_refuses_what_an_encoding_cannot_hold(events, changes, message):
    with pytest.raises(CodecError, match=message):
        packet(events, **changes)


def test_writer_sorts_within_a_millisecond():
    swapped = Events.of([1, 2, 3], [4, 5, 6], [2000, 1000, 2001], [1, 0, 1])
    back = EventTopicDecoder(PACKET).push(packet(swapped)).events
    assert back.t_us.tolist() == [1000, 2000, 2001]
    assert back.x.tolist() == [2, 1, 3]


EVENT_TEXT = "===\nMSG: {package}/Event\nuint16 x\nuint16 y\n{time} {name}\n{polarity}\n"


@pytest.mark.parametrize("package", ["dv_ros_msgs", "my_robot_msgs"])
@pytest.mark.parametrize(("name", "polarity"), [("ts", "bool polarity"), ("timestamp", "uint8 p")])
def test_arrays_of_another_package_are_known_by_their_definition(package, name, polarity):
    text = "std_msgs/Header header\nuint32 height\nuint32 width\n" + package + "/Event[] events\n"
    text += EVENT_TEXT.format(package=package, time="builtin_interfaces/Time", name=name, polarity=polarity)
    assert carries_events(f"{package}/EventArray", "cdr", text)
    assert same(EventTopicDecoder(f"{package}/msg/EventArray", definition=text).push(array()).events, THREE)


def test_packets_under_their_older_name_are_known_by_their_definition():
    assert carries_events("event_array_msgs/msg/EventArray", "cdr", known_definition(PACKET))
    decoder = EventTopicDecoder("event_array_msgs/msg/EventArray", definition=known_definition(PACKET))
    assert same(decoder.push(packet()).events, THREE)


def test_a_type_that_is_no_events_is_not_taken_for_events():
    assert not carries_events(
        "sensor_msgs/msg/CompressedImage", "cdr", known_definition("sensor_msgs/msg/CompressedImage")
    )
    assert not carries_events("my_msgs/msg/Gain", "cdr", None)


def test_an_array_in_the_other_byte_order_is_refused_by_name():
    payload = bytes(4) + struct.pack(">iII4x", 5, 7, 1) + struct.pack(">III", 480, 640, 0)
    with pytest.raises(CodecError, match="big-endian CDR"):
        EventTopicDecoder(ARRAY).push(payload)
