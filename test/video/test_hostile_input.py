"""Fuzzed packets: no crash, no exception, nothing beyond the limits."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halsie_ros.errors import VideoError
from halsie_ros.video.codecs.bits import BitReader, BitstreamError, nal_units, rbsp
from halsie_ros.video.codecs.h264.headers import parse_pps, parse_slice, parse_sps
from halsie_ros.video.codecs.h264.reader import H264Reader
from halsie_ros.video.codecs.hevc.headers import parse_pps as parse_hevc_pps
from halsie_ros.video.codecs.hevc.headers import parse_sps as parse_hevc_sps
from halsie_ros.video.codecs.readers import header_reader
from halsie_ros.video.decoder import Limits
from halsie_ros.video.packets import CODECS, PACKET_TYPES, Packet, read_packet
from halsie_ros.video.stream import PacketStream

RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
LIMITS = Limits(max_width=512, max_height=512, max_pixels=512 * 512)


def exp_golomb(*values: int) -> str:
    return "".join(f"{value + 1:b}".zfill(2 * (value + 1).bit_length() - 1) for value in values)


def packed(bits: str) -> bytes:
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def sps_of(width: int, height: int) -> bytes:
    """A Baseline sequence parameter set, written here by the standard's table 7.3.2.1.1."""
    bits = "01000010" + "00000000" + "00011110" + exp_golomb(0, 0, 0, 0, 1) + "0"
    return packed(bits + exp_golomb(width // 16 - 1, height // 16 - 1) + "1" + "1" + "0" + "0")


def test_a_sequence_parameter_set_is_read_field_by_field():
    number, sps = parse_sps(sps_of(640, 480))
    assert (number, sps.width, sps.height) == (0, 640, 480)
    assert (sps.frame_num_bits, sps.order_type, sps.order_bits, sps.references) == (4, 0, 4, 1)
    assert sps.frames_only and not sps.gaps_allowed


@pytest.mark.parametrize(("code", "value"), [("1", 0), ("010", 1), ("011", 2), ("00100", 3), ("0001000", 7)])
def test_exp_golomb_codes_have_the_standards_values(code, value):
    assert BitReader(packed(code)).ue() == value


def test_a_header_that_claims_a_huge_picture_is_refused(coded_stream):
    huge = b"\0\0\0\1\x67" + sps_of(16384, 16384)
    packets = coded_stream("h264").packets
    units = nal_units(bytes(packets[0].data))
    data = huge + b"".join(b"\0\0\0\1" + unit for unit in units if unit[0] & 31 != 7)
    stream = PacketStream(LIMITS)
    assert stream.push(Packet("h264", data, 0, 0)) + stream.flush() == []
    assert stream.counts["too_large"] + stream.counts["headers"] == 1
    assert not stream.trusted


@RELAXED
@given(data=st.data(), codec=st.sampled_from(["h264", "h264_b", "mpeg4", "mpeg4_b", "hevc", "mpeg2", "vp9"]))
def test_streams_with_changed_bytes_never_raise(coded_stream, data, codec):
    packets = list(coded_stream(codec).packets[:14])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(packets) - 1))
        content = bytearray(packets[at].data)
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
        packets[at] = Packet(packets[at].codec, bytes(content), packets[at].pts, packets[at].stamp_ns)
    stream = PacketStream(LIMITS)
    frames = [frame for packet in packets for frame in stream.push(packet)] + stream.flush()
    assert all(frame.luma.shape == (frame.height, frame.width) for frame in frames)
    assert all(LIMITS.allow(frame.width, frame.height) for frame in frames)
    assert all(frame.trusted == (not frame.reason) for frame in frames)


@RELAXED
@given(
    contents=st.lists(
        st.tuples(st.sampled_from(CODECS), st.binary(max_size=200), st.integers(-(2**40), 2**62)), max_size=8
    )
)
def test_noise_never_raises(contents):
    stream = PacketStream(LIMITS)
    for codec, content, time in contents:
        start = b"\0\0\1" if len(content) % 2 else b""
        stream.push(Packet(codec, start + content, time, 0))
    stream.flush()


@settings(max_examples=300, deadline=None)
@given(
    codec=st.sampled_from(CODECS),
    content=st.binary(max_size=120),
    unit=st.sampled_from([0x65, 0x41, 0x67, 0x68, 0x06, 0xB6]),
)
def test_header_readers_raise_only_their_own_error(codec, content, unit):
    reader = header_reader(codec)
    for data in (content, b"\0\0\1" + bytes([unit]) + content):
        try:
            reader.read(data)
        except BitstreamError as error:
            assert "\n" not in str(error)


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=80))
def test_slices_over_any_parameter_set_raise_only_their_own_error(content):
    try:
        _, sps = parse_sps(rbsp(content))
        _, pps = parse_pps(rbsp(content[::-1]))
        parse_slice(b"\x41" + content, {pps.sps: sps}, dict.fromkeys(range(256), pps))
    except BitstreamError as error:
        assert "\n" not in str(error)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=64))
def test_extradata_is_read_or_refused(content):
    for codec in CODECS:
        for head in (b"", b"\1" + bytes(21) + b"\3"):
            try:
                header_reader(codec, head + content)
            except BitstreamError as error:
                assert "\n" not in str(error)
    for parse in (parse_hevc_sps, parse_hevc_pps):
        try:
            parse(content)
        except BitstreamError as error:
            assert "\n" not in str(error)


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(PACKET_TYPES), content=st.binary(max_size=100))
def test_messages_are_read_or_refused(kind, content):
    try:
        read_packet(kind, b"\0\1\0\0" + content)
    except VideoError as error:
        assert "\n" not in str(error)


def test_a_slice_before_its_parameter_sets_is_refused(coded_stream):
    units = nal_units(bytes(coded_stream("h264").packets[0].data))
    slice_unit = next(unit for unit in units if unit[0] & 31 == 5)
    with pytest.raises(BitstreamError, match="has not come"):
        H264Reader().read(b"\0\0\1" + slice_unit)


def test_too_many_units_are_refused():
    with pytest.raises(BitstreamError, match="NAL units"):
        nal_units(b"\0\0\1\x09" * 1000)


def test_of_a_huge_parameter_set_only_the_head_is_read_and_kept(coded_stream):
    units = nal_units(bytes(coded_stream("h264").packets[0].data))
    pps = next(unit for unit in units if unit[0] & 31 == 8)
    sets = H264Reader().read(b"\0\0\1" + pps + b"\x55" * 2**20).sets
    assert sets is not None and len(sets["pps 0"]) <= 4096


def test_a_claimed_side_above_the_highest_level_is_refused():
    with pytest.raises(BitstreamError, match="pic_width_in_mbs_minus1"):
        parse_sps(sps_of(16 * 1056, 480))


def test_a_message_of_tiny_sei_payloads_is_not_read_over_and_over():
    from halsie_ros.video.codecs.h264.headers import recovery_point

    assert recovery_point(b"\1\0" * 50_000, None) is None
    assert recovery_point(b"\1\0\6\1\x80", None) == 0
    assert recovery_point(b"\x80", 3) == 3


def test_one_picture_in_thousands_of_messages_is_given_up():
    stream = PacketStream()
    stream.push(Packet("h264", b"\0\0\1\x65\x88", 0, 0))
    for number in range(6000):
        stream.push(Packet("h264", bytes([number % 250 + 3] * 6), number, number))
    assert stream.counts["too_large"] == 1
