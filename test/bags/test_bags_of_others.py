"""Bags as recorders and tools really write them: schemas, quality of service, versions, compression, cuts, ROS 1."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest
import yaml
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.writer import CompressionFormat, CompressionMode

from halsie_ros.bags import messages
from halsie_ros.bags.info import as_text, describe
from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.storage import OfferedQos, parse_qos
from halsie_ros.bags.writer import BagWriter
from halsie_ros.cli.main import main
from halsie_ros.errors import BagError
from halsie_ros.events import Events
from halsie_ros.events.messages import encode_event_array, encode_event_packet
from halsie_ros.wire.definitions import DEFINITIONS, IMAGE, typestore

COUNT, STEP_NS, START_NS = 20, 10_000_000, 10**18
LINE = "=" * 80 + "\n"
PACKET_IDL = (
    LINE + 'IDL: event_camera_msgs/msg/EventPacket\n#include "std_msgs/msg/Header.idl"\n'
    "module event_camera_msgs { module msg { struct EventPacket { std_msgs::msg::Header header; uint32 height;\n"
    "uint32 width; uint64 seq; uint64 time_base; string encoding; boolean is_bigendian; sequence<uint8> events;\n"
    "}; }; };\n"
)
HEADER_IDL = (
    LINE + 'IDL: std_msgs/msg/Header\n#include "builtin_interfaces/msg/Time.idl"\nmodule std_msgs { module msg {\n'
    '@verbatim (language="comment", text="Standard metadata")\nstruct Header { builtin_interfaces::msg::Time stamp;\n'
    "string frame_id; }; }; };\n"
    + LINE
    + "IDL: builtin_interfaces/msg/Time\nmodule builtin_interfaces { module msg {\n"
    "struct Time { int32 sec; uint32 nanosec; }; }; };\n"
)
GAIN_IDL = LINE + "IDL: my_msgs/msg/Gain\nmodule my_msgs { module msg { struct Gain { float value; }; }; };\n"
GAIN = b"\0\1\0\0" + np.float32(2.5).tobytes()


def picture(index):
    return messages.image(np.full((60, 80, 3), index, np.uint8), stamp_ns=START_NS + index * STEP_NS, frame_id="c")


def packet(index):
    t = np.arange(100) * 90 + index * 10_000
    events = Events.of(t % 160, t % 120, t, t % 2)
    return encode_event_packet(
        events, encoding="mono", width=160, height=120, stamp_ns=START_NS, frame_id="e", seq=index,
        time_base_us=index * 10_000,
    )  # fmt: skip


def mcap(path, topics, *, profile="ros2", count=COUNT, **options):
    """An MCAP of topics given as (topic, type, schema encoding, schema text, message encoding, payload of index)."""
    with path.open("wb") as out:
        writer = McapWriter(out, **options)
        writer.start(profile=profile)
        channels = []
        for topic, kind, language, text, encoding, make in topics:
            schema = writer.register_schema(kind, language, text.encode())
            channels.append((writer.register_channel(topic, encoding, schema, {"offered_qos_profiles": ""}), make))
        for index in range(count):
            for channel, make in channels:
                writer.add_message(channel, START_NS + index * STEP_NS, make(index), START_NS)
        writer.finish()
    return path


def images(folder, *, plugin=StoragePlugin.MCAP, mode=None, version=9):
    writer = Writer(folder, version=version, storage_plugin=plugin)
    if mode:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/image", IMAGE, typestore=typestore())
        for index in range(COUNT):
            writer.write(connection, START_NS + index * STEP_NS, picture(index))
    return folder


def storage_file(bag):
    return next(path for path in bag.iterdir() if path.name != "metadata.yaml")


def contents(path, **options):
    with open_bag(path, **options) as bag:
        return list(bag.messages())


WHOLE = [("/image", START_NS + index * STEP_NS, picture(index)) for index in range(COUNT)]


# Schemas


@pytest.mark.parametrize("schema", [PACKET_IDL, PACKET_IDL + HEADER_IDL], ids=["header known", "header in the bag"])
def test_events_whose_schema_is_idl_are_read(tmp_path, schema):
    path = mcap(
        tmp_path / "idl.mcap", [("/events", "event_camera_msgs/msg/EventPacket", "ros2idl", schema, "cdr", packet)]
    )
    topic = describe(path)["topics"]["/events"]
    assert (topic["width"], topic["height"], topic["encoding"]) == (160, 120, "mono")
    assert topic["on"] + topic["off"] == 100 * COUNT and not topic["bad_messages"]


def test_schemas_of_both_languages_and_own_types_stand_beside_each_other(tmp_path):
    text = DEFINITIONS["event_camera_msgs/msg/EventPacket"]
    path = mcap(
        tmp_path / "mixed.mcap",
        [
            ("/events", "event_camera_msgs/msg/EventPacket", "ros2msg", text, "cdr", packet),
            ("/gain", "my_msgs/msg/Gain", "ros2idl", GAIN_IDL, "cdr", lambda index: GAIN),
            ("/other", "my_msgs/msg/Other", "ros2msg", "float32 value\n", "cdr", lambda index: GAIN),
        ],
    )
    with open_bag(path) as bag:
        assert bag.event_topics() == ["/events"]
        for topic in ("/gain", "/other"):
            assert next(bag.deserialize(*item[::2]).value for item in bag.messages([topic])) == 2.5


def test_a_bags_own_definition_of_a_known_name_wins(tmp_path):
    text = "float32 threshold\n"
    path = mcap(tmp_path / "own.mcap", [("/l", "vision_msgs/msg/LabelInfo", "ros2msg", text, "cdr", lambda i: GAIN)])
    with open_bag(path) as bag:
        assert next(bag.deserialize(*item[::2]).threshold for item in bag.messages()) == 2.5


def test_topics_of_other_tools_are_left_alone(tmp_path):
    path = mcap(
        tmp_path / "foxglove.mcap",
        [
            ("/events", "event_camera_msgs/msg/EventPacket", "ros2idl", PACKET_IDL, "cdr", packet),
            ("/pose", "foxglove.PoseInFrame", "protobuf", "\n\x12", "protobuf", lambda index: b"\x08\x01"),
            ("/log", "Log", "jsonschema", "{}", "json", lambda index: b"{}"),
        ],
    )
    with open_bag(path) as bag:
        assert bag.event_topics() == ["/events"] and bag.topics["/pose"].count == COUNT
        with pytest.raises(BagError, match=r"/pose is serialized as 'protobuf': cdr and ros1 can be read"):
            bag.deserialize("/pose", b"\x08\x01")


ARRAY = (
    "std_msgs/Header header\nuint32 height\nuint32 width\n{0}/Event[] events\n===\nMSG: {0}/Event\nuint16 x\nuint16 y\n"
)


def test_event_types_of_another_package_are_known_by_the_bags_definition(tmp_path):
    text = ARRAY.format("dv_ros_msgs") + "builtin_interfaces/Time ts\nbool polarity\n"
    odd = ARRAY.format("odd_msgs") + "float64 t\nbool polarity\n"

    def make(index):
        events = Events.of([1, 2], [3, 4], START_NS // 1000 + np.arange(2), [0, 1])
        return encode_event_array(events, width=160, height=120, stamp_ns=START_NS, frame_id="e")

    path = mcap(
        tmp_path / "dv.mcap",
        [
            ("/dv", "dv_ros_msgs/msg/EventArray", "ros2msg", text, "cdr", make),
            ("/odd", "odd_msgs/msg/EventArray", "ros2msg", odd, "cdr", make),
        ],
    )
    content = describe(path)
    assert content["topics"]["/dv"]["on"] == content["topics"]["/dv"]["off"] == COUNT
    assert "not read as events: definition of odd_msgs/msg/EventArray: event ts.sec is None" in as_text(content)


# Quality of service


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "- reliability: best_effort\n  durability: volatile\n  depth: 10\n",
            (OfferedQos("best_effort", "volatile", 10),),
        ),
        ("- {history: 3, depth: 0, reliability: 2, durability: 1}", (OfferedQos("best_effort", "transient_local"),)),
        ("reliability: reliable\ndepth: 5\n", (OfferedQos("reliable", "unknown", 5),)),
        ([{"reliability": "reliable"}], (OfferedQos("reliable"),)),
        ("- history: 1\n  depth: -1\n  reliability: 99\n", (OfferedQos(),)),
        ("/home/robot/qos.yaml", ()),
        ("- {history: 1", ()),
        ("", ()),
        (None, ()),
        (7, ()),
    ],
)
def test_quality_of_service_is_read_as_far_as_it_is_there(value, expected):
    assert parse_qos(value) == expected


@pytest.mark.parametrize(
    "value", ["- reliability: best_effort\n", "reliability: reliable\n", "/home/robot/qos.yaml", "- {history: 1", ""]
)
@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_bag_opens_whatever_its_quality_of_service_says(tmp_path, value, plugin):
    bag = images(tmp_path / "bag", plugin=plugin)
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    topic = content["rosbag2_bagfile_information"]["topics_with_message_count"][0]
    topic["topic_metadata"]["offered_qos_profiles"] = value
    file.write_text(yaml.safe_dump(content))
    assert contents(bag) == WHOLE


# Metadata


@pytest.mark.parametrize("version", range(1, 10))
@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_metadata_of_every_version_is_read(tmp_path, version, plugin):
    """Version history by rosbag2's own metadata_io: what a version does not have yet is taken away."""
    bag = images(tmp_path / "bag", plugin=plugin)
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())["rosbag2_bagfile_information"]
    content["version"] = version
    since = {3: ("compression_format", "compression_mode"), 5: ("files",), 6: ("custom_data",), 8: ("ros_distro",)}
    for first, keys in since.items():
        for key in keys if version < first else ():
            content.pop(key, None)
    topic = content["topics_with_message_count"][0]["topic_metadata"]
    if version < 4:
        del topic["offered_qos_profiles"]
        content["relative_file_paths"] = [f"bag/{name}" for name in content["relative_file_paths"]]
    elif version < 9:
        topic["offered_qos_profiles"] = "- history: 1\n  depth: 10\n  reliability: 2\n  durability: 2\n"
    if version < 7:
        topic.pop("type_description_hash", None)
    file.write_text(yaml.safe_dump({"rosbag2_bagfile_information": content}))
    assert contents(bag) == WHOLE


