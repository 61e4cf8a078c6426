"""Compiling what streams of every codec need before the first packet comes: once per installation.

Kernels are compiled for the kinds of their arguments. So what is run here goes the way that a stream's packets go; a
test holds that streams of all codecs and sizes compile nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from halsie_ros.video.codecs.readiness import compile_h264, compile_hevc
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.packets import Packet
from halsie_ros.video.residual import without_misfits
from halsie_ros.video.stream import PacketStream
from halsie_ros.video.vectors import MotionField


def warm(*, everything: bool = True) -> None:
    """Compiles or loads what streams need beside the way of `warming_frames`.

    Args:
        everything: HEVC's reading to the end too; a stream that is not `patient` does without until it is compiled.
    """
    compile_h264()
    if everything:
        compile_hevc()
    still, luma = MotionField.still(16, 16), np.zeros((16, 16), np.uint8)
    without_misfits(still, luma, luma)


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
