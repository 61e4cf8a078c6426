"""A bag as perception sees it, with messages in it that are none."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.bags import messages
from halsie_ros.bags.recording import ACTION_TRUTH_TOPIC, Recording
from halsie_ros.bags.writer import BagWriter
from halsie_ros.errors import BagError
from halsie_ros.events import Events
from halsie_ros.events.messages import encode_event_packet
from halsie_ros.wire.definitions import CLASSIFICATION, IMAGE, STRING

PICTURE = np.full((4, 6), 7, np.uint8)
MS = 1_000_000


def action(stamp_ns, *names):
    results = [messages.message("vision_msgs/msg/ObjectHypothesis", class_id=name, score=1.0) for name in names]
    return messages.serialize(CLASSIFICATION, header=messages.header(stamp_ns, ""), results=results)


def write(path, broken=(), action_type=CLASSIFICATION):
    """Three pictures, packets and actions; `broken` payloads stand between them on every topic."""
    packet = {"encoding": "evt3", "width": 6, "height": 4, "frame_id": ""}
    with BagWriter(path) as writer:
        writer.add_topic("/image", IMAGE)
        writer.add_topic("/events", "event_camera_msgs/msg/EventPacket")
        writer.add_topic(ACTION_TRUTH_TOPIC, action_type)
        for index in range(3):
            stamp_ns = 1_000_000_000 + index * 10 * MS
            events = Events.of([1, 2], [1, 2], [stamp_ns // 1000, stamp_ns // 1000 + 5], [1, 0])
            writer.write("/image", stamp_ns, messages.image(PICTURE, stamp_ns=stamp_ns, frame_id=""))
            writer.write("/events", stamp_ns, encode_event_packet(events, stamp_ns=stamp_ns, seq=index, **packet))
            text = messages.text("clap")
            writer.write(ACTION_TRUTH_TOPIC, stamp_ns, text if action_type == STRING else action(stamp_ns, "clap"))
            for number, payload in enumerate(broken, 1):
                for topic in ("/image", "/events", ACTION_TRUTH_TOPIC):
                    writer.write(topic, stamp_ns + number * MS, payload)
    return path


def test_messages_that_are_none_are_counted_and_passed_over(tmp_path):
    recording = Recording(write(tmp_path / "bag", [b"", b"\0\1\0", b"\0\1\0\0" + b"\xff" * 60]))
    assert recording.actions == [(1_000_000_000 + index * 10 * MS, "clap") for index in range(3)]
    assert recording.bad_messages == 9
    assert sum(len(part) for part in recording.events()) == 6
    assert [stamp for stamp, _ in recording.frames()] == [1_000_000_000 + index * 10 * MS for index in range(3)]
    assert recording.bad_messages == 9 + 9 + 9


def test_an_action_without_a_name_and_a_topic_of_another_type_are_no_truth(tmp_path):
    assert len(Recording(write(tmp_path / "bag", [action(5)])).actions) == 3
    assert Recording(write(tmp_path / "other", action_type=STRING)).actions == []


def test_stamps_are_those_of_the_pictures_that_have_one(tmp_path):
    recording = Recording(write(tmp_path / "bag", [b"", b"\0\1\0\0\1"]))
    assert recording.frame_stamps() == [1_000_000_000 + index * 10 * MS for index in range(3)]


def test_a_topic_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(BagError, match=r"has no images .* on /pictures: it holds .*/image \(sensor_msgs/msg/Image\)"):
        Recording(write(tmp_path / "bag"), image_topic="/pictures")
