"""Damaged bags: what is wrong and what to do in one line, never fewer messages in silence."""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml

from halsie_ros.bags import messages
from halsie_ros.bags.info import describe
from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.writer import BagWriter
from halsie_ros.cli.main import main
from halsie_ros.errors import BagError, HalsieError
from halsie_ros.wire.definitions import IMAGE

PICTURE = np.arange(300, dtype=np.uint8).reshape(10, 30)
COUNT = 40


def write(path, storage="mcap"):
    with BagWriter(path, storage) as writer:
        writer.set_metadata({"sequence": "test"})
        for topic in ("/image", "/other"):
            writer.add_topic(topic, IMAGE)
        for index in range(COUNT):
            for topic in ("/image", "/other"):
                stamp_ns = index * 10_000_000
                writer.write(topic, stamp_ns, messages.image(PICTURE, stamp_ns=stamp_ns, frame_id=""))
    return path


@pytest.fixture
def bag(tmp_path):
    return write(tmp_path / "bag")


def storage_file(bag):
    return next(path for path in bag.iterdir() if path.suffix != ".yaml")


def edited(text, *keys, value):
    """The metadata with one key changed."""
    content = yaml.safe_load(text)
    place = content["rosbag2_bagfile_information"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return yaml.safe_dump(content)


TOPIC = ("topics_with_message_count", 0)
METADATA = {
    "": "is empty",
    "null": "is empty",
    "{[": "is not YAML",
    "- 1\n- 2\n": "has no rosbag2_bagfile_information",
    "rosbag2_bagfile_information: [1]\n": "has no rosbag2_bagfile_information",
    ("version",): [("nine", "has the version 'nine'"), (None, "has the version None"), (12, "metadata of version 12")],
    ("storage_identifier",): [("foo", "storage_identifier = 'foo', not one of mcap, sqlite3"), ([1], r"= \[1\], not")],
    ("relative_file_paths",): [
        (None, "relative_file_paths = nothing, not a list"),
        ([], r"relative_file_paths = \[\], not a list"),
        ([5], r"relative_file_paths = \[5\], not a list"),
        (["gone.mcap"], "lacks gone.mcap, which its metadata.yaml names"),
    ],
    ("duration", "nanoseconds"): [("long", "'long', not nanoseconds"), (float("nan"), "nan, not nanoseconds")],
    ("starting_time",): [(7, "nothing, not nanoseconds"), ({"nanoseconds_since_epoch": -5}, "-5, not nanoseconds")],
    ("message_count",): [("many", "'many', not a count"), (0, "message_count = 0, but 80 messages")],
    ("custom_data",): [(["a"], r"custom_data = \['a'\], not keys and values")],
    ("topics_with_message_count",): [(3, "topics_with_message_count = 3, not a list"), ([3], "topic 0: message_count")],
    (*TOPIC, "message_count"): [(-1, "message_count = -1, not a count")],
    (*TOPIC, "topic_metadata", "name"): [(None, "name = nothing, not a topic's name")],
    (*TOPIC, "topic_metadata", "type"): [(["a"], r"type = \['a'\], not a type")],
    (*TOPIC, "topic_metadata", "serialization_format"): [("cbor", "= 'cbor', not cdr")],
}
CASES = [
    (key, *case) for key, cases in METADATA.items() for case in ([(None, cases)] if isinstance(cases, str) else cases)
]


@pytest.mark.parametrize(("key", "value", "line"), CASES)
def test_damaged_metadata_is_named_with_its_remedy(bag, key, value, line):
    metadata = bag / "metadata.yaml"
    metadata.write_text(key if isinstance(key, str) else edited(metadata.read_text(), *key, value=value))
    with pytest.raises(BagError, match=line) as caught:
        describe(bag)
    message = str(caught.value)
    assert message.startswith(str(bag)) and "\n" not in message
    assert re.search("reindex|copy the whole folder|convert the bag", message)


def test_metadata_that_is_no_text_is_refused(bag):
    (bag / "metadata.yaml").write_bytes(b"\xff\xfe\x00" * 30)
    with pytest.raises(BagError, match=r"is not YAML .*name the file bag\.mcap in it"):
        open_bag(bag)


def test_the_remedy_works_the_storage_file_alone_is_read(bag):
    (bag / "metadata.yaml").write_text("")
    content = describe(storage_file(bag))
    assert content["messages"] == 2 * COUNT and content["topics"]["/image"]["messages"] == COUNT


def test_an_empty_storage_identifier_is_found_by_the_files(bag):
    metadata = bag / "metadata.yaml"
    for empty in (None, ""):
        metadata.write_text(edited(metadata.read_text(), "storage_identifier", value=empty))
        assert describe(bag)["storage"] == "mcap"
    shutil.copy(storage_file(bag), bag / "second.mcap")
    metadata.write_text(edited(metadata.read_text(), "relative_file_paths", value=["bag.mcap", "second.mcap"]))
    content = edited(metadata.read_text(), "topics_with_message_count", value=[])
    metadata.write_text(content)
    with open_bag(bag) as opened:
        assert opened.storage == "mcap" and len(list(opened.messages())) == 4 * COUNT


def test_a_quality_of_service_that_was_edited_in_the_metadata_is_the_bags(bag):
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("depth: 1000", "depth: 7"))
    with open_bag(bag) as b:
        assert len(list(b.messages(["/image"]))) == COUNT
        assert b.topics["/image"].qos[0].depth == 7


