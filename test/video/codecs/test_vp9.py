"""VP9's headers, superframes and limits, and how much damage its decoder shows."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.video.codecs.bits import BitstreamError
from halsie_ros.video.codecs.vp9 import Vp9Reader, as_superframe, frames_of
from halsie_ros.video.decoder import Decoder, Limits, luma_of
from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream


def bits(text: str) -> bytes:
    text = text.replace(" ", "")
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


SYNC = f"{0x498342:024b}"


def key_frame(width: int, height: int) -> bytes:
    """By the specification's table 6.2: marker, profile 0, key frame, shown, then sync, colour and size."""
    return bits(f"10 00 0 0 1 0 {SYNC} 001 0 {width - 1:016b} {height - 1:016b} 0") + bytes(24)


def inter_frame(width: int, height: int) -> bytes:
    """Not as large as any of its three references."""
    return bits(f"10 00 0 1 1 0 00 {0:08b} {'0000' * 3} 000 {width - 1:016b} {height - 1:016b} 0") + bytes(24)


def test_headers_say_what_the_encoder_made(coded_stream):
    clean = coded_stream("vp9")
    reader = Vp9Reader()
    for number, packet in enumerate(clean.packets):
        sight = reader.read(bytes(packet.data))
        assert (sight.kind, sight.starts) == ((clean.types[number], clean.types[number] == "I"))
        assert sight.size == clean.lumas[0].shape[::-1]


@pytest.mark.parametrize("frame", [key_frame(321, 243), inter_frame(321, 243)])
def test_sizes_are_read_bit_by_bit(frame):
    assert Vp9Reader().read(frame).size == (321, 243)


def test_a_superframe_is_split_by_its_index():
    key, inter = key_frame(64, 48), inter_frame(64, 48)
    marker = bytes([0b110_01_001])  # sizes of two bytes, two frames
    index = marker + len(key).to_bytes(2, "little") + len(inter).to_bytes(2, "little") + marker
    assert frames_of(key + inter + index) == [key, inter]
    assert as_superframe(key + inter + index) == key + inter + index
    assert frames_of(as_superframe(key)) == [key]
    with pytest.raises(BitstreamError, match="superframe names"):
        frames_of(key[:10] + index)


@pytest.mark.parametrize("damaged", [b"\0" * 40, key_frame(64, 48)[:3], bits("10 00 0 0 1 0") + bytes(40)])
def test_damaged_headers_are_errors(damaged):
    with pytest.raises(BitstreamError):
        Vp9Reader().read(damaged)


@pytest.mark.parametrize("frame", [key_frame(16384, 16384), inter_frame(16384, 16384)])
def test_a_frame_that_claims_a_huge_picture_is_refused(coded_stream, frame):
    first = coded_stream("vp9").packets[0]
    hidden = bytes(first.data) + frame
    stream = PacketStream(Limits(max_width=512, max_height=512, max_pixels=512 * 512))
    stream.push(first)
    assert stream.push(Packet("vp9", frame, 1, 1)) == []
    assert stream.counts["too_large"] == 1
    # A second frame that no index names is never decoded.
    decoder = Decoder("vp9")
    picture = decoder.decode(hidden, 0).pictures[0]
    assert np.array_equal(luma_of(picture), coded_stream("vp9").lumas[0])


def test_deep_video_has_the_decoder_that_knows_it(coded_stream):
    assert Decoder("vp9", first=bytes(coded_stream("vp9").packets[0].data)).complains
    assert not Decoder("vp9", first=bits("10 01 0 0 1 0") + bytes(24)).complains


@pytest.mark.parametrize("fault", ["damaged_intra", "damaged_run", "truncated"])
def test_most_damage_within_packets_is_found(judged, fault):
    assert [judged("vp9", fault, seed).undetected for seed in range(3)] == [[]] * 3
