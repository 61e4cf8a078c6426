"""One encoded picture of a stream, from whichever message carried it.

The three message types are read from their serialized CDR bytes (nodes subscribe raw, bags hand over bytes), so that no
message class is needed and the payload is never copied element by element.
"""

from __future__ import annotations

from dataclasses import dataclass

from halsie_ros.errors import CodecError, VideoError
from halsie_ros.wire.definitions import COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET
from halsie_ros.wire.layout import known_layout
from halsie_ros.wire.stamps import SECOND_NS

PACKET_TYPES = (FFMPEG_PACKET, COMPRESSED_VIDEO, COMPRESSED_IMAGE)

CODECS = ("h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "vp9", "av1")
_KEY_FLAG = 1  # AV_PKT_FLAG_KEY
# Encoder names (old ffmpeg_image_transport versions put these into `encoding`) and everyday spellings.
_ALIASES = {
    "h264": ("h264", "h.264", "avc", "avc1", "x264", "libx264", "libopenh264"),
    "hevc": ("hevc", "h265", "h.265", "hvc1", "hev1", "x265", "libx265"),
    "mpeg4": ("mpeg4", "libxvid", "xvid", "divx", "mp4v"),
    "mpeg2video": ("mpeg2video", "mpeg2"),
    "mpeg1video": ("mpeg1video", "mpeg1"),
    "vp9": ("vp9", "vp09", "libvpx-vp9"),
    "av1": ("av1", "av01", "libaom-av1", "libsvtav1", "librav1e", "libdav1d"),
}
_CODEC_OF = {alias: codec for codec, aliases in _ALIASES.items() for alias in aliases}


@dataclass(frozen=True)
class Packet:
    """One encoded picture (access unit).

    Attributes:
        codec: one of `CODECS`.
        data: the bitstream (Annex B for H.264 and HEVC, or length-prefixed where `extradata` says so).
        pts: presentation time in the sender's own unit, None where the message has none.
        stamp_ns: stamp of the message.
        keyframe: what the sender says; None where it says nothing. A hint only, the bitstream decides.
        dts: decoding time of a file's packet, in the unit of `pts`.
        width, height: what the sender says, 0 where it says nothing.
        frame_id: passed through.
        extradata: out-of-band parameter sets (files).
        received_ns: when the message arrived, by any clock that moves on; None where unknown (files, bags).
        hidden: decoded because others refer to it, but not shown (before the start of a file's edit list).
    """

    codec: str
    data: bytes | memoryview
    pts: int | None = None
    stamp_ns: int = 0
    keyframe: bool | None = None
    dts: int | None = None
    width: int = 0
    height: int = 0
    frame_id: str = ""
    extradata: bytes = b""
    hidden: bool = False
    received_ns: int | None = None


def codec_of(encoding: str) -> str:
    """FFmpeg's codec name for a message's `encoding` or `format`, e.g. "hevc;yuv420p;bgr8;bgr8" -> "hevc".

    Raises:
        VideoError: the encoding is not a video codec known here.
    """
    name = encoding.split(";")[0].strip().lower().removeprefix("video/")
    codec = _CODEC_OF.get(name) or _CODEC_OF.get(name.split("_")[0])  # h264_nvenc, hevc_vaapi
    if codec is None:
        raise VideoError(f"encoding {encoding[:64]!r} is not a video stream known here: use one of {', '.join(CODECS)}")
    return codec


def read_packet(message_type: str, payload: bytes | memoryview) -> Packet:
    """Reads one serialized message (CDR with its 4-byte encapsulation header).

    Raises:
        VideoError: the type is none of `PACKET_TYPES`, the message is cut off, or its codec is unknown.
    """
    if message_type not in PACKET_TYPES:
        raise VideoError(f"message type {message_type!r} carries no video stream: use one of {', '.join(PACKET_TYPES)}")
    try:
        values = known_layout(message_type).read(payload)
    except CodecError as error:
        raise VideoError(f"{message_type.rpartition('/')[2]}: {error}") from None
    start, end = values["data"]
    data = memoryview(payload)[start:end]
    if message_type == COMPRESSED_VIDEO:
        stamp_ns = values["timestamp.sec"] * SECOND_NS + values["timestamp.nanosec"]
        return Packet(codec_of(values["format"]), data, None, stamp_ns, frame_id=values["frame_id"])
    stamp_ns = values["header.stamp.sec"] * SECOND_NS + values["header.stamp.nanosec"]
    if message_type == COMPRESSED_IMAGE:
        return Packet(codec_of(values["format"]), data, None, stamp_ns, frame_id=values["header.frame_id"])
    return Packet(  # the message's is_bigendian speaks of the raw image before encoding
        codec_of(values["encoding"]),
        data,
        values["pts"],
        stamp_ns,
        bool(values["flags"] & _KEY_FLAG),
        None,
        max(values["width"], 0),
        max(values["height"], 0),
        values["header.frame_id"],
    )