@pytest.mark.parametrize("schema", [1, 2, 3, 4])
def test_sqlite_files_of_every_version_of_their_tables_are_read(tmp_path, schema):
    path = tmp_path / "old ?#%.db3"
    with sqlite3.connect(path) as base:
        qos = ", offered_qos_profiles TEXT NOT NULL DEFAULT ''" if schema >= 2 else ""
        base.execute(
            f"CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT{qos})"
        )
        base.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)")
        if schema >= 3:
            base.execute("CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL)")
        if schema >= 4:
            base.execute(
                "CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT, encoding TEXT, "
                "encoded_message_definition TEXT, type_description_hash TEXT)"
            )
            base.execute("INSERT INTO message_definitions VALUES(1, ?, 'unknown', '', '')", (IMAGE,))
        base.execute("INSERT INTO topics(id, name, type, serialization_format) VALUES(1, '/image', ?, 'cdr')", (IMAGE,))
        for _, log_ns, payload in WHOLE:
            base.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES(1, ?, ?)", (log_ns, payload))
    base.close()
    assert contents(path) == WHOLE


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_folder_without_metadata_is_read_by_its_files(tmp_path, plugin):
    bag = images(tmp_path / "bag", plugin=plugin)
    (bag / "metadata.yaml").unlink()
    assert contents(bag) == WHOLE


