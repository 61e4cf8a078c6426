"""Compiling what H.264 streams need before the first packet comes: it takes seconds, once per installation."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from halsie_ros.video.codecs.cabac import padded
from halsie_ros.video.codecs.h264.elements import INTRA
from halsie_ros.video.codecs.h264.ends import contexts_at
from halsie_ros.video.codecs.h264.macroblocks import read_slice
from halsie_ros.video.codecs.h264.motion import Grid
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream


def warm() -> None:
    """Compiles the reading of H.264 pictures to their end, or loads it, by one macroblock of zeros."""
    data = bytes(8)
    read_slice(
        padded(data), len(data), 0, np.asarray(contexts_at(0, 26)), INTRA, 0, 0, 1, (0, 0), False, False, True,
        Grid.of(1),
    )  # fmt: skip


def warming_frames() -> Iterator[VideoFrame]:
    """A moving ramp in MPEG-4, which all FFmpegs encode: runs decoder and stream, and whoever takes the frames."""
    side, frames = 64, 6
    context = av.CodecContext.create("mpeg4", "w")
    context.height, context.width, context.pix_fmt = side, side, "yuv420p"
    context.time_base, context.gop_size, context.max_b_frames = Fraction(1, 30), frames // 2, 0
    ramp = (np.arange(side)[:, None] * 3 + np.arange(side + frames) * 5).astype(np.uint8)
    video = PacketStream()
    for t in range(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp[:, t : t + side]), format="gray")
        picture = picture.reformat(format="yuv420p")
        picture.pts = t
        for encoded in context.encode(picture):
            yield from video.push(Packet("mpeg4", bytes(encoded), t, t * 33_333_333))
