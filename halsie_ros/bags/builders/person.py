"""A performing person beside the street: an encoded camera, and what is done when."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from halsie_ros.bags import messages
from halsie_ros.bags.writer import BagWriter
from halsie_ros.simulation.person.performance import HEIGHT, WIDTH, EncodedFrame, perform
from halsie_ros.wire.definitions import CLASSIFICATION, FFMPEG_PACKET

PACKETS_TOPIC = "/person_camera/image_raw/ffmpeg"
ACTION_TRUTH_TOPIC = "/ground_truth/action"
GOPS_PER_ACTION = 12
FRAME_ID = "person_camera_optical"


def person_stream(writer: BagWriter, seed: int, start_us: int) -> Iterator[tuple[int, partial[None]]]:
    """The performance as (bag time in microseconds, how to write it)."""
    writer.add_topic(PACKETS_TOPIC, FFMPEG_PACKET)
    writer.add_topic(ACTION_TRUTH_TOPIC, CLASSIFICATION)
    action = ""
    for frame in perform(seed, GOPS_PER_ACTION):
        t_us = start_us + frame.t_us
        if frame.action != action:
            action = frame.action
            yield t_us, partial(_write_truth, writer, t_us, action)
        yield t_us, partial(_write_packet, writer, t_us, frame)


def _write_packet(writer: BagWriter, t_us: int, frame: EncodedFrame) -> None:
    payload = messages.ffmpeg_packet(
        frame.data, stamp_ns=t_us * 1000, frame_id=FRAME_ID, width=WIDTH, height=HEIGHT,
        encoding="h264;yuv420p;rgb8;rgb8", pts=frame.pts, keyframe=frame.keyframe,
    )  # fmt: skip
    writer.write(PACKETS_TOPIC, t_us * 1000, payload)


def _write_truth(writer: BagWriter, t_us: int, action: str) -> None:
    hypothesis = messages.message("vision_msgs/msg/ObjectHypothesis", class_id=action, score=1.0)
    header = messages.header(t_us * 1000, FRAME_ID)
    writer.write(
        ACTION_TRUTH_TOPIC, t_us * 1000, messages.serialize(CLASSIFICATION, header=header, results=[hypothesis])
    )
