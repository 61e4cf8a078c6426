"""Distrust that ends when it should, and lasts with a remedy when nothing will end it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream

T0, STEP = 1_700_000_000_000_000_000, 33_333_333
LIVE = {"preset": "veryfast", "tune": "zerolatency"}


def stamped(packets, first=0):
    return [replace(p, pts=None, keyframe=None, stamp_ns=T0 + (first + n) * STEP) for n, p in enumerate(packets)]


def frames_of(packets, stream):
    return [frame for packet in packets for frame in stream.push(packet)] + stream.flush()


def without(data: bytes, unwanted) -> bytes:
    """Annex B data without the units whose first byte is unwanted."""
    places, at = [], data.find(b"\0\0\1")
    while at >= 0:
        places.append(at)
        at = data.find(b"\0\0\1", at + 3)
    parts = [data[a + 3 : b] for a, b in pairwise([*places, len(data)])]
    return b"".join(b"\0\0\1" + part for part in parts if not unwanted(part[0]))


@pytest.mark.parametrize(("encoder", "codec"), [("libx264", "h264"), ("mpeg4", "mpeg4"), ("libx265", "hevc")])
def test_predicted_pictures_alone_end_in_a_line_that_names_the_encoders_setting(encode, moving_scene, encoder, codec):
    options = {
        "libx264": {**LIVE, "x264-params": "scenecut=0"},
        "mpeg4": {},
        "libx265": {**LIVE, "x265-params": "log-level=none:pools=none:scenecut=0"},
    }
    packets = stamped(encode(moving_scene(220, 64, 96, 1), encoder, options[encoder], 10_000))
    stream = PacketStream()
    early = [stream.push(p) for p in packets[20:100]]
    assert not any(early) and "key frame interval" not in stream.broken_by
    assert frames_of([], stream) == []
    for packet in packets[100:]:
        stream.push(packet)
    assert re.match(r"no I-frame and no recovery point in [67] s \(200 packets\): set the", stream.broken_by)
    assert "gop_size" in stream.broken_by and stream.notes["key_frames"] == stream.broken_by
    again = [frame for packet in stamped(packets[:30], 300) for frame in stream.push(packet)]
    assert len(again) >= 29 and all(frame.trusted for frame in again)  # a sender that starts anew is believed
    assert "key_frames" not in stream.notes


def test_a_refresh_is_trusted_with_recovery_points_and_refused_by_name_without(encode, moving_scene):
    options = {**LIVE, "x264-params": "scenecut=0:ref=1:intra-refresh=1:keyint=20"}
    packets = stamped(encode(moving_scene(240, 64, 96, 1), "libx264", options, 20))[7:]
    frames = frames_of(packets, PacketStream())
    assert len(frames) > 180 and all(frame.trusted for frame in frames[20:])
    stream = PacketStream()
    for packet in packets:
        assert stream.push(replace(packet, data=without(bytes(packet.data), lambda head: head & 31 == 6))) == []
    assert "no recovery point in 8 s" in stream.broken_by
    assert "parameter set" not in stream.broken_by  # which have come since


def test_intra_frames_at_which_decoding_may_not_start_are_named(encode, moving_scene):
    options = {"preset": "veryfast", "x264-params": "scenecut=0:ref=3:open-gop=1:keyint=20:bframes=2"}
    packets = stamped(encode(moving_scene(240, 64, 96, 1), "libx264", options, 20))[7:]
    stream = PacketStream()
    for packet in packets:
        stream.push(replace(packet, data=without(bytes(packet.data), lambda head: head & 31 == 6)))
    assert "I-frames, but none at which decoding may start" in stream.broken_by
    assert "open GOPs" in stream.broken_by


REF = {**LIVE, "x264-params": "ref=1"}
QUIET = {**LIVE, "x265-params": "log-level=none:pools=none"}
HARMLESS = {
    "h264, frame rate": ("libx264", REF, REF, (25, 50)),
    "h264, level": ("libx264", REF, {**LIVE, "x264-params": "ref=1:level=4"}, (25, 25)),
    "h264, aspect": ("libx264", REF, {**LIVE, "x264-params": "ref=1:sar=4/3"}, (25, 25)),
    "hevc, frame rate": ("libx265", QUIET, QUIET, (25, 50)),
    "hevc, level": ("libx265", QUIET, {**LIVE, "x265-params": "log-level=none:pools=none:level-idc=5"}, (25, 25)),
}


@pytest.mark.parametrize("kind", list(HARMLESS))
def test_headers_with_harmless_differences_are_the_same(encode, moving_scene, kind):
    encoder, first, second, rates = HARMLESS[kind]
    parts = [
        encode(moving_scene(12, 112, 160, 1), encoder, options, 12, rate)
        for options, rate in zip((first, second, first), (*rates, rates[0]))
    ]
    assert bytes(parts[0][0].data)[:60] != bytes(parts[1][0].data)[:60]
    stream = PacketStream()
    frames = frames_of(stamped([p for part in parts for p in part]), stream)
    assert [frame.reason for frame in frames if not frame.trusted] == [] and len(frames) == 36
    assert stream.counts["parameters_changed"] == 0


def test_a_layer_header_with_another_aspect_ratio_is_the_same(coded_stream):
    packets = stamped(coded_stream("mpeg4").packets)
    layer = packets[0].data.index(b"\0\0\1\x20") + 4
    bits = f"{int.from_bytes(bytes(packets[0].data)[layer : layer + 4], 'big'):032b}"
    place = 9 if bits[9] == "0" else 9 + 7
    ratio = bits[place + 1 : place + 5] if bits[9] == "0" else bits[17:21]
    assert ratio == "0001"  # square, where this encoder puts it
    at = (place + 1) if bits[9] == "0" else 17
    changed = bits[:at] + "0011" + bits[at + 4 :]
    data = bytearray(packets[24].data)
    there = data.index(b"\0\0\1\x20") + 4
    data[there : there + 4] = int(changed, 2).to_bytes(4, "big")
    packets[24] = replace(packets[24], data=bytes(data))
    stream = PacketStream()
    assert all(frame.trusted for frame in frames_of(packets, stream))
    assert stream.counts["parameters_changed"] == 0


def test_two_parameter_sets_that_take_turns_are_believed_once_both_came_twice(encode, moving_scene):
    variants = [
        encode(moving_scene(6, 112, 160, 1), "libx264", {**LIVE, "x264-params": params}, 6)
        for params in ("ref=1:cabac=1", "ref=1:cabac=0")
    ]
    packets = stamped([p for turn in range(10) for p in variants[turn % 2]])
    stream = PacketStream()
    frames = frames_of(packets, stream)
    untrusted = {(frame.stamp_ns - T0) // STEP // 6 for frame in frames if not frame.trusted}
    assert untrusted == {1}  # the first turn of the second variant
    assert stream.counts["parameters_changed"] == 1


@pytest.mark.parametrize("name", ["h264", "hevc", "mpeg4", "vp9"])
def test_a_key_frame_stamped_far_in_the_future_after_a_loss_does_not_spoil_the_stream(coded_stream, name):
    packets = stamped(coded_stream(name).packets)
    del packets[10]
    at = next(i for i, p in enumerate(coded_stream(name).packets) if p.keyframe and i > 10) - 1
    packets[at] = replace(packets[at], stamp_ns=packets[at].stamp_ns + 3_600 * 10**9)
    frames = frames_of(packets, PacketStream())
    last = [frame for frame in frames if frame.stamp_ns >= T0 + 40 * STEP]
    assert sum(frame.trusted for frame in last) >= 18


def test_av1_is_taken_apart_and_its_key_frames_are_found(moving_scene):
    from fractions import Fraction

    import av

    from halsie_ros.video.starts import holds_picture, starts_picture

    try:
        context = av.CodecContext.create("libsvtav1", "w")
    except (ValueError, av.error.FFmpegError):
        pytest.skip("this build of FFmpeg encodes no AV1")
    context.height, context.width, context.pix_fmt = 112, 160, "yuv420p"
    context.time_base, context.framerate, context.gop_size = Fraction(1, 25), 25, 12
    context.options = {"preset": "12", "svtav1-params": "pred-struct=1:lp=1"}
    packets = []
    for number, picture in enumerate([*moving_scene(24, 112, 160, 1), None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
        packets += [Packet("av1", bytes(packet)) for packet in context.encode(frame)]
    packets = stamped(packets)
    assert [n for n, p in enumerate(packets) if starts_picture("av1", p.data)] == [0, 12]
    assert all(holds_picture("av1", p.data) for p in packets) and not holds_picture("av1", b"\x12\0")
    pairs = [replace(a, data=bytes(a.data) + bytes(b.data)) for a, b in zip(packets[::2], packets[1::2])]
    stream = PacketStream()
    frames = frames_of(pairs, stream)
    assert len(frames) == 24 and "several" in stream.notes
    assert {frame.reason.split(":")[0] for frame in frames if not frame.trusted} <= {"unsettled"}