def test_a_folder_with_files_of_both_kinds_needs_its_metadata(tmp_path):
    bag = images(tmp_path / "bag")
    shutil.copy(storage_file(images(tmp_path / "other", plugin=StoragePlugin.SQLITE3)), bag)
    (bag / "metadata.yaml").unlink()
    with pytest.raises(BagError, match=r"holds both \.mcap and \.db3 files"):
        open_bag(bag)


@pytest.mark.parametrize("overlap", [False, True], ids=["one after the other", "overlapping"])
def test_split_files_are_one_bag_in_the_order_of_time(tmp_path, overlap):
    bag = tmp_path / "bag"
    bag.mkdir()
    chosen = (lambda i: i % 2) if overlap else (lambda i: i >= 12)
    for part in (0, 1):
        mine = [item for index, item in enumerate(WHOLE) if chosen(index) == part]
        with (bag / f"bag_{10 - part}.mcap").open("wb") as out:  # the names do not tell the order
            writer = McapWriter(out)
            writer.start(profile="ros2")
            schema = writer.register_schema(IMAGE, "ros2msg", b"")
            channel = writer.register_channel("/image", "cdr", schema)
            for _, log_ns, payload in mine:
                writer.add_message(channel, log_ns, payload, log_ns)
            writer.finish()
    assert contents(bag) == WHOLE
    with open_bag(bag) as opened:
        assert opened.span_ns("/image") == (WHOLE[0][1], WHOLE[-1][1])


# Compression


