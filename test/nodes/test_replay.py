"""`halsie bag replay` as a critical user meets it: a process of its own, everything over DDS."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest
import yaml
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from halsie_ros.bags import messages
from halsie_ros.bags.writer import BagWriter
from halsie_ros.errors import HalsieError
from halsie_ros.nodes.replay import ReplayOptions
from halsie_ros.wire.definitions import IMAGE, STRING

PERIOD_NS = 20_000_000
START_NS = 1_000_000_000_000
PICTURE = np.zeros((4, 6), np.uint8)


def write(path, count=20, topics=("/image",), payload=None, start_ns=START_NS):
    with BagWriter(path) as writer:
        for topic in topics:
            writer.add_topic(topic, IMAGE)
        for index in range(count):
            stamp_ns = start_ns + index * PERIOD_NS
            for topic in topics:
                data = messages.image(PICTURE, stamp_ns=stamp_ns, frame_id="eye") if payload is None else payload
                writer.write(topic, stamp_ns, data)
    return path


def write_foreign(path, topics):
    """A bag by other hands: (topic, type, payload) with a message each; the types need not exist here."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, kind, payload in topics:
            connection = writer.add_connection(topic, kind, msgdef="uint8 x\n", rihs01="RIHS01_" + "0" * 64)
            for index in range(3):
                writer.write(connection, START_NS + index * PERIOD_NS, payload)
    return path


def replaying(start, bag, *options):
    return start("-m", "halsie_ros.cli.main", "bag", "replay", bag, *options)


def listen(probe, topic="/image", message_type=Image, depth=1000):
    heard = []
    probe.node.create_subscription(message_type, topic, heard.append, depth)
    return heard


@pytest.fixture(scope="module")
def refused(start_shared, tmp_path_factory):
    """What must be refused, all started at once: it is waiting that costs."""
    folder = tmp_path_factory.mktemp("bags")
    whole, empty = write(folder / "whole"), write(folder / "empty", 0)
    foreign = write_foreign(folder / "foreign", [("/x", "nobodys_msgs/msg/Thing", b"\0\1\0\0\5")])
    hostile = write_foreign(folder / "hostile", [("/x", "this/../msg/Thing", b""), ("/no good", IMAGE, b"")])
    cut = write(folder / "cut", 2000)
    data = bytearray((cut / "cut.mcap").read_bytes())
    data[20_000:60_000] = bytes(40_000)
    (cut / "cut.mcap").write_bytes(data)
    cases = {
        "missing bag": ([folder / "nowhere"], "nowhere does not exist: name a rosbag2 folder"),
        "bag without a message": ([empty], "holds no message: there is nothing to replay"),
        "types of nobody": ([foreign], "no message that can be replayed here (/x: nobodys_msgs/msg/Thing is not"),
        "names of nobody": ([hostile], "'this/../msg/Thing' is no message type; /no good: it cannot be published"),
        "damaged bag": ([cut, "--rate", 1000], "damaged"),
        "other topic": ([whole, "--wait", "/pictures"], "cannot wait for /pictures: it replays /image"),
        "nobody there": (
            [whole, "--wait", "image", "--timeout", 0.5],
            "nobody subscribed to /image within 0.5 s: start",
        ),
    }
    return {name: (replaying(start_shared, *words), line) for name, (words, line) in cases.items()}


