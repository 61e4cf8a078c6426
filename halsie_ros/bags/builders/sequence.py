"""A data set's `Sequence` as a bag: all its streams merged by time, read and written piece by piece."""

from __future__ import annotations

import argparse
import heapq
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from halsie_ros.bags import messages
from halsie_ros.bags.builders.common import (
    CAMERA_INFO_TOPIC,
    EVENT_CAMERA_INFO_TOPIC,
    FRAME_ID,
    IMAGE_TOPIC,
    PACKET_US,
    TRUTH_TOPIC,
    EventTopic,
    Progress,
    write_camera_info,
    write_image,
    write_static,
)
from halsie_ros.bags.writer import BagWriter
from halsie_ros.datasets.base import Calibration, Sequence
from halsie_ros.errors import DatasetError, ParameterError
from halsie_ros.wire.definitions import IMU

IMU_TOPIC = "/imu"
DEPTH_TOPIC = "/ground_truth/depth"
POSE_TOPIC = "/ground_truth/pose"
CHUNK_US = 10 * PACKET_US
LONGEST_S = 86_400
EVENT_BYTES, FRAME_RATE_HZ = 6, 30
"""For the estimate of the disk space: bytes of an event in evt3 with room to spare, and frames per second."""

Write = Callable[[], None]


def add_span_arguments(parser: argparse.ArgumentParser) -> None:
    """--start and --duration."""
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="leave out the first S seconds")
    parser.add_argument("--duration", type=float, metavar="S", help="at most S seconds (default: all)")