@pytest.mark.parametrize("mode", list(CompressionMode))
@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("lone", [False, True], ids=["folder", "file alone"])
def test_compression_never_reaches_who_reads(tmp_path, mode, plugin, lone):
    if mode is CompressionMode.STORAGE and plugin is StoragePlugin.SQLITE3:
        pytest.skip("SQLite has no compression of its own")
    bag = images(tmp_path / "bag", plugin=plugin, mode=None if mode is CompressionMode.NONE else mode)
    assert contents(storage_file(bag) if lone else bag) == WHOLE


def test_files_that_were_unpacked_by_hand_are_found_under_their_new_names(tmp_path):
    import zstandard

    bag = images(tmp_path / "bag", mode=CompressionMode.FILE)
    packed = storage_file(bag)
    with packed.open("rb") as source, packed.with_suffix("").open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(source, out)
    packed.unlink()
    assert contents(bag) == WHOLE


def test_a_damaged_compressed_file_names_its_remedy(tmp_path):
    bag = images(tmp_path / "bag", mode=CompressionMode.FILE)
    file = storage_file(bag)
    file.write_bytes(b"no zstd" * 100)
    with pytest.raises(BagError, match=r"cannot be unpacked .*zstd -d"):
        open_bag(file)


def test_another_compression_is_refused_by_name(tmp_path):
    bag = images(tmp_path / "bag", mode=CompressionMode.MESSAGE)
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("compression_format: zstd", "compression_format: lz4"))
    with pytest.raises(BagError, match="is compressed by lz4"):
        open_bag(bag)


@pytest.mark.parametrize("kind", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
@pytest.mark.parametrize("bare", [False, True], ids=["indexed", "without index"])
def test_mcap_files_of_every_make_are_read(tmp_path, kind, bare):
    options = {"compression": kind, "chunk_size": 5000}
    if bare:
        options |= dict.fromkeys(("use_summary_offsets", "use_statistics", "repeat_channels", "repeat_schemas"), False)
    topics = [("/image", IMAGE, "ros2msg", "", "cdr", picture)]
    assert contents(mcap(tmp_path / "a.mcap", topics, profile="" if bare else "ros2", **options)) == WHOLE
    assert contents(mcap(tmp_path / "b.mcap", topics, use_chunking=False, **options)) == WHOLE


# Cuts


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_file_is_refused_with_its_remedy_and_read_up_to_the_cut_where_asked_for(tmp_path, plugin, share, capsys):
    bag = tmp_path / "bag"
    with BagWriter(bag, "mcap" if plugin is StoragePlugin.MCAP else "sqlite3") as writer:
        writer.add_topic("/image", IMAGE)
        noise = np.random.default_rng(1).integers(0, 255, (500, 500, 3), np.uint8)
        for index in range(COUNT):
            stamp_ns = index * STEP_NS
            writer.write("/image", stamp_ns, messages.image(noise, stamp_ns=stamp_ns, frame_id=str(index)))
    file = storage_file(bag)
    whole = contents(file)
    cut = tmp_path / f"cut{file.suffix}"
    cut.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(BagError, match=r"cut short|malformed|damaged") as caught:
        contents(cut)
    assert "--partial" in str(caught.value) and ("mcap recover" in str(caught.value) or cut.suffix == ".db3")
    found = contents(cut, partial=True)
    assert found == whole[: len(found)]
    assert share * COUNT - 5 <= len(found) < COUNT
    assert main(["bag", "info", "--partial", str(cut)]) == 0
    assert f"{len(found)} messages" in capsys.readouterr().out
    with open_bag(cut, partial=True) as opened:
        (line,) = opened.cut
        assert str(cut) in line and str(len(found)) in line


def test_messages_in_a_write_ahead_log_are_not_lost_in_silence(tmp_path):
    file = storage_file(images(tmp_path / "bag", plugin=StoragePlugin.SQLITE3))
    (file.parent / "metadata.yaml").unlink()
    file.with_name(f"{file.name}-wal").write_bytes(b"some frames")
    with pytest.raises(BagError, match="wal_checkpoint"):
        open_bag(file.parent)
    assert contents(file.parent, partial=True) == WHOLE


# ROS 1


def record(fields, data=b""):
    header = b"".join(struct.pack("<I", len(k) + 1 + len(v)) + k.encode() + b"=" + v for k, v in fields.items())
    return struct.pack("<I", len(header)) + header + struct.pack("<I", len(data)) + data


def old_bag(path, count=5):
    text = b"Header header\nuint32 height\nuint32 width\ndv_ros_msgs/Event[] events\n===\nMSG: dv_ros_msgs/Event\n"
    text += b"uint16 x\nuint16 y\ntime ts\nbool polarity\n"
    kind = {"topic": b"/events", "md5": b"0" * 32, "type": b"dv_ros_msgs/EventArray"}
    parts = [b"#ROSBAG V1.2\n", record({"op": b"\x03", "index_pos": bytes(8)})]
    parts.append(record({"op": b"\x01", **kind, "def": text}))
    for index in range(count):
        payload = struct.pack("<IIIII", index, 1000, index, 0, 120) + struct.pack("<II", 160, 1)
        payload += struct.pack("<HHIIB", 3, 4, 1000, index * 1000, 1)
        time = {"sec": struct.pack("<I", 1000), "nsec": struct.pack("<I", index * 1000)}
        parts.append(record({"op": b"\x02", **kind, **time}, payload))
    path.write_bytes(b"".join(parts))
    return path


def test_a_ros1_bag_of_version_1_2_is_read(tmp_path):
    topic = describe(old_bag(tmp_path / "old.bag"))["topics"]["/events"]
    assert (topic["messages"], topic["on"], topic["width"], topic["height"]) == (5, 5, 160, 120)
    assert (topic["first_us"], topic["last_us"]) == (1_000_000_000, 1_000_000_004)


def test_a_cut_ros1_bag_of_version_1_2_names_its_remedy(tmp_path):
    path = old_bag(tmp_path / "old.bag")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BagError, match="rosbag reindex"):
        open_bag(path)