CASES = (
    "missing bag", "bag without a message", "types of nobody", "names of nobody", "damaged bag", "other topic",
    "nobody there",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_replayed_is_one_line(refused, case):
    process, line = refused[case]
    assert process.wait(60) == 1
    said = [text for text in process.output.splitlines() if text.startswith("halsie bag: ")]
    assert len(said) == 1 and line in said[0] and "Traceback" not in process.output, process.output


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ({"rate": float("nan")}, "rate nan: give 0.01 to 1000, 1.0 = as recorded"),
        ({"rate": 0.0}, "rate 0: give 0.01 to 1000"),
        ({"rate": -1.0}, "rate -1: give 0.01 to 1000"),
        ({"rate": 1e-9}, "rate 1e-09: give 0.01 to 1000"),
        ({"rate": float("inf")}, "rate inf: give 0.01 to 1000"),
        ({"timeout_s": float("nan")}, "timeout nan s: give 0 to 3600"),
        ({"timeout_s": -1.0}, "timeout -1 s: give 0 to 3600"),
        ({"sent": "."}, ". is a folder: name a file in it"),
        ({"sent": __file__ + "/x"}, "test_replay.py is no folder, choose another place"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(option, line, tmp_path):
    with pytest.raises(HalsieError, match=re.escape(line)):
        ReplayOptions(tmp_path, **option)


def test_topics_of_unknown_types_are_left_out_and_named(start, probe, tmp_path):
    image = messages.image(PICTURE, stamp_ns=5, frame_id="eye")
    bag = write_foreign(tmp_path / "bag", [("/image", IMAGE, image), ("/x", "nobodys_msgs/msg/Thing", b"\0\1\0\0")])
    heard = listen(probe)
    process = replaying(start, bag, "--wait", "/image", "--json", tmp_path / "out.json")
    assert process.wait() == 0, process.output
    probe.spin_until(lambda: len(heard) == 3)
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["published"] == {"/image": 3} and result["complete"]
    assert "nobodys_msgs/msg/Thing is not installed: apt install" in result["skipped"]["/x"]
    assert "/x is not replayed" in process.output and "3 messages on 1 topics in 1 round" in process.output


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_replay_stopped_in_the_middle_says_how_far_it_came(start, probe, tmp_path, number, times):
    bag, heard = write(tmp_path / "bag", 3000), listen(probe)
    words = ["--wait", "/image", "--json", tmp_path / "out.json", "--sent", tmp_path / "sent.json"]
    process = replaying(start, bag, *words)
    probe.spin_until(lambda: len(heard) > 5)
    assert process.stop(number, times) == 0, process.output
    result = json.loads((tmp_path / "out.json").read_text())
    assert not result["complete"] and 5 < result["published"]["/image"] < 3000
    assert len(json.loads((tmp_path / "sent.json").read_text())) == result["published"]["/image"]
    assert process.output.endswith("ms late, stopped before its end\n") and process.output.count("\n") == 1


def test_a_replay_is_stopped_while_it_waits(start, probe, tmp_path):
    process = replaying(start, write(tmp_path / "bag"), "--wait", "/image")
    probe.spin_until(lambda: probe.node.count_publishers("/image"), 60.0)
    assert process.popen.poll() is None
    assert process.stop(signal.SIGINT, 2) == 0 and process.output == ""


def test_the_clock_is_the_bags_and_only_ours(start, probe, tmp_path):
    bag = tmp_path / "bag"
    with BagWriter(bag) as writer:
        writer.add_topic("/clock", "rosgraph_msgs/msg/Clock")
        writer.add_topic("/image", IMAGE)
        for index in range(20):
            stamp_ns = START_NS + index * PERIOD_NS
            clock = messages.serialize("rosgraph_msgs/msg/Clock", clock=messages.time_of(7))
            writer.write("/clock", stamp_ns, clock)
            writer.write("/image", stamp_ns, messages.image(PICTURE, stamp_ns=stamp_ns, frame_id=""))
    clocks, images = listen(probe, "/clock", Clock), listen(probe)
    process = replaying(start, bag, "--clock", "--wait", "/image", "--json", tmp_path / "out.json")
    probe.spin_until(lambda: len(images) == 20)
    assert process.wait() == 0, process.output
    told = [message.clock.sec * 1_000_000_000 + message.clock.nanosec for message in clocks]
    assert told[-1] == START_NS + 19 * PERIOD_NS and told == list(range(told[0], told[-1] + 1, 10_000_000))
    assert "the clock is made here" in json.loads((tmp_path / "out.json").read_text())["skipped"]["/clock"]


def test_two_replays_of_one_bag_are_both_whole_and_say_that_they_mix(start, probe, tmp_path):
    bag, heard = write(tmp_path / "bag", 100), listen(probe)
    both = [replaying(start, bag, "--wait", "/image") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    probe.spin_until(lambda: len(heard) == 200)
    assert any("others publish /image too: subscribers get both, mixed" in process.output for process in both)


def test_metadata_that_begins_ages_before_the_first_message_does_not_delay_it(start, probe, tmp_path):
    bag, heard = write(tmp_path / "bag", 3), listen(probe)
    metadata = bag / "metadata.yaml"
    content = yaml.safe_load(metadata.read_text())
    content["rosbag2_bagfile_information"]["starting_time"]["nanoseconds_since_epoch"] = 0
    metadata.write_text(yaml.safe_dump(content))
    process = replaying(start, bag, "--wait", "/image")
    assert process.wait() == 0, process.output
    probe.spin_until(lambda: len(heard) == 3)


def test_damaged_payloads_are_sent_as_they_are(start, tmp_path):
    bag = write(tmp_path / "bag", 5, payload=b"\0\1\0")
    process = replaying(start, bag, "--sent", tmp_path / "sent.json", "--json", tmp_path / "out.json")
    assert process.wait() == 0, process.output
    assert json.loads((tmp_path / "sent.json").read_text()) == {}
    assert json.loads((tmp_path / "out.json").read_text())["published"] == {"/image": 5}


def test_a_loop_goes_round_until_it_is_stopped(start, probe, tmp_path):
    heard = listen(probe)
    process = replaying(
        start, write(tmp_path / "bag", 5), "--loop", "--wait", "/image", "--json", tmp_path / "out.json"
    )
    probe.spin_until(lambda: len(heard) > 12)
    assert process.stop(signal.SIGINT) == 0
    assert json.loads((tmp_path / "out.json").read_text())["rounds"] >= 3


def test_latched_topics_reach_who_comes_late(start, probe, tmp_path):
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from std_msgs.msg import String

    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/metadata", STRING, latched=True)
        writer.add_topic("/image", IMAGE)
        writer.write("/metadata", START_NS, messages.text("here"))
        for index in range(1000):
            stamp_ns = START_NS + index * PERIOD_NS
            writer.write("/image", stamp_ns, messages.image(PICTURE, stamp_ns=stamp_ns, frame_id=""))
    images = listen(probe)
    process = replaying(start, tmp_path / "bag", "--wait", "/image")
    probe.spin_until(lambda: len(images) > 10)
    late = listen(probe, "/metadata", String, QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    probe.spin_until(lambda: late)
    assert late[0].data == "here" and process.stop() == 0
