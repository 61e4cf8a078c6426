"""`halsie bag build rpg SRC DST`: a folder in the RPG text format, frames and events on one clock."""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterator
from typing import Any

from halsie_ros.bags.build.common import (
    CAMERA_INFO_TOPIC,
    IMAGE_TOPIC,
    PACKET_US,
    START_US,
    EventTopic,
    Progress,
    add_bag_arguments,
    write_camera_info,
    write_image,
    write_static,
)
from halsie_ros.bags.writer import BagWriter
from halsie_ros.datasets.rpg import RpgSequence
from halsie_ros.errors import DatasetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kind's arguments."""
    add_bag_arguments(parser, source=True)


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag; returns a summary.

    Raises:
        DatasetError: the folder is not in the format, or holds no events.
        BagError: the destination exists or the disk is full.
    """
    sequence = RpgSequence(args.source)
    size = (args.source / "events.txt").stat().st_size
    metadata = {"source": "RPG text format", "sequence": sequence.name, "licence": sequence.licence}
    frames = 0
    with BagWriter(args.destination, args.storage, needed_bytes=size) as writer:
        write_static(writer, START_US, metadata)
        topic = EventTopic(writer, args.events, sequence.width, sequence.height)
        progress = Progress(sequence.name, size)
        done = 0
        for kind, t_us, content in _in_order(sequence):
            if kind == "end":
                topic.finish()  # before the frames that come after the last event
                continue
            if kind == "events":
                topic.push(content.shifted(START_US), START_US + t_us)
                done += len(content)
                progress.show(done * 22)  # bytes of a line, about
                continue
            write_image(writer, IMAGE_TOPIC, content, START_US + t_us)
            if sequence.calibration is not None:
                calibration = sequence.calibration
                write_camera_info(
                    writer, CAMERA_INFO_TOPIC, START_US + t_us, calibration.width, calibration.height,
                    calibration.camera_matrix, distortion=calibration.distortion, model=calibration.model,
                )  # fmt: skip
            frames += 1
        progress.show(size)
        if not topic.events:
            raise DatasetError(f"{args.source}: events.txt holds no events: copy it again")
    return {
        "bag": str(args.destination),
        "frames": frames,
        "events": topic.events,
        "refused": writer.refused,
        **metadata,
    }


def _in_order(sequence: RpgSequence) -> Iterator[tuple[str, int, Any]]:
    """Frames and stretches of events in the order of their times."""

    def events() -> Iterator[tuple[str, int, Any]]:
        last_us = 0
        for whole in sequence.parts():
            for part in _stretches(whole):
                last_us = int(part.t_us[-1])
                yield "events", last_us, part
        yield "end", last_us, None

    frames = (("frame", t_us, pixels) for t_us, pixels in sequence.frames())
    return heapq.merge(events(), frames, key=lambda item: item[1])


def _stretches(events: Any) -> Iterator[Any]:
    """Cuts at multiples of the packet's duration."""
    slots = events.t_us // PACKET_US
    start = 0
    while start < len(events):
        end = int(slots.searchsorted(slots[start], "right"))
        yield events[start:end]
        start = end
