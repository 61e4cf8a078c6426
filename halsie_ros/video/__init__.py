"""Encoded video: packets to I-frames, motion vectors and residuals, and whether each can be trusted."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.video.features import FeatureExtractor, FrameFeatures
    from halsie_ros.video.file import VideoFile
    from halsie_ros.video.frame import VideoFrame
    from halsie_ros.video.packets import Packet, read_packet
    from halsie_ros.video.stream import PacketStream

__all__ = ["FeatureExtractor", "FrameFeatures", "Packet", "PacketStream", "VideoFile", "VideoFrame", "read_packet"]
__getattr__ = lazily(
    __name__,
    {
        "features": ("FeatureExtractor", "FrameFeatures"),
        "file": ("VideoFile",),
        "frame": ("VideoFrame",),
        "packets": ("Packet", "read_packet"),
        "stream": ("PacketStream",),
    },
)
