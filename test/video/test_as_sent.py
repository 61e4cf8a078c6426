"""Messages as tools send them: pieces of pictures, several in one, none at all; lengths instead of start codes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halsie_ros.video.assembly import Assembler
from halsie_ros.video.codecs.bits import BitstreamError
from halsie_ros.video.codecs.framing import Framing, configuration
from halsie_ros.video.codecs.readers import header_reader
from halsie_ros.video.decoder import Limits
from halsie_ros.video.packets import CODECS, Packet
from halsie_ros.video.starts import holds_picture, starts_picture
from halsie_ros.video.stream import PacketStream

T0, STEP = 1_700_000_000_000_000_000, 40_000_000
LENGTH, GOP = 36, 12
SLICED = {
    "h264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "x264-params": "scenecut=0:ref=1:slices=3"}),
    "h264_cavlc": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0:slices=3"}),
    "h264_b": ("libx264", {"preset": "veryfast", "x264-params": "scenecut=0:slices=2:bframes=2:b-adapt=0:aud=1"}),
    "hevc": (
        "libx265",
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x265-params": "log-level=none:pools=2:frame-threads=1:slices=3:ctu=16:wpp=1",
        },
    ),
    "mpeg4": ("mpeg4", {"qscale": "4"}),
    "mpeg4_b": ("mpeg4", {"qscale": "4", "bf": "2"}),
    "mpeg2": ("mpeg2video", {"qscale": "4"}),
}


@pytest.fixture(scope="module")
def sent(encode, moving_scene):
    """A stream of whole pictures as messages without pts, stamped at capture; by name."""
    made: dict[str, list[Packet]] = {}

    def of(name: str) -> list[Packet]:
        if name not in made:
            encoder, options = SLICED[name]
            packets = encode(moving_scene(LENGTH, 112, 160, 1), encoder, options, GOP)
            made[name] = [replace(p, pts=None, stamp_ns=T0 + p.pts * STEP, keyframe=None) for p in packets]
        return made[name]

    return of


def units(data: bytes) -> list[bytes]:
    """Units with their start codes, found here by hand; of NAL units, those of four bytes."""
    long = data[:4] == b"\0\0\0\1"
    places, at = [], data.find(b"\0\0\1")
    while at >= 0:
        places.append(at - (long and at > 0 and data[at - 1] == 0))
        at = data.find(b"\0\0\1", at + 3)
    return [data[a:b] for a, b in zip(places, [*places[1:], len(data)])]


def bare(unit: bytes) -> bytes:
    return unit[unit.index(b"\0\0\1") + 3 :]


def all_of(packets: list[Packet], stream: PacketStream | None = None) -> list:
    stream = stream or PacketStream()
    return [frame for packet in packets for frame in stream.push(packet)] + stream.flush()


def assert_whole(packets: list[Packet], clean: list[Packet]) -> PacketStream:
    """Every picture comes out, trusted, and equal to that of whole messages."""
    stream = PacketStream()
    frames, expected = all_of(packets, stream), all_of(clean)
    assert [frame.reason for frame in frames if not frame.trusted] == []
    assert len(frames) == len(expected) == LENGTH
    for frame, other in zip(frames, expected):
        assert (frame.luma == other.luma).all() and frame.type == other.type
    return stream


@pytest.mark.parametrize("name", list(SLICED))
def test_whole_pictures_are_the_control(sent, name):
    stream = assert_whole(sent(name), sent(name))
    assert stream.notes == {} and set(stream.counts) == {"joined"}


@pytest.mark.parametrize("name", list(SLICED))
def test_a_unit_per_message_is_put_together(sent, name):
    apart = [replace(p, data=unit) for p in sent(name) for unit in units(bytes(p.data))]
    assert len(apart) > LENGTH
    stream = assert_whole(apart, sent(name))
    assert ("pieces" in stream.notes) == (not name.startswith("mpeg4"))  # whose pictures are one unit each


@pytest.mark.parametrize("name", list(SLICED))
@pytest.mark.parametrize("size", [1500, 97])
def test_bytes_cut_anywhere_are_put_together(sent, name, size):
    whole = b"".join(bytes(p.data) for p in sent(name))
    codec = sent(name)[0].codec
    chunks = [Packet(codec, whole[at : at + size], None, T0 + at * 100_000) for at in range(0, len(whole), size)]
    frames, expected = all_of(chunks), all_of(sent(name))
    assert [frame.reason for frame in frames if not frame.trusted] == []
    assert len(frames) == len(expected)
    assert all((frame.luma == other.luma).all() for frame, other in zip(frames, expected))


@pytest.mark.parametrize("name", list(SLICED))
def test_two_pictures_in_one_message_are_taken_apart_and_their_stamps_spread(sent, name):
    packets = sent(name)
    pairs = [
        replace(a, data=bytes(a.data) + bytes(b.data), stamp_ns=T0 + 2 * i * STEP)
        for i, (a, b) in enumerate(zip(packets[::2], packets[1::2]))
    ]
    stream = assert_whole(pairs, packets)
    assert "several" in stream.notes
    if name in ("h264", "mpeg4"):
        stamps = [frame.stamp_ns for frame in all_of(pairs)]
        assert stamps[2:] == [T0 + i * STEP for i in range(2, LENGTH)]


@pytest.mark.parametrize("name", ["h264", "h264_cavlc", "hevc"])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_piece_is_no_trusted_picture(sent, name, lost):
    slices = units(bytes(sent(name)[5].data))
    for thorough in (True, False):
        apart = [
            replace(p, data=unit)
            for number, p in enumerate(sent(name))
            for unit in units(bytes(p.data))
            if not (number == 5 and unit == slices[-lost])
        ]
        frames = all_of(apart, PacketStream(thorough=thorough))
        good = all_of(sent(name))
        stamps = {frame.stamp_ns: frame.luma for frame in good}
        bad = [f.stamp_ns for f in frames if f.trusted and abs(stamps[f.stamp_ns].astype(int) - f.luma).mean() > 2]
        assert bad == []
        assert any(not frame.trusted for frame in frames)
        assert frames[-1].trusted  # from the next key frame on


@pytest.mark.parametrize("name", ["h264", "h264_cavlc", "hevc"])
def test_pieces_around_a_boundary_that_are_lost_do_not_join_two_pictures(sent, name):
    gone = {units(bytes(sent(name)[5].data))[-1], units(bytes(sent(name)[6].data))[0]}
    apart = [replace(p, data=u) for p in sent(name) for u in units(bytes(p.data)) if u not in gone]
    stamps = {frame.stamp_ns: frame.luma for frame in all_of(sent(name))}
    frames = all_of(apart)
    assert not any(f.trusted and abs(stamps[f.stamp_ns].astype(int) - f.luma).mean() > 2 for f in frames)
    assert not all(frame.trusted for frame in frames)


@pytest.mark.parametrize("name", ["h264", "h264_b", "hevc", "mpeg4", "mpeg2"])
def test_messages_without_a_picture_are_no_loss(sent, name):
    spare = {
        "h264": [b"\0\0\0\1\x09\x10", b"\0\0\0\1\x0c\xff\xff\xff\x80", b"\0\0\1\x06\x05\x04abcd\x80"],
        "hevc": [b"\0\0\0\1\x46\1\x10", b"\0\0\0\1\x4e\1\x05\x04abcd\x80", b"\0\0\0\1\x4c\1\xff\x80"],
        "mpeg4": [b"\x7f", b"\0\0\1\xb2DivX503b1393p", b"\0\0\0\0"],
        "mpeg2video": [b"\0\0\1\xb7", b"\0\0\1\xb2abc"],
    }[sent(name)[0].codec]
    odd = [
        q
        for number, p in enumerate(sent(name))
        for q in (replace(p, data=spare[number % len(spare)], stamp_ns=p.stamp_ns - 1), p)
    ]
    assert_whole(odd, sent(name))


@pytest.mark.parametrize("name", ["mpeg4", "mpeg2"])
def test_parameter_sets_in_messages_of_their_own_go_with_the_next_picture(sent, name):
    apart = []
    for p in sent(name):
        parts = units(bytes(p.data))
        picture = next(i for i, unit in enumerate(parts) if bare(unit)[0] in (0xB6, 0x00) and len(unit) > 5)
        heads, rest = b"".join(parts[:picture]), b"".join(parts[picture:])
        apart += [replace(p, data=heads, stamp_ns=p.stamp_ns - 1)] if heads else []
        apart.append(replace(p, data=rest))
    assert len(apart) > LENGTH
    assert_whole(apart, sent(name))


def prefixed(data: bytes, size: int = 4) -> bytes:
    return b"".join(len(bare(u)).to_bytes(size, "big") + bare(u) for u in units(data))


@pytest.mark.parametrize("name", ["h264", "h264_cavlc", "hevc"])
@pytest.mark.parametrize("size", [4, 2])
def test_units_behind_their_lengths_are_read_and_said(sent, name, size):
    stream = assert_whole([replace(p, data=prefixed(bytes(p.data), size)) for p in sent(name)], sent(name))
    assert "mp4toannexb" in stream.notes["length_prefixed"]


def test_a_small_picture_whose_length_looks_like_a_start_code_is_no_annex_b():
    framing = Framing("h264")
    large = b"\x65\x88" + bytes(range(1, 255)) * 20
    assert framing.with_start_codes(len(large).to_bytes(4, "big") + large) == b"\0\0\0\1" + large
    small = b"\x41\x9a" + b"\x55" * 298  # 300 bytes: its length is 00 00 01 2c
    assert framing.with_start_codes(len(small).to_bytes(4, "big") + small) == b"\0\0\0\1" + small
    assert Framing("h264").with_start_codes(b"\0\0\1\x67abc") == b"\0\0\1\x67abc"


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_a_configuration_record_before_the_pictures_brings_their_parameter_sets(sent, name):
    hevc = name == "hevc"
    is_set = (lambda u: bare(u)[0] >> 1 & 63 in (32, 33, 34)) if hevc else (lambda u: bare(u)[0] & 31 in (7, 8))
    sets = [bare(u) for u in units(bytes(sent(name)[0].data)) if is_set(u)]
    if hevc:
        record = b"\1" + bytes(20) + b"\3" + bytes([len(sets)])
        record += b"".join(bytes([s[0] >> 1 & 63, 0, 1]) + len(s).to_bytes(2, "big") + s for s in sets)
    else:
        record = b"\1\x64\0\x0a\xff\xe1" + len(sets[0]).to_bytes(2, "big") + sets[0]
        record += b"\1" + len(sets[1]).to_bytes(2, "big") + sets[1]
    assert configuration(record, hevc=hevc) == sets
    pictures = [
        replace(p, data=prefixed(b"".join(u for u in units(bytes(p.data)) if not is_set(u)))) for p in sent(name)
    ]
    first = Packet(pictures[0].codec, record, None, T0 - 1)
    assert_whole([first, *pictures], sent(name))
    missing = PacketStream()
    assert all_of(pictures, missing) == []
    assert missing.counts["headers"] == LENGTH


def test_messages_that_begin_no_picture_are_refused_in_one_line():
    stream, noise = PacketStream(), random.Random(1)
    for number in range(40):
        assert stream.push(Packet("h264", noise.randbytes(900), None, T0 + number * STEP)) == []
    assert "Annex B" in stream.broken_by and "\n" not in stream.broken_by


def test_whole_messages_after_a_damaged_one_cost_no_more_than_a_gop(sent):
    packets = list(sent("h264"))
    packets[4] = replace(packets[4], data=b"\x55" * 700)
    frames = all_of(packets)
    assert [f.stamp_ns for f in frames if f.trusted] == [T0 + i * STEP for i in range(LENGTH) if i < 4 or i >= GOP]


def test_a_packed_b_frame_and_its_placeholder_are_one_picture_each(sent):
    """MPEG-4 as DivX writes AVI: P and B in one packet, a not coded VOP in the next one's place."""
    packets = list(sent("mpeg4_b"))
    packed, at = [], 0
    while at < len(packets):
        p = packets[at]
        follows = at + 1 < len(packets) and bare(units(bytes(packets[at + 1].data))[-1])[1] >> 6 == 2
        if follows and bare(units(bytes(p.data))[-1])[1] >> 6 != 2:
            vop = bare(units(bytes(p.data))[-1])
            packed.append(replace(p, data=bytes(p.data) + bytes(packets[at + 1].data), stamp_ns=T0 + at * STEP))
            # the placeholder: a P-VOP of the same time whose vop_coded is 0
            bits = bin(int.from_bytes(b"\1" + vop[1:9], "big"))[3:]
            end = bits.index("0", 2)  # of the seconds passed; none have since the P-VOP
            head = "01" + bits[end : end + 8] + "0" + "1"  # marker, 25 ticks in 5 bits, marker; vop_coded
            head += "0" * (-len(head) % 8)
            packed.append(
                Packet(
                    "mpeg4", b"\0\0\1\xb6" + int(head, 2).to_bytes(len(head) // 8, "big"), None, T0 + (at + 1) * STEP
                )
            )
            at += 2
        else:
            packed.append(replace(p, stamp_ns=T0 + at * STEP))
            at += 1
    frames = all_of(packed)
    assert len(frames) == LENGTH
    assert [frame.reason for frame in frames if not frame.trusted] == []


STARTS = ("h264", "h264_cavlc", "h264_b", "hevc", "mpeg4", "mpeg4_b", "mpeg2", "vp9")


@pytest.mark.parametrize("name", STARTS)
def test_key_pictures_are_told_from_the_bitstream(coded_stream, name):
    for packet in coded_stream(name).packets:
        assert starts_picture(packet.codec, packet.data) == packet.keyframe
        assert holds_picture(packet.codec, packet.data)


def test_a_key_picture_in_pieces_starts_with_its_first_one(sent):
    parts = units(bytes(sent("h264")[0].data))
    assert [starts_picture("h264", part) for part in parts] == [False, False, False, True, False, False]
    assert [holds_picture("h264", part) for part in parts] == [False, False, False, True, True, True]


def test_an_intra_refresh_can_be_joined_where_its_recovery_point_says_so(encode, moving_scene):
    options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "intra-refresh=1:ref=1:keyint=12"}
    packets = encode(moving_scene(36, 112, 160, 1), "libx264", options, 12)
    assert [i for i, p in enumerate(packets) if starts_picture("h264", p.data)] == [0, 12, 24]


