"""A procedural person performs one action after another, filmed and encoded as a camera's H.264 stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from halsie_ros.errors import VideoError
from halsie_ros.simulation.person.people import render_action

ACTIONS = ("wave_two_hands", "jumping_jacks", "clap", "bend", "sit", "punch")
RATE_HZ, GOP = 30, 12
WIDTH, HEIGHT = 224, 176


@dataclass(frozen=True)
class EncodedFrame:
    """One frame of the stream.

    Attributes:
        t_us: from the start of the performance.
        data: the packet, Annex B.
        keyframe: whether decoding can start here.
        pts: frame number.
        action: what the person does.
    """

    t_us: int
    data: bytes
    keyframe: bool
    pts: int
    action: str


def perform(seed: int, gops_per_action: int, actions: Sequence[str] = ACTIONS) -> Iterator[EncodedFrame]:
    """Encodes the actions in turn, each by another person, each beginning with a keyframe.

    Args:
        seed: of people, clothes, views and backgrounds.
        gops_per_action: length of each action in groups of 12 frames (0.4 s).
        actions: names in ``simulation.actions.ACTIONS``.

    Raises:
        VideoError: this PyAV has no H.264 encoder.
    """
    import av

    if "libx264" not in av.codecs_available:
        raise VideoError("this PyAV has no encoder libx264: install PyAV's own wheel, pip install av")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, RATE_HZ), Fraction(RATE_HZ)
    encoder.gop_size, encoder.max_b_frames, encoder.thread_count = GOP, 0, 1
    # As a camera encodes: no look-ahead, one reference, a keyframe every GOP frames and nowhere else.
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "refs": "1", "crf": "23", "sc_threshold": "0"}
    number = 0
    for index, action in enumerate(actions):
        frames = gops_per_action * GOP
        for _, picture in render_action(action, 1000 * seed + index, frames / RATE_HZ, width=WIDTH, height=HEIGHT):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            for packet in encoder.encode(frame):
                yield EncodedFrame(
                    round(number * 1e6 / RATE_HZ), bytes(packet), bool(packet.is_keyframe), number, action
                )
            number += 1
