"""What the stream gives besides trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from halsie_ros.errors import VideoError
from halsie_ros.video.decoder import Limits
from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def test_frames_carry_type_time_and_the_clean_picture(coded_stream):
    clean = coded_stream("h264")
    stream = PacketStream()
    frames = [frame for packet in clean.packets[:24] for frame in stream.push(packet)]
    assert "".join(frame.type for frame in frames) == "I" + 11 * "P" + "I" + 11 * "P"
    assert [(f.pts, f.stamp_ns, f.index) for f in frames] == [(i, i, i) for i in range(24)]
    assert [(f.gop, f.step) for f in frames] == [(i // 12, i % 12) for i in range(24)]
    for frame in frames:
        np.testing.assert_array_equal(frame.luma, clean.lumas[frame.pts])
    assert frames[0].image.shape == (112, 160, 3)
    assert frames[1].image is None


def test_a_live_packet_gives_its_picture_at_once(coded_stream):
    for name in ("h264", "mpeg4", "hevc", "vp9", "mpeg2"):
        stream = PacketStream()
        given = [len(stream.push(packet)) for packet in coded_stream(name).packets[:12]]
        assert sum(given) >= 11, name  # MPEG-2 holds one for reordering until the sequence says otherwise


def test_b_frames_come_in_output_order_and_use_no_vectors(coded_stream):
    stream = PacketStream()
    frames = [f for p in coded_stream("mpeg4_b").packets for f in stream.push(p)] + stream.flush()
    assert [f.pts for f in frames] == list(range(60))
    assert {f.vectors_use for f in frames if f.type == "B"} == {"none"}
    assert {f.vectors_use for f in frames if f.type == "P"} == {"all"}


def test_a_claimed_size_above_the_limit_is_refused(coded_stream):
    packets = coded_stream("h264").packets
    stream = PacketStream(Limits(max_width=128))
    assert [frame for packet in packets for frame in stream.push(packet)] == []
    assert stream.counts["too_large"] == len(packets)
    assert "160x112" in stream.broken_by


def test_a_packet_above_the_limit_is_refused(coded_stream):
    stream = PacketStream(Limits(max_packet_bytes=100))
    assert stream.push(coded_stream("mpeg4").packets[0]) == []
    assert stream.counts["too_large"] == 1


def test_limits_that_allow_nothing_are_refused():
    with pytest.raises(VideoError, match="max_pixels is 0"):
        Limits(max_pixels=0)


def test_an_unknown_codec_is_refused_by_name():
    with pytest.raises(VideoError, match="'theora9' cannot be opened"):
        PacketStream().push(Packet("theora9", b"abc"))


def test_a_size_change_mid_stream_starts_anew(coded_stream):
    small = [
        Packet(p.codec, p.data, p.pts + 12, p.stamp_ns + 12)
        for p in coded_stream("h264", size=(96, 128), seed=7).packets
    ]
    stream = PacketStream()
    frames = [f for p in (*coded_stream("h264").packets[:12], *small[:6]) for f in stream.push(p)]
    assert [f.luma.shape for f in frames] == [(112, 160)] * 12 + [(96, 128)] * 6
    assert all(f.trusted for f in frames)
    assert stream.counts["size_changed"] == 1
    assert frames[12].reference_luma is None


def test_memory_does_not_grow(coded_stream):
    packets = coded_stream("mpeg4", 12, (48, 64)).packets
    stream = PacketStream()

    def run(rounds: int) -> None:
        for number in range(rounds):
            for packet in packets:
                time = 12 * number + packet.pts
                stream.push(Packet(packet.codec, packet.data, time, time))

    run(100)
    before = resident_mb()
    run(800)
    assert stream.frames == 900 * 12
    assert resident_mb() - before < 6


def test_out_of_band_parameter_sets_serve(tmp_path, coded_stream):
    packets = list(coded_stream("mpeg4").packets)
    data = bytes(packets[0].data)
    head = data[: data.index(b"\0\0\1\xb6")]
    bare = [Packet(p.codec, p.data, p.pts, p.stamp_ns, extradata=head) for p in packets[:6]]
    bare[0] = Packet("mpeg4", data[len(head) :], 0, 0, extradata=head)
    stream = PacketStream()
    assert [f.trusted for p in bare for f in stream.push(p)] == [True] * 6