RELAXED = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@RELAXED
@given(data=st.data(), name=st.sampled_from(["h264", "h264_b", "hevc", "mpeg4_b", "mpeg2"]))
def test_streams_cut_at_random_places_give_the_same_pictures(sent, data, name):
    whole = b"".join(bytes(p.data) for p in sent(name)[:GOP])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), min_size=3, max_size=40)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])]
    codec = sent(name)[0].codec
    frames = all_of([Packet(codec, chunk, None, T0 + i * STEP) for i, chunk in enumerate(chunks)])
    expected = all_of(sent(name)[:GOP])
    trusted = [frame for frame in frames if frame.trusted]
    for frame in trusted:
        assert any((frame.luma == other.luma).all() for other in expected)


@RELAXED
@given(
    codec=st.sampled_from(CODECS),
    contents=st.lists(
        st.tuples(st.sampled_from([b"", b"\0\0\1", b"\0\0\0\1", b"\0\0\0\5", b"\1"]), st.binary(max_size=80)),
        max_size=24,
    ),
)
def test_assembling_noise_never_raises_and_loses_no_bound(codec, contents):
    assembler = Assembler(codec, 1000, Counter())
    for number, (head, content) in enumerate(contents):
        for picture in assembler.push(Packet(codec, head + content, number, number)):
            assert len(picture.data) <= 4000
    assembler.flush()


@settings(max_examples=300, deadline=None)
@given(codec=st.sampled_from(CODECS), content=st.binary(max_size=120), head=st.sampled_from([b"", b"\0\0\1", b"\1"]))
def test_what_starts_and_what_holds_a_picture_is_said_of_any_bytes(codec, content, head):
    starts_picture(codec, head + content)
    holds_picture(codec, head + content)
    for hevc in (False, True):
        configuration(head + content, hevc=hevc)
    try:
        header_reader(codec).ends(header_reader(codec).read(head + content))
    except BitstreamError as error:
        assert "\n" not in str(error)


def test_a_picture_in_pieces_above_the_limit_is_refused(sent):
    stream = PacketStream(Limits(max_packet_bytes=600))
    whole = bytes(sent("h264")[0].data)
    for at in range(0, len(whole), 200):
        stream.push(Packet("h264", whole[at : at + 200], None, T0 + at))
    assert stream.flush() == [] and stream.counts["too_large"] >= 1
