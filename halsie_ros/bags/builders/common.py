"""What every bag builder shares: options, topics, packets, progress."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.bags import messages
from halsie_ros.bags.writer import STORAGES, BagWriter
from halsie_ros.datasets.base import Calibration
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events
from halsie_ros.events.messages import encode_event_array, encode_event_packet
from halsie_ros.wire.definitions import CAMERA_INFO, IMAGE, LABEL_INFO, STRING

IMAGE_TOPIC = "/camera/image_raw"
CAMERA_INFO_TOPIC = "/camera/camera_info"
EVENTS_TOPIC = "/event_camera/events"
EVENT_CAMERA_INFO_TOPIC = "/event_camera/camera_info"
TRUTH_TOPIC = "/ground_truth/mask"
TRUTH_LABELS_TOPIC = "/ground_truth/label_info"
METADATA_TOPIC = "/metadata"
FRAME_ID = "camera_optical"
EVENT_FORMATS = ("evt3", "dvs")
PACKET_US = 5_000
LONGEST_SILENCE_US = 3_600_000_000
START_US = 64 << 24
"""Bag time of a recording whose own clock starts at zero: stamps of zero mean "unset" in ROS. A multiple of evt3's
24 bits, so that the sensor's time in the packets is the source's own."""


def add_bag_arguments(parser: argparse.ArgumentParser, *, source: bool) -> None:
    """SRC (where there is one), DST, --storage and --events."""
    if source:
        parser.add_argument("source", type=Path, metavar="SRC")
    parser.add_argument("destination", type=Path, metavar="DST", help="folder to make; must not exist")
    parser.add_argument("--storage", choices=STORAGES, default="mcap")
    parser.add_argument("--events", choices=EVENT_FORMATS, default="evt3", help="encoding of the event messages")


class EventTopic:
    """Writes events as messages of a set duration on one topic, from host times in microseconds.

    A message covers ``[start, start + PACKET_US)`` and is logged at its end, as it would reach a host. A stretch
    without events gives an empty packet, so that a quiet scene is told from a dead sensor.
    """

    def __init__(self, writer: BagWriter, encoding: str, width: int, height: int, frame_id: str = FRAME_ID) -> None:
        self._writer = writer
        self._encoding = encoding
        self._size = (width, height)
        self._frame_id = frame_id
        self._seq = 0
        self._start_us: int | None = None
        self._parts: list[Events] = []
        self.events = 0
        kind = "dvs_msgs/msg/EventArray" if encoding == "dvs" else "event_camera_msgs/msg/EventPacket"
        writer.add_topic(EVENTS_TOPIC, kind, best_effort=True)

    def push(self, events: Events, until_us: int, log_ns: int | None = None) -> None:
        """Takes events in order of time; all with a time before `until_us` are known now.

        `log_ns` is when the recording logged them; None logs each message at its end.
        """
        if len(events):
            self._parts.append(events)
        if self._start_us is None:
            first = int(events.t_us[0]) if len(events) else until_us
            self._start_us = first // PACKET_US * PACKET_US
        if until_us - self._start_us > LONGEST_SILENCE_US:  # a damaged time: packets up to it would fill the disk
            raise DatasetError(f"events jump from {self._start_us} to {until_us} us: mend the recording's times")
        pending = Events.concatenate(self._parts)
        used = 0
        while self._start_us + PACKET_US <= until_us:
            end_us = self._start_us + PACKET_US
            last = int(np.searchsorted(pending.t_us, end_us, "left"))
            self._write(pending[used:last], end_us, end_us * 1000 if log_ns is None else log_ns)
            used = last
            self._start_us = end_us
        self._parts = [pending[used:]]

    def steps(self, events: Events, until_us: int) -> Iterator[tuple[int, partial[None]]]:
        """`push` in steps of a packet, as (time, what to do then): for bags that other streams are merged into."""
        first = int(events.t_us[0]) if len(events) else until_us
        used = 0
        for end_us in range((first // PACKET_US + 1) * PACKET_US, until_us, PACKET_US):
            last = int(np.searchsorted(events.t_us, end_us, "left"))
            yield end_us, partial(self.push, events[used:last], end_us)
            used = last
        yield until_us, partial(self.push, events[used:], until_us)

    def finish(self, log_ns: int | None = None) -> None:
        """Writes what is left, logged at its last event: what comes after in the bag must not overtake it."""
        rest = Events.concatenate(self._parts)
        if len(rest):
            last_us = int(rest.t_us[-1])
            self.push(Events.empty(), last_us + PACKET_US, last_us * 1000 if log_ns is None else log_ns)

    def _write(self, events: Events, end_us: int, log_ns: int) -> None:
        width, height = self._size
        common: dict[str, Any] = {"width": width, "height": height, "frame_id": self._frame_id}
        # The stamp is the host's time of the first event: with it the sensor's clock becomes the host's, exactly.
        stamp_ns = (int(events.t_us[0]) if len(events) else end_us - PACKET_US) * 1000
        if self._encoding == "dvs":
            payload = encode_event_array(events, stamp_ns=stamp_ns, **common)
        else:
            payload = encode_event_packet(
                events, encoding="evt3", stamp_ns=stamp_ns, seq=self._seq, time_base_us=end_us - PACKET_US, **common
            )
        self._writer.write(EVENTS_TOPIC, log_ns, payload)
        self._seq += 1
        self.events += len(events)


def write_image(writer: BagWriter, topic: str, pixels: np.ndarray, t_us: int) -> None:
    """Writes one image, stamped and logged at `t_us`."""
    writer.add_topic(topic, IMAGE, best_effort=topic == IMAGE_TOPIC)
    writer.write(topic, t_us * 1000, messages.image(pixels, stamp_ns=t_us * 1000, frame_id=FRAME_ID))


def write_camera_info(
    writer: BagWriter, topic: str, t_us: int, calibration: Calibration, log_ns: int | None = None
) -> None:
    """Writes a camera_info, stamped like its image; `log_ns` is when a recording logged it."""
    writer.add_topic(topic, CAMERA_INFO, best_effort=topic == CAMERA_INFO_TOPIC)
    payload = messages.camera_info(
        calibration.width, calibration.height, calibration.camera_matrix, stamp_ns=t_us * 1000, frame_id=FRAME_ID,
        distortion=calibration.distortion.tolist(), model=calibration.model,
    )  # fmt: skip
    writer.write(topic, t_us * 1000 if log_ns is None else log_ns, payload)


def write_static(writer: BagWriter, t_us: int, metadata: dict[str, str], classes: tuple[str, ...] = ()) -> None:
    """Writes what holds for the whole bag, latched: metadata, and the names of the truth's classes."""
    writer.set_metadata(metadata)
    writer.add_topic(METADATA_TOPIC, STRING, latched=True)
    writer.write(METADATA_TOPIC, t_us * 1000, messages.text("\n".join(f"{k}: {v}" for k, v in metadata.items())))
    if classes:
        writer.add_topic(TRUTH_LABELS_TOPIC, LABEL_INFO, latched=True)
        payload = messages.label_info(classes, stamp_ns=t_us * 1000, frame_id=FRAME_ID)
        writer.write(TRUTH_LABELS_TOPIC, t_us * 1000, payload)


class Progress:
    """A bar on standard error, where that is a terminal; a context manager, so that an error gets a line of its own."""

    def __init__(self, what: str, total: float) -> None:
        self._what, self._total = what, max(total, 1e-9)
        self._shown_s, self._open = 0.0, sys.stderr is not None and sys.stderr.isatty()
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open and self._drawn:
            print(file=sys.stderr, flush=True)

    def show(self, done: float) -> None:
        """Redraws the bar at most ten times a second, and a last time when all is done."""
        now_s, share = time.monotonic(), min(max(done, 0.0) / self._total, 1.0)
        if self._open and (now_s - self._shown_s > 0.1 or share >= 1):
            bar = f"\r{self._what} [{'#' * round(30 * share):30s}] {share:4.0%}"
            print(bar, end="\n" if share >= 1 else "", file=sys.stderr, flush=True)
            self._shown_s, self._drawn, self._open = now_s, True, share < 1
