"""Compiling what streams of every codec need before the first packet comes: once per installation.

Kernels are compiled for the kinds of their arguments. So what is run here goes the way that a stream's packets go; a
test holds that streams of all codecs and sizes compile nothing more.
"""

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
from halsie_ros.video.codecs.hevc.reader import HevcReader
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.packets import Packet
from halsie_ros.video.residual import without_misfits
from halsie_ros.video.stream import PacketStream
from halsie_ros.video.vectors import MotionField

# A grey ramp of 64 x 64 pixels as x265 codes it.
_HEVC = bytes.fromhex(
    "0000000140010c01ffff0408000003009fa800000300001eba0240000000014201010408000003009fa800000300001ea020810596eaaf2b9a"
    "020000030002000003003210000000014401c17181120000012801af0b60f53bb96198e59aed77cadade332f5ce0010c1a2db5bf8f2dbb0ecd"
    "89019c76003c807ca8cc1694"
)


def warm() -> None:
    """Compiles or loads the reading of H.264 and HEVC pictures to their end, and the test of several references."""
    reader = HevcReader()
    reader.ends(reader.read(_HEVC))
    still, luma = MotionField.still(16, 16), np.zeros((16, 16), np.uint8)
    without_misfits(still, luma, luma)
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
