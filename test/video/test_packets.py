"""Messages to packets."""

from __future__ import annotations

import itertools
import struct

import pytest

from halsie_ros.errors import VideoError
from halsie_ros.video.packets import COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET, codec_of, read_packet


class Writer:
    """Little-endian CDR, field by field, independent of the reader."""

    def __init__(self) -> None:
        self.body = b""

    def number(self, code: str, value: int) -> Writer:
        size = struct.calcsize(code)
        self.body += b"\0" * (-len(self.body) % size) + struct.pack("<" + code, value)
        return self

    def text(self, value: str) -> Writer:
        self.number("I", len(value) + 1)
        self.body += value.encode() + b"\0"
        return self

    def octets(self, value: bytes) -> Writer:
        self.number("I", len(value))
        self.body += value
        return self

    def message(self) -> bytes:
        return b"\0\1\0\0" + self.body


def header(frame_id: str) -> Writer:
    return Writer().number("i", 12).number("I", 34).text(frame_id)


@pytest.mark.parametrize("frame_id", ["", "c", "cam", "camera", "camera_optical"])
def test_an_ffmpeg_packet_is_read_whatever_its_alignment(frame_id):
    writer = header(frame_id).number("i", 640).number("i", 480).text("hevc;yuv420p;bgr8;bgr8")
    payload = writer.number("Q", 77).number("B", 1).number("B", 0).octets(b"abc").message()
    packet = read_packet(FFMPEG_PACKET, payload)
    assert (packet.codec, packet.pts, packet.keyframe, bytes(packet.data)) == ("hevc", 77, True, b"abc")
    assert (packet.stamp_ns, packet.width, packet.height, packet.frame_id) == (12_000_000_034, 640, 480, frame_id)


def test_a_compressed_video_has_no_pts():
    payload = header("cam").octets(b"xyz").text("h265").message()
    packet = read_packet(COMPRESSED_VIDEO, payload)
    assert (packet.codec, packet.pts, packet.stamp_ns, bytes(packet.data)) == ("hevc", None, 12_000_000_034, b"xyz")


def test_a_compressed_image_of_isaac_is_a_packet():
    packet = read_packet(COMPRESSED_IMAGE, header("cam").text("h264").octets(b"xyz").message())
    assert (packet.codec, bytes(packet.data)) == ("h264", b"xyz")


def test_messages_agree_with_the_rosbags_library():
    rosbags = pytest.importorskip("rosbags.typesys")
    store = rosbags.get_typestore(rosbags.Stores.ROS2_HUMBLE)
    definition = (
        "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
        "bool is_bigendian\nuint8[] data\n"
    )
    store.register(rosbags.get_types_from_msg(definition, FFMPEG_PACKET))
    import numpy as np

    types = store.types
    stamp = types["builtin_interfaces/msg/Time"](5, 6)
    message = types[FFMPEG_PACKET](
        types["std_msgs/msg/Header"](stamp, "front"), 320, 240, "h264", 9, 0, False, np.arange(7, dtype=np.uint8)
    )
    packet = read_packet(FFMPEG_PACKET, bytes(store.serialize_cdr(message, FFMPEG_PACKET)))
    assert (packet.stamp_ns, packet.pts, packet.keyframe, bytes(packet.data)) == (
        5_000_000_006,
        9,
        False,
        bytes(range(7)),
    )


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("libx264", "h264"),
        ("h264_nvenc", "h264"),
        ("H265", "hevc"),
        ("hevc_vaapi;nv12", "hevc"),
        ("libsvtav1", "av1"),
        ("video/H264", "h264"),
        ("avc1", "h264"),
        ("h.265", "hevc"),
        ("av01", "av1"),
    ],
)
def test_encoder_names_lead_to_their_codec(encoding, codec):
    assert codec_of(encoding) == codec


def test_an_image_encoding_is_refused_by_name():
    with pytest.raises(VideoError, match=r"'jpeg' is not a video stream"):
        codec_of("jpeg")


@pytest.mark.parametrize("length", [0, 3, 4, 10, 20, 40, 60])
def test_a_message_that_is_cut_off_is_refused(length):
    writer = header("cam").number("i", 640).number("i", 480).text("hevc").number("Q", 77).number("B", 1).number("B", 0)
    payload = writer.octets(b"abcdefgh").message()
    with pytest.raises(VideoError, match=r"cut short|not plain CDR"):
        read_packet(FFMPEG_PACKET, payload[:length])


def test_another_message_type_is_refused():
    with pytest.raises(VideoError, match="carries no video stream"):
        read_packet("sensor_msgs/msg/Image", b"\0\1\0\0")


@pytest.mark.parametrize("kind", [FFMPEG_PACKET, COMPRESSED_VIDEO, COMPRESSED_IMAGE])
@pytest.mark.parametrize("apart", [False, True])
def test_a_stream_is_read_alike_from_every_message_type_with_fields_at_their_default(coded_stream, kind, apart):
    from halsie_ros.video.stream import PacketStream

    stream, frames = PacketStream(), []
    for number, packet in enumerate(coded_stream("h264").packets):
        data = bytes(packet.data)
        cuts = [0, len(data) // 2, len(data)] if apart else [0, len(data)]
        for a, b in itertools.pairwise(cuts):
            writer = Writer().number("i", 12 + number // 25).number("I", number % 25 * 40_000_000).text("")
            if kind == FFMPEG_PACKET:
                writer.number("i", 0).number("i", 0).text("h264").number("Q", 0).number("B", 0).number("B", 1)
                writer.octets(data[a:b])
            elif kind == COMPRESSED_VIDEO:
                writer.octets(data[a:b]).text("h264")
            else:
                writer.text("h264").octets(data[a:b])
            frames += stream.push(read_packet(kind, writer.message()))
    frames += stream.flush()
    assert len(frames) == 60 and all(frame.trusted for frame in frames)
    assert [frame.stamp_ns for frame in frames] == [12_000_000_000 + n * 40_000_000 for n in range(60)]
