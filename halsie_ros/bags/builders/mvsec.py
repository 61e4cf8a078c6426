"""`halsie bag build mvsec SRC DST`: one MVSEC sequence from its HDF5 files, or from its own ROS 1 bags."""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.bags import messages
from halsie_ros.bags.builders.common import (
    CAMERA_INFO_TOPIC,
    FRAME_ID,
    IMAGE_TOPIC,
    EventTopic,
    Progress,
    add_bag_arguments,
    write_camera_info,
    write_static,
)
from halsie_ros.bags.builders.sequence import (
    DEPTH_TOPIC,
    IMU_TOPIC,
    POSE_TOPIC,
    add_span_arguments,
    span_of,
    write_sequence,
)
from halsie_ros.bags.reader import BagReader, open_bag
from halsie_ros.bags.writer import BagWriter
from halsie_ros.datasets.base import Calibration
from halsie_ros.datasets.recordings.mvsec import HEIGHT, WIDTH, MvsecSequence
from halsie_ros.errors import CodecError, DatasetError
from halsie_ros.events.messages import EventTopicDecoder
from halsie_ros.wire.definitions import CAMERA_INFO, IMAGE, IMU
from halsie_ros.wire.stamps import stamp_to_ns

EVENTS = "/davis/left/events"
Write = Callable[[BagWriter, int, Any], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kind's arguments."""
    add_bag_arguments(parser, source=True)
    add_span_arguments(parser)
    parser.add_argument("--labels", type=Path, metavar="DIR", help="folder of pseudo-label PNGs (HDF5 only)")


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag; returns a summary (see `write_sequence`).

    Raises:
        DatasetError: SRC is neither ``<name>_data.hdf5`` nor ``<name>_data.bag``, or is damaged.
        BagError: the destination exists or the disk is full.
    """
    source: Path = args.source
    if not source.exists():
        raise DatasetError(f"{source} does not exist: name <sequence>_data.hdf5 or <sequence>_data.bag of MVSEC")
    if source.suffix == ".bag":
        return _convert(args)
    if source.suffix != ".hdf5" or not source.stem.endswith("_data"):
        raise DatasetError(f"{source}: name <sequence>_data.hdf5 or <sequence>_data.bag of MVSEC")
    sequence = MvsecSequence(source.parent, source.stem.removesuffix("_data"), labels=args.labels)
    return write_sequence(sequence, args, source="MVSEC", labels=args.labels is not None)


def _convert(args: argparse.Namespace) -> dict[str, Any]:
    """MVSEC's ROS 1 bag, with the ground truth's beside it, message by message."""
    paths = [args.source]
    truth = args.source.with_name(args.source.name.replace("_data.bag", "_gt.bag"))
    if truth != args.source and truth.exists():
        paths.append(truth)
    name = args.source.stem.removesuffix("_data")
    metadata = {"source": "MVSEC, ROS 1 bag", "sequence": name, "licence": MvsecSequence.licence}
    bags = [open_bag(path) for path in paths]
    try:
        if EVENTS not in bags[0].topics or bags[0].storage != "ros1":
            raise DatasetError(f"{args.source} has no {EVENTS}: it holds {', '.join(sorted(bags[0].topics))}")
        for bag in bags:
            _check_types(bag)
        first_us, last_us = bags[0].start_ns // 1000, bags[0].end_ns // 1000
        start_us, stop_us = span_of(args, first_us, last_us, name)
        span_us = max(start_us, first_us), min(stop_us, last_us + 1)
        share = (span_us[1] - span_us[0]) / max(last_us - first_us, 1)
        needed = int(2 * share * sum(path.stat().st_size for path in paths))
        with (
            BagWriter(args.destination, args.storage, needed_bytes=needed) as writer,
            Progress(name, span_us[1] - span_us[0]) as progress,
        ):
            summary = _write(args, bags, writer, metadata, span_us, progress)
            if not summary["events"]:
                raise DatasetError(f"{args.source}: no events in the chosen span: give another --start or --duration")
            return summary
    finally:
        for bag in bags:
            bag.__exit__()


def _check_types(bag: BagReader) -> None:
    for topic, (_, kind, _) in _WRITERS.items():
        if topic in bag.topics and bag.topics[topic].type != kind:
            raise DatasetError(f"{bag.path}: {topic} is of type {bag.topics[topic].type}, MVSEC's own is {kind}")


def _write(
    args: argparse.Namespace,
    bags: list[BagReader],
    writer: BagWriter,
    metadata: dict[str, str],
    span_us: tuple[int, int],
    progress: Progress,
) -> dict[str, Any]:
    write_static(writer, span_us[0], metadata)
    info = bags[0].topics[EVENTS]
    decoder = EventTopicDecoder(info.type, serialization="ros1", definition=info.definition)
    topic = EventTopic(writer, args.events, WIDTH, HEIGHT)
    counts = {"frames": 0, "imu": 0, "depth": 0, "poses": 0}
    last_us, last_ns = 0, span_us[0] * 1000
    streams = [((log_ns, index, *rest) for rest, log_ns in _by_time(bag)) for index, bag in enumerate(bags)]
    for log_ns, index, name, payload in heapq.merge(*streams, key=lambda item: item[:2]):
        if log_ns < span_us[0] * 1000:
            continue
        if log_ns > span_us[1] * 1000:
            break
        try:
            if name == EVENTS:
                events = decoder.push(payload, log_ns).events
                last_us = max(last_us, int(events.t_us[-1]) if len(events) else 0)
                topic.push(events, last_us, log_ns)
            else:
                kind, _, write = _WRITERS[name]
                write(writer, log_ns, bags[index].deserialize(name, payload))
                if kind:
                    counts[kind] += 1
        except CodecError as error:
            raise DatasetError(f"{bags[index].path}: bad message on {name} logged at {log_ns} ns: {error}") from error
        last_ns = log_ns
        progress.show(log_ns // 1000 - span_us[0])
    topic.finish(last_ns)
    progress.show(span_us[1] - span_us[0])
    return {"bag": str(args.destination), **counts, "events": topic.events, "refused": writer.refused, **metadata}


def _by_time(bag: BagReader) -> Iterator[tuple[tuple[str, bytes], int]]:
    wanted = [name for name in bag.topics if name == EVENTS or name in _WRITERS]
    for name, log_ns, payload in bag.messages(wanted):
        yield (name, payload), log_ns


def _stamp_ns(message: Any) -> int:
    return stamp_to_ns(message.header.stamp)


def _image(target: str) -> Write:
    def write(writer: BagWriter, log_ns: int, image: Any) -> None:
        stamp_ns = _stamp_ns(image)
        fields = {
            name: getattr(image, name) for name in ("height", "width", "encoding", "is_bigendian", "step", "data")
        }
        writer.add_topic(target, IMAGE, best_effort=target == IMAGE_TOPIC)
        writer.write(target, log_ns, messages.serialize(IMAGE, header=messages.header(stamp_ns, FRAME_ID), **fields))

    return write


def _camera_info(writer: BagWriter, log_ns: int, info: Any) -> None:
    model = "equidistant" if info.distortion_model in ("equidistant", "fisheye") else "plumb_bob"
    calibration = Calibration(info.width, info.height, info.K.reshape(3, 3), info.D, model)
    write_camera_info(writer, CAMERA_INFO_TOPIC, _stamp_ns(info) // 1000, calibration, log_ns)


def _imu(writer: BagWriter, log_ns: int, imu: Any) -> None:
    writer.add_topic(IMU_TOPIC, IMU, best_effort=True)
    acceleration, turning = (np.array([v.x, v.y, v.z]) for v in (imu.linear_acceleration, imu.angular_velocity))
    stamp_ns = _stamp_ns(imu)
    payload = messages.imu(acceleration, turning, stamp_ns=stamp_ns, frame_id=FRAME_ID)
    writer.write(IMU_TOPIC, log_ns, payload)


def _pose(writer: BagWriter, log_ns: int, stamped: Any) -> None:
    position, turn = stamped.pose.position, stamped.pose.orientation
    stamp_ns = _stamp_ns(stamped)
    writer.add_topic(POSE_TOPIC, _POSE)
    pose = messages.message(
        "geometry_msgs/msg/Pose",
        position=messages.message("geometry_msgs/msg/Point", x=position.x, y=position.y, z=position.z),
        orientation=messages.message("geometry_msgs/msg/Quaternion", x=turn.x, y=turn.y, z=turn.z, w=turn.w),
    )
    writer.write(POSE_TOPIC, log_ns, messages.serialize(_POSE, header=messages.header(stamp_ns, "map"), pose=pose))


_POSE = "geometry_msgs/msg/PoseStamped"
_WRITERS: dict[str, tuple[str, str, Write]] = {  # what is counted, the type, and how it is written
    "/davis/left/image_raw": ("frames", IMAGE, _image(IMAGE_TOPIC)),
    "/davis/left/camera_info": ("", CAMERA_INFO, _camera_info),
    "/davis/left/imu": ("imu", IMU, _imu),
    "/davis/left/depth_image_rect": ("depth", IMAGE, _image(DEPTH_TOPIC)),
    "/davis/left/pose": ("poses", _POSE, _pose),
}
