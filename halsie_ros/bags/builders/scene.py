"""`halsie bag build scene DST`: a drive through the simulated street, with its truth."""

from __future__ import annotations

import argparse
import heapq
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from halsie_ros.bags.builders.common import (
    CAMERA_INFO_TOPIC,
    IMAGE_TOPIC,
    START_US,
    TRUTH_TOPIC,
    EventTopic,
    Progress,
    add_bag_arguments,
    write_camera_info,
    write_image,
    write_static,
)
from halsie_ros.bags.builders.person import person_stream
from halsie_ros.bags.writer import BagWriter
from halsie_ros.classes import DSEC_11
from halsie_ros.datasets.base import Calibration
from halsie_ros.errors import ParameterError
from halsie_ros.simulation.recording import Moment, record_scene
from halsie_ros.simulation.street.scene import StreetScene, demo_seed

LIMITS = {
    "seed": (0, 1 << 62),
    "duration": (0.01, 86_400),
    "width": (16, 4096),
    "height": (16, 4096),
    "frame-rate": (1, 1000),
}
"""Smallest and largest value of each number; pictures that no memory holds, and frames that never come, are refused."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kind's arguments."""
    add_bag_arguments(parser, source=False)
    parser.add_argument("--seed", type=int, default=0, help="number of the street; never one that was trained on")
    parser.add_argument("--duration", type=float, default=5.0, metavar="S")
    parser.add_argument("--light", choices=("day", "dusk", "night"), default="day")
    parser.add_argument("--width", type=int, default=346)
    parser.add_argument("--height", type=int, default=260)
    parser.add_argument("--person", action="store_true", help="a performing person too, as an H.264 topic (28.8 s)")
    parser.add_argument("--frame-rate", type=float, default=25.0, metavar="HZ")


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag; returns a summary.

    Raises:
        BagError: the destination exists or the disk is full.
        ParameterError: a number that cannot be.
    """
    for name, (low, high) in LIMITS.items():
        value = getattr(args, name.replace("-", "_"))
        if not low <= value <= high:
            raise ParameterError(f"--{name} {value}: give {low:g} to {high:g}")
    seed = demo_seed(args.seed)
    moments = record_scene(seed, args.duration, args.light, args.width, args.height, frame_rate_hz=args.frame_rate)
    calibration = Calibration(args.width, args.height, StreetScene(seed, args.light, args.width, args.height).matrix)
    pixels = args.width * args.height
    needed = int(args.duration * args.frame_rate * pixels * 4 + args.duration * 8e6)
    counts: Counter[str] = Counter()
    with BagWriter(args.destination, args.storage, needed_bytes=needed) as writer:
        metadata = {
            "source": "halsie_ros simulated street",
            "seed": str(args.seed),
            "light": args.light,
            "licence": "Apache-2.0",
        }
        write_static(writer, START_US, metadata, DSEC_11.names)
        topic = EventTopic(writer, args.events, args.width, args.height)
        streams = [_street(moments, writer, topic, calibration, counts)]
        if args.person:
            streams.append(person_stream(writer, seed, START_US))
        with Progress(f"street {args.seed} ({args.light})", args.duration) as progress:
            for t_us, write in heapq.merge(*streams, key=lambda item: item[0]):
                write()
                progress.show((t_us - START_US) / 1e6)
            progress.show(args.duration)
    return {
        "bag": str(args.destination),
        "frames": counts["frames"],
        "events": topic.events,
        "refused": writer.refused,
        **metadata,
    }


def _street(
    moments: Iterator[Moment],
    writer: BagWriter,
    topic: EventTopic,
    calibration: Calibration,
    counts: Counter[str],
) -> Iterator[tuple[int, partial[None]]]:
    """Events, frames, camera_info and truth as (bag time in microseconds, how to write it)."""
    t_us = START_US
    for moment in moments:
        t_us = START_US + moment.t_us
        yield from topic.steps(moment.events.shifted(START_US), t_us)
        yield t_us, partial(_write_moment, writer, moment, t_us, calibration)
        counts["frames"] += 1
    yield t_us, partial(topic.finish)


def _write_moment(writer: BagWriter, moment: Moment, t_us: int, calibration: Calibration) -> None:
    write_image(writer, IMAGE_TOPIC, moment.frame, t_us)
    write_camera_info(writer, CAMERA_INFO_TOPIC, t_us, calibration)
    write_image(writer, TRUTH_TOPIC, moment.labels, t_us)
