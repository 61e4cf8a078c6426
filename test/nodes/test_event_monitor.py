"""The monitor as its own process, the publisher in the test's: every message crosses DDS."""

import signal

import numpy as np
import pytest
from dvs_msgs.msg import EventArray
from event_camera_msgs.msg import EventPacket
from std_msgs.msg import String

from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.writer import BagWriter
from halsie_ros.cli.main import main as halsie
from halsie_ros.events import Events
from halsie_ros.events.messages import encode_event_array, encode_event_packet

NAME = "event_monitor: events"


@pytest.fixture
def monitor(start, probe):
    process = start("-m", "halsie_ros.nodes.event_monitor", "--ros-args", "-p", "timeout_ms:=60000.0")
    probe.spin_until(lambda: NAME in probe.diagnostics)
    return process


def packet(seq, count=100, **changes):
    events = Events.of(
        np.arange(count) % 24, np.arange(count) % 16, 1000 * seq + np.arange(count), np.arange(count) % 4
    )
    fields = {"encoding": "evt3", "width": 24, "height": 16, "stamp_ns": seq * 1_000_000, "frame_id": "eye", "seq": seq}
    return encode_event_packet(events, **(fields | changes))


def test_every_packet_is_counted_and_gaps_and_damage_are_told(monitor, probe):
    publisher = probe.publisher(EventPacket, "events")
    for seq in (0, 1, 2, 5, 6):
        publisher.publish(packet(seq))
    publisher.publish(packet(7).replace(b"evt3", b"evt9"))
    publisher.publish(packet(8)[:60])
    publisher.publish(packet(8))
    probe.spin_until(lambda: probe.diagnostics[NAME].get("messages") == "6")
    told = probe.diagnostics[NAME]
    assert (told["type"], told["encoding"]) == ("event_camera_msgs/msg/EventPacket", "evt3")
    assert (told["width"], told["height"], told["events"]) == ("24", "16", "600")
    assert (told["on"], told["off"], told["triggers"]) == ("450", "150", "0")
    assert (told["dropped_bad_event_message"], told["dropped_lost_event_message"]) == ("2", "3")
    assert told["level"] == 1 and "bad_event_message" in told["message"]  # those since the status before
    probe.spin_until(lambda: probe.diagnostics[NAME]["level"] == 0)
    assert monitor.stop(signal.SIGTERM, 2) == 0
    assert "evt9" in monitor.output and "Traceback" not in monitor.output


def test_event_arrays_are_found_by_their_type(monitor, probe):
    publisher = probe.publisher(EventArray, "events")
    events = Events.of([1, 2, 3], [4, 5, 6], [10, 20, 30], [1, 0, 1])
    publisher.publish(encode_event_array(events, width=24, height=16, stamp_ns=0, frame_id="eye"))
    probe.spin_until(lambda: probe.diagnostics[NAME].get("messages") == "1")
    assert probe.diagnostics[NAME]["type"] == "dvs_msgs/msg/EventArray"
    assert (probe.diagnostics[NAME]["on"], probe.diagnostics[NAME]["off"]) == ("2", "1")
    assert monitor.stop(signal.SIGINT, 2) == 0


def test_a_topic_of_another_type_is_one_error_that_names_the_right_ones(monitor, probe):
    assert probe.diagnostics[NAME]["level"] == 3 and "nobody publishes" in probe.diagnostics[NAME]["message"]
    probe.node.create_publisher(String, "events", 1)
    probe.spin_until(lambda: probe.diagnostics[NAME]["level"] == 2)
    assert "std_msgs/msg/String" in probe.diagnostics[NAME]["message"]
    assert "event_camera_msgs/msg/EventPacket" in probe.diagnostics[NAME]["message"]


def test_a_bad_parameter_is_one_line(start):
    process = start("-m", "halsie_ros.nodes.event_monitor", "--ros-args", "-p", "timeout_ms:=-1.0")
    assert process.wait() == 1
    assert process.output == "event_monitor: parameter timeout_ms is -1.0: give a value from 1 to 60000\n"


def replay(start, bag, *options):
    process = start("-m", "halsie_ros.cli.main", "bag", "replay", bag, "--wait", "/event_camera/events", *options)
    assert process.wait(60) == 0, process.output


@pytest.fixture
def listening(start, probe):
    """The monitor on the topic that our bags use."""
    words = ["-r", "events:=/event_camera/events", "-p", "timeout_ms:=60000.0"]
    process = start("-m", "halsie_ros.nodes.event_monitor", "--ros-args", *words)
    probe.spin_until(lambda: NAME in probe.diagnostics)
    return process


def test_a_replay_of_the_slider_recording_arrives_whole(start, listening, probe, shared_data, tmp_path):
    bag = tmp_path / "slider"
    assert halsie(["bag", "build", "rpg", str(shared_data / "events" / "rpg_slider_depth"), str(bag)]) == 0
    with open_bag(bag) as reader:
        messages = reader.topics["/event_camera/events"].count
    replay(start, bag)
    probe.spin_until(lambda: probe.diagnostics[NAME]["messages"] == str(messages))
    told = probe.diagnostics[NAME]
    assert (told["events"], told["width"], told["height"]) == ("50000", "240", "180")
    assert int(told["on"]) + int(told["off"]) == 50000
    assert (told["dropped_bad_event_message"], told["dropped_lost_event_message"]) == ("0", "0")
    assert listening.stop(signal.SIGTERM, 2) == 0


def test_a_replay_of_event_arrays_from_a_sqlite_bag_arrives_whole(start, listening, probe, tmp_path):
    bag = tmp_path / "arrays"
    with BagWriter(bag, "sqlite3") as writer:
        writer.add_topic("/event_camera/events", "dvs_msgs/msg/EventArray")
        n = np.arange(200)
        for k in range(60):
            events = Events.of(n % 24, n % 16, 5_000_000 + 5000 * k + n, n % 2)
            stamp_ns = (5_000_000 + 5000 * k) * 1000
            payload = encode_event_array(events, width=24, height=16, stamp_ns=stamp_ns, frame_id="eye")
            writer.write("/event_camera/events", stamp_ns, payload)
    replay(start, bag)
    probe.spin_until(lambda: probe.diagnostics[NAME]["messages"] == "60")
    told = probe.diagnostics[NAME]
    assert (told["events"], told["on"], told["off"]) == ("12000", "6000", "6000")
