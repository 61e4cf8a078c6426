"""The header reader of each codec."""

from __future__ import annotations

from halsie_ros.video.codecs.h264.reader import H264Reader
from halsie_ros.video.codecs.hevc.reader import HevcReader
from halsie_ros.video.codecs.mpeg4 import Mpeg4Reader
from halsie_ros.video.codecs.mpeg12 import Mpeg12Reader
from halsie_ros.video.codecs.packet_header import HeaderReader, UnreadHeaders
from halsie_ros.video.codecs.vp9 import Vp9Reader


def header_reader(codec: str, extradata: bytes = b"") -> HeaderReader:
    """A reader for one stream of `codec`; `extradata` are its out-of-band parameter sets."""
    if codec == "h264":
        return H264Reader(extradata)
    if codec == "hevc":
        return HevcReader(extradata)
    if codec == "mpeg4":
        return Mpeg4Reader(extradata)
    if codec in ("mpeg2video", "mpeg1video"):
        return Mpeg12Reader(extradata)
    if codec == "vp9":
        return Vp9Reader()
    return UnreadHeaders()