def test_ros1_arrays_of_another_package_are_known_by_the_bags_definition(tmp_path):
    from rosbags.rosbag1 import Writer as Ros1Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    event, array = "dv_ros_msgs/msg/Event", "dv_ros_msgs/msg/EventArray"
    store.register(get_types_from_msg("uint16 x\nuint16 y\ntime ts\nbool polarity\n", event))
    store.register(
        get_types_from_msg("std_msgs/Header header\nuint32 height\nuint32 width\ndv_ros_msgs/Event[] events\n", array)
    )
    types = store.types
    with Ros1Writer(tmp_path / "x.bag") as bag:
        connection = bag.add_connection("/events", array, typestore=store)
        for index in range(5):
            stamp = types["builtin_interfaces/msg/Time"](sec=10**9, nanosec=index * 10**7)
            header = types["std_msgs/msg/Header"](seq=index, stamp=stamp, frame_id="e")
            events = [types[event](x=k, y=k, ts=stamp, polarity=True) for k in range(20)]
            message = types[array](header=header, height=120, width=160, events=events)
            bag.write(connection, 10**18 + index * 10**7, store.serialize_ros1(message, array))
    topic = describe(tmp_path / "x.bag")["topics"]["/events"]
    assert (topic["width"], topic["height"], topic["on"]) == (160, 120, 100)


def test_a_bag_on_a_read_only_disk_leaves_nothing_beside_it(tmp_path):
    for plugin in StoragePlugin:
        bag = images(tmp_path / plugin.name, plugin=plugin)
        before = sorted(path.name for path in bag.iterdir())
        assert contents(bag) == WHOLE
        assert sorted(path.name for path in bag.iterdir()) == before


def test_the_temporary_copy_of_a_compressed_file_goes_with_the_bag(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bag = images(tmp_path / "bag", mode=CompressionMode.FILE)
    with open_bag(bag):
        assert [path for path in tmp_path.iterdir() if path.name.startswith("halsie_ros-bag-")]
    assert [Path(path).name for path in tmp_path.iterdir()] == ["bag"]


def test_an_mcap_of_ros1_messages_is_read(tmp_path):
    text = "Header header\nuint32 height\nuint32 width\ndv_ros_msgs/Event[] events\n===\nMSG: dv_ros_msgs/Event\n"
    text += "uint16 x\nuint16 y\ntime ts\nbool polarity\n"

    def make(index):
        head = struct.pack("<IIIIII", index, 1000, index, 0, 120, 160)
        return head + struct.pack("<IHHIIB", 1, 3, 4, 1000, index * 1000, 1)

    topics = [("/events", "dv_ros_msgs/EventArray", "ros1msg", text, "ros1", make)]
    path = mcap(tmp_path / "ros1.mcap", topics, profile="ros1")
    topic = describe(path)["topics"]["/events"]
    assert (topic["type"], topic["on"], topic["width"]) == ("dv_ros_msgs/msg/EventArray", COUNT, 160)