def write_sequence(
    sequence: Sequence,
    args: argparse.Namespace,
    *,
    source: str,
    offset_us: int = 0,
    labels: bool = False,
    frame_calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Writes the bag that `args` asks for (destination, storage, events, start, duration).

    Args:
        sequence: what to write; its memory is bounded by the reader's chunks, not by the recording's length.
        args: of `halsie bag build`.
        source: the data set's name, for the metadata.
        offset_us: added to every time, for recordings whose clock starts at zero.
        labels: write the recording's labels as truth.
        frame_calibration: of the frames, where the frame camera is another than the event camera.

    Returns:
        A summary: bag, frames, labels, events, refused, off_sensor (left out), and the metadata.

    Raises:
        DatasetError: the recording is damaged or empty.
        ParameterError: --start or --duration leave nothing.
        BagError: the destination exists or the disk is full.
    """
    span = span_of(args, *sequence.span_us, sequence.name)
    metadata = {"source": source, "sequence": sequence.name, "licence": sequence.licence}
    counts = {"frames": 0, "labels": 0, "imu": 0, "depth": 0, "poses": 0}
    with BagWriter(args.destination, args.storage, needed_bytes=_needed_bytes(sequence, span)) as writer:
        names = sequence.classes.names if labels and sequence.classes is not None else ()
        topic = EventTopic(writer, args.events, sequence.width, sequence.height)
        outlets = _Outlets(writer, counts, frame_calibration, sequence.calibration)
        streams = [_events(sequence, topic, span, offset_us)]
        if labels:
            streams.append(_timed(3, sequence.labels(), outlets.label, offset_us))
        streams += [
            _timed(2, sequence.frames(), outlets.frame, offset_us),
            _timed(4, sequence.imu(), outlets.imu, offset_us),
            _timed(5, sequence.depth(), outlets.depth, offset_us),
            _timed(6, sequence.poses(), outlets.pose, offset_us),
        ]
        first, last = max(span[0], sequence.span_us[0]), min(span[1], sequence.span_us[1])
        started = False
        with Progress(sequence.name, last - first) as progress:
            for t_us, _, write in heapq.merge(*streams, key=lambda item: item[:2]):
                if t_us > span[1]:
                    break
                if t_us >= span[0]:
                    if not started:  # with the first message: a replay would wait from any earlier time to it
                        write_static(writer, t_us + offset_us, metadata, names)
                        started = True
                    write()
                    progress.show(t_us - first)
            topic.finish()
            progress.show(last - first)
        if outlets.frame_span_us and not (
            outlets.frame_span_us[0] <= last + offset_us and outlets.frame_span_us[1] >= first + offset_us
        ):
            note = f"; {sequence.time_note}" if sequence.time_note else ""
            told = " to ".join(f"{(t_us - offset_us) / 1e6:.3f}" for t_us in outlets.frame_span_us)
            raise DatasetError(
                f"{sequence.name}: events ({first / 1e6:.3f} to {last / 1e6:.3f} s) and frames ({told} s) do not "
                f"overlap in time{note}"
            )
        if not topic.events:
            raise DatasetError(f"{sequence.name}: no events from {span[0]} to {span[1]} us: give another --start")
    lost = {"refused": writer.refused, "off_sensor": sequence.off_sensor}
    return {"bag": str(args.destination), **counts, "events": topic.events, **lost, **metadata}


def span_of(args: argparse.Namespace, first_us: int, last_us: int, name: str) -> tuple[int, int]:
    """What --start and --duration choose of a recording, (from, to) in microseconds on its own clock.

    Raises:
        ParameterError: they are no numbers, or leave nothing of the recording.
        DatasetError: the recording's own times cannot be: packets of a whole day would fill the disk.
    """
    length_s = (last_us - first_us) / 1e6
    if not 0 <= args.start <= length_s:
        raise ParameterError(f"--start {args.start}: {name} is {length_s:.3f} s long, give 0 up to that")
    if args.duration is not None and not 0 < args.duration < math.inf:
        raise ParameterError(f"--duration {args.duration}: give seconds, more than 0, or leave it out for all")
    if args.duration is None and length_s > LONGEST_S:
        raise DatasetError(f"{name}: {length_s:.0f} s between first and last event: mend its times, or give --duration")
    if args.start == 0 and args.duration is None:
        return min(first_us, 0), 1 << 62  # frames before the first and after the last event too
    start_us = first_us + round(args.start * 1e6)
    return start_us, last_us if args.duration is None else min(last_us, start_us + round(args.duration * 1e6))


def _needed_bytes(sequence: Sequence, span: tuple[int, int]) -> int:
    """About what the bag will take."""
    first, last = sequence.span_us
    seconds = (min(span[1], last) - max(span[0], first)) / 1e6
    probe = sequence.events(first, min(first + 200_000, last))
    sequence.off_sensor = 0  # they will be met again
    events_per_s = len(probe) / max((min(first + 200_000, last) - first) / 1e6, 1e-3)
    return int(seconds * (events_per_s * EVENT_BYTES + FRAME_RATE_HZ * sequence.width * sequence.height * 3))


def _events(
    sequence: Sequence, topic: EventTopic, span: tuple[int, int], offset_us: int
) -> Iterator[tuple[int, int, Write]]:
    """Read in chunks, given in packets that end where `EventTopic` ends its own, so that no frame overtakes them."""
    first, last = sequence.span_us
    start, stop = max(first, span[0]), min(last, span[1])
    t0_us = (start + offset_us) // PACKET_US * PACKET_US - offset_us
    while t0_us <= stop:
        chunk = sequence.events(max(t0_us, start) - 1, min(t0_us + CHUNK_US - 1, stop)).shifted(offset_us)
        for end_us in range(t0_us + PACKET_US, t0_us + CHUNK_US + 1, PACKET_US):
            bounds = np.searchsorted(chunk.t_us, [end_us + offset_us - PACKET_US, end_us + offset_us])
            known_us = min(end_us, stop)
            yield known_us, 0, partial(topic.push, chunk[slice(*bounds)], known_us + offset_us)
            if end_us > stop:
                break
        t0_us += CHUNK_US
    yield stop, 1, topic.finish  # before the frames that come after the last event


def _timed(
    order: int, items: Iterator[tuple[Any, ...]], write: Callable[..., None], offset_us: int
) -> Iterator[tuple[int, int, Write]]:
    """Items of a stream as (time, order at equal times, how to write it)."""
    for t_us, *values in items:
        yield t_us, order, partial(write, t_us + offset_us, *values)


class _Outlets:
    """Writes one item of each kind at a bag time in microseconds, and counts it.

    Attributes:
        frame_span_us: bag times of the first and last frame, None before any.
    """

    def __init__(
        self, writer: BagWriter, counts: dict[str, int], frame: Calibration | None, events: Calibration | None
    ) -> None:
        self._writer = writer
        self._counts = counts
        self.frame_span_us: tuple[int, int] | None = None
        self._calibrations = [(CAMERA_INFO_TOPIC, frame or events)]
        if frame is not None:
            self._calibrations.append((EVENT_CAMERA_INFO_TOPIC, events))

    def frame(self, t_us: int, pixels: np.ndarray) -> None:
        write_image(self._writer, IMAGE_TOPIC, pixels, t_us)
        for topic, calibration in self._calibrations:
            if calibration is not None:
                write_camera_info(self._writer, topic, t_us, calibration)
        self._counts["frames"] += 1
        self.frame_span_us = (self.frame_span_us[0] if self.frame_span_us else t_us, t_us)

    def label(self, t_us: int, mask: np.ndarray) -> None:
        write_image(self._writer, TRUTH_TOPIC, mask, t_us)
        self._counts["labels"] += 1

    def imu(self, t_us: int, acceleration: np.ndarray, turning: np.ndarray) -> None:
        self._writer.add_topic(IMU_TOPIC, IMU, best_effort=True)
        payload = messages.imu(acceleration, turning, stamp_ns=t_us * 1000, frame_id=FRAME_ID)
        self._writer.write(IMU_TOPIC, t_us * 1000, payload)
        self._counts["imu"] += 1

    def depth(self, t_us: int, metres: np.ndarray) -> None:
        write_image(self._writer, DEPTH_TOPIC, metres, t_us)
        self._counts["depth"] += 1

    def pose(self, t_us: int, matrix: np.ndarray) -> None:
        self._writer.add_topic(POSE_TOPIC, "geometry_msgs/msg/PoseStamped")
        self._writer.write(POSE_TOPIC, t_us * 1000, messages.pose(matrix, stamp_ns=t_us * 1000, frame_id="map"))
        self._counts["poses"] += 1