def test_fewer_messages_than_the_metadata_promises_is_damage(bag):
    metadata = bag / "metadata.yaml"
    metadata.write_text(edited(metadata.read_text(), "topics_with_message_count", 0, "message_count", value=COUNT + 1))
    with pytest.raises(BagError, match=r"/image has 40 of the 41 messages that metadata.yaml promises"):
        open_bag(bag)


def test_a_hole_in_the_file_is_no_shorter_bag(tmp_path):
    for storage in ("mcap", "sqlite3"):
        bag = write(tmp_path / storage, storage)
        file = storage_file(bag)
        data = bytearray(file.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 8192] = bytes(8192)
        file.write_bytes(data)
        with pytest.raises(BagError, match="damaged") as caught, open_bag(bag) as opened:
            list(opened.messages())
        assert "\n" not in str(caught.value)


def test_a_payload_that_is_no_bytes_is_damage(tmp_path):
    bag = write(tmp_path / "bag", "sqlite3")
    with sqlite3.connect(storage_file(bag)) as connection:
        connection.execute("UPDATE messages SET data = 'text' WHERE id = 21")
    with pytest.raises(BagError, match="damaged after 20 messages"), open_bag(bag) as opened:
        list(opened.messages())


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_random_damage_never_ends_in_a_traceback(tmp_path, storage):
    bag = write(tmp_path / "bag", storage)
    file, rng = storage_file(bag), np.random.default_rng(7)
    whole = np.frombuffer(file.read_bytes(), np.uint8)
    refused = 0
    for round_ in range(30):
        data = whole.copy()
        if round_ % 3:
            places = rng.integers(0, len(data), 1 if round_ % 3 == 1 else 40)
            data[places] = rng.integers(0, 256, len(places))
        else:
            data = data[: rng.integers(0, len(data))]
        file.write_bytes(data.tobytes())
        try:
            describe(bag)
            with open_bag(bag) as opened:
                for topic, _, payload in opened.messages():
                    opened.deserialize(topic, payload)
        except HalsieError as error:
            refused += 1
            assert "\n" not in str(error) and str(bag) in str(error)
    assert refused >= 10, "cuts at least are found"


@pytest.mark.parametrize("name", ["metadata.yaml", "bag.mcap"])
def test_a_file_that_is_not_ours_to_read_is_not_called_damaged(bag, name, monkeypatch):
    (bag / name).chmod(0)
    opened = Path.open

    def refuse(path, *args, **kwargs):  # root may read everything
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BagError, match=f"{bag}/{name} cannot be read .Permission denied.: check its permissions"):
        open_bag(bag)


def test_every_command_on_a_bag_says_the_same_of_a_damaged_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bag = write(tmp_path / "bag")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.bag").write_bytes(b"")
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:5000])
    commands = (["bag", "info"], ["demo", "--bag"], ["evaluate", "segmentation", "--bag"])
    for name, line in {
        "bag": "damaged or cut short",
        "empty": "no rosbag2 folder",
        "file.bag": "damaged or cut",
    }.items():
        for command in commands:
            assert main([*command, str(tmp_path / name)]) == 1
            error = capsys.readouterr().err
            assert line in error and name in error and error.count("\n") == 1, command
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "empty", "file.bag"]


def test_a_rate_is_that_of_the_topics_own_span(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        for topic in ("/long", "/late", "/early", "/once", "/never"):
            writer.add_topic(topic, IMAGE)
        for stamp_ms in range(0, 20_001, 100):
            topics = ["/long"]
            topics += (
                ["/late"] * (stamp_ms >= 15_000) + ["/early"] * (stamp_ms <= 1000) + ["/once"] * (stamp_ms == 5000)
            )
            for topic in topics:
                writer.write(topic, stamp_ms * 1_000_000, messages.image(PICTURE, stamp_ns=0, frame_id=""))
    topics = describe(tmp_path / "bag")["topics"]
    rates = {name: topic["rate_hz"] for name, topic in topics.items()}
    assert rates == pytest.approx({"/long": 10, "/late": 10, "/early": 10, "/once": 0, "/never": 0})
