"""Reading pictures to their end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halsie_ros.video.codecs.readers import header_reader
from halsie_ros.video.stream import PacketStream

X265 = "log-level=none:"
STREAMS = {
    "h264 with B-frames": ("libx264", {"preset": "medium", "x264-params": "scenecut=0"}),
    "h264 in slices": ("libx264", {"preset": "veryfast", "x264-params": "slices=3:bframes=0"}),
    "h264 lossless": ("libx264", {"preset": "ultrafast", "x264-params": "qp=0:cabac=1"}),
    "hevc": ("libx265", {"preset": "medium", "x265-params": X265 + "pools=none"}),
    "hevc in wavefronts": ("libx265", {"preset": "ultrafast", "x265-params": X265 + "pools=2:frame-threads=1"}),
    "hevc lossless": ("libx265", {"preset": "medium", "x265-params": X265 + "pools=none:lossless=1"}),
}


@pytest.fixture(scope="module", params=list(STREAMS))
def packets(request, encode, moving_scene):
    encoder, options = STREAMS[request.param]
    return [bytes(packet.data) for packet in encode(moving_scene(14, 112, 160, 3), encoder, options, 12)]


def ends_of(packets: list[bytes]) -> list[bool | None]:
    reader = header_reader("hevc" if b"x265" in packets[0] or packets[0][4:5] == b"\x40" else "h264")
    return [reader.ends(reader.read(data)) for data in packets]


def test_every_picture_of_a_clean_stream_ends_where_its_data_end(packets):
    assert ends_of(packets) == [True] * 14


def test_a_picture_with_changed_bytes_in_its_middle_does_not(packets):
    data = bytearray(packets[0])
    for at in range(len(data) * 3 // 4, len(data) * 3 // 4 + 12):
        data[at] ^= 0x55
    assert ends_of([bytes(data)]) == [False]


def test_a_picture_without_its_last_bytes_does_not(packets):
    assert ends_of([packets[0][:-9]]) == [False]


def test_a_unit_behind_a_start_code_within_the_last_one_is_not_part_of_it(packets):
    end = b"\0\0\0\1" + (b"\x4a\x01" if packets[0][4:5] == b"\x40" else b"\x0a")
    assert ends_of([packets[0] + end]) == [True]


def test_what_ffmpeg_checks_itself_is_not_read(coded_stream):
    assert ends_of([bytes(packet.data) for packet in coded_stream("h264_cavlc").packets[:3]]) == [None] * 3


def test_a_reader_that_is_not_thorough_trusts_what_ffmpeg_does_not_report(encode, moving_scene):
    """The price of reading stored clips quickly, which a live stream does not pay."""
    packets = encode(moving_scene(14, 112, 160, 3), "libx264", {"preset": "medium", "x264-params": "bframes=0"}, 12)

    def trusted(data, thorough):
        stream = PacketStream(thorough=thorough)
        changed = [replace(packets[0], data=data), *packets[1:6]]
        frames = [frame for packet in changed for frame in stream.push(packet)] + stream.flush()
        return [frame.trusted for frame in frames]

    content = bytes(packets[0].data)
    assert all(trusted(content, True)) and all(trusted(content, False))
    unreported = 0
    for at in range(len(content) // 2, len(content) - 4, len(content) // 40):
        flipped = content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
        quick = trusted(flipped, False)
        unreported += any(quick)
        assert not any(trusted(flipped, True))
    assert unreported > 0
