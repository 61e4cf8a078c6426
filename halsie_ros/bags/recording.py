"""A bag as perception sees it: frames, events in host time, and truth where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halsie_ros.bags.reader import BagReader, open_bag
from halsie_ros.errors import BagError, CodecError
from halsie_ros.events import Events
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.messages import MESSAGE_TYPES, EventTopicDecoder
from halsie_ros.pictures.image_message import ImageConverter
from halsie_ros.wire.definitions import (
    CAMERA_INFO,
    CLASSIFICATION,
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    FFMPEG_PACKET,
    IMAGE,
    LABEL_INFO,
)
from halsie_ros.wire.layout import stamp_ns_of
from halsie_ros.wire.stamps import stamp_to_ns

TRUTH_TOPIC = "/ground_truth/mask"
ACTION_TRUTH_TOPIC = "/ground_truth/action"
_NO_CAMERA = ("ground_truth", "depth", "segmentation/")


@dataclass(frozen=True)
class PerceptionTopics:
    """Where a bag holds what perception needs.

    Attributes:
        images: camera pictures, raw or compressed.
        events: packets or arrays of events.
        truth: mono8 masks; None where there are none.
        truth_info: what the ids of `truth` mean (LabelInfo); None where nothing says it.
        packets: encoded video; None where there is none.
        calibrations: CameraInfo topics: "camera_info" and "event_camera_info", as far as they are there.
    """

    images: str
    events: str
    truth: str | None
    truth_info: str | None
    packets: str | None
    calibrations: dict[str, str]


def perception_topics(
    bag: BagReader, *, images: str | None = None, events: str | None = None, truth: str = TRUTH_TOPIC
) -> PerceptionTopics:
    """Finds topics by type; the one with most messages is taken where several are there.

    Labels, depth and what the package itself publishes are no camera.

    Args:
        bag: an open one.
        images: instead of the topic found.
        events: instead of the topic found.
        truth: where masks would be.

    Raises:
        BagError: no images or no events.
    """
    pictures = bag.topics_of(IMAGE, COMPRESSED_IMAGE)
    cameras = [name for name in pictures if name != truth and not any(word in name for word in _NO_CAMERA)]
    chosen = _choose(bag, images, cameras, pictures, "images (sensor_msgs/Image or CompressedImage)")
    streams = bag.event_topics()
    stream = _choose(bag, events, streams, streams, f"events ({', '.join(MESSAGE_TYPES)})")
    known = {"camera_info": chosen, "event_camera_info": stream}
    found = {name: _nearest(bag.topics_of(CAMERA_INFO), topic) for name, topic in known.items()}
    packets = bag.topics_of(FFMPEG_PACKET, COMPRESSED_VIDEO)
    return PerceptionTopics(
        chosen,
        stream,
        truth if truth in bag.topics else None,
        _nearest(bag.topics_of(LABEL_INFO), truth),
        packets[0] if packets else None,
        {name: topic for name, topic in found.items() if topic is not None},
    )


def _choose(bag: BagReader, asked: str | None, found: list[str], allowed: list[str], what: str) -> str:
    if asked is not None and asked in allowed:
        return asked
    if asked is None and found:
        return found[0]
    held = ", ".join(f"{name} ({topic.type})" for name, topic in sorted(bag.topics.items())) or "nothing"
    raise BagError(f"{bag.path} has no {what}{f' on {asked}' if asked else ''}: it holds {held}")


def _nearest(names: list[str], topic: str) -> str | None:
    """The one in the topic's namespace, or the nearest one above it; None where there is none.

    Example: for /camera/image_raw/compressed that is /camera/camera_info.
    """
    spaces = [topic.rsplit("/", depth)[0] for depth in range(1, topic.count("/"))]
    return next((name for space in spaces for name in names if name.rpartition("/")[0] == space), None)


class Recording:
    """The frames, events and truth of a bag, found by `perception_topics`.

    Args:
        path: the bag.
        image_topic: instead of the one found.
        events_topic: instead of the one found.
        truth_topic: mono8 masks; used where the bag holds it.

    Attributes:
        image_topic: where the frames are.
        events_topic: where the events are.
        truth_topic: where the truth is, None where there is none.
        packets_topic: where encoded video is, None where there is none.
        actions: (stamp in ns, name) of each action that the bag's truth tells, in order; it lasts until the next.
        end_ns: log time of the bag's last message.
        bad_messages: messages that could not be decoded and were passed over.

    Raises:
        BagError: no bag, or it holds no images or no events.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        image_topic: str | None = None,
        events_topic: str | None = None,
        truth_topic: str = TRUTH_TOPIC,
    ) -> None:
        self.path = Path(path)
        self.bad_messages = 0
        self._convert = ImageConverter()
        with open_bag(path) as bag:
            topics = perception_topics(bag, images=image_topic, events=events_topic, truth=truth_topic)
            self.image_topic, self.events_topic, self.truth_topic = topics.images, topics.events, topics.truth
            self.packets_topic = topics.packets
            self.end_ns = bag.end_ns
            self.actions = self._read_actions(bag)

    def _read_actions(self, bag: BagReader) -> list[tuple[int, str]]:
        if ACTION_TRUTH_TOPIC not in bag.topics or bag.topics[ACTION_TRUTH_TOPIC].type != CLASSIFICATION:
            return []
        found = []
        for topic, _, payload in bag.messages([ACTION_TRUTH_TOPIC]):
            try:
                results = bag.deserialize(topic, payload).results
                found.append((stamp_ns_of(payload), results[0].class_id))
            except (BagError, CodecError, IndexError):
                self.bad_messages += 1
        return found

    def frame_stamps(self) -> list[int]:
        """Stamps of all frames in ns, in the order of the bag."""
        stamps = []
        with open_bag(self.path) as bag:
            if bag.topics[self.image_topic].serialization != "cdr":
                return [stamp_ns for stamp_ns, _ in self.frames()]
            for _, _, payload in bag.messages([self.image_topic]):
                try:
                    stamps.append(stamp_ns_of(payload))
                except CodecError:
                    self.bad_messages += 1
        return stamps

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """(stamp in ns, ``(H, W, 3)`` RGB or ``(H, W)`` grey); bad messages are counted and passed over."""
        return self._images(self.image_topic)

    def truth(self) -> Iterator[tuple[int, np.ndarray]]:
        """(stamp in ns, mask ``(H, W) uint8``); nothing where the bag has no truth."""
        return self._images(self.truth_topic) if self.truth_topic else iter(())

    def _images(self, topic: str) -> Iterator[tuple[int, np.ndarray]]:
        with open_bag(self.path) as bag:
            for _, _, payload in bag.messages([topic]):
                try:
                    message = bag.deserialize(topic, payload)
                    picture = self._convert.convert(message)
                except (BagError, CodecError):
                    self.bad_messages += 1
                    continue
                yield stamp_to_ns(message.header.stamp), picture

    def events(self) -> Iterator[Events]:
        """The events message by message, times in microseconds of the host's clock, as the node would map them."""
        with open_bag(self.path) as bag:
            topic = bag.topics[self.events_topic]
            decoder = EventTopicDecoder(topic.type, serialization=topic.serialization, definition=topic.definition)
            clock = SensorClock()
            for _, log_ns, payload in bag.messages([self.events_topic]):
                try:
                    yield clock.localize(decoder.push(payload, log_ns))[0].events
                except CodecError:
                    self.bad_messages += 1

    def windows(self, ends_us: list[int], length_us: int) -> Iterator[Events]:
        """For each of the ascending times the events of the ``length_us`` before it, ``(end - length, end]``."""
        kept: list[Events] = []
        stream = self.events()
        newest_us = -1
        for end_us in ends_us:
            while newest_us <= end_us and (part := next(stream, None)) is not None:
                if len(part):
                    kept.append(part)
                    newest_us = int(part.t_us[-1])
            kept = [part for part in kept if int(part.t_us[-1]) > end_us - length_us]
            yield Events.concatenate(kept).between(end_us - length_us, end_us)
