"""Files as cameras, telephones and old encoders write them: all are read, upright, and trusted."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from halsie_ros.action.clip import read_clip
from halsie_ros.video.features import FeatureExtractor
from halsie_ros.video.file import VideoFile
from halsie_ros.video.stream import PacketStream

FAST = {"preset": "veryfast"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"}
VPX = {"deadline": "realtime", "cpu-used": "8"}
KINDS = {
    # suffix, encoder, (height, width), rate, GOP, B-frames, options
    "GOP of 1": ("mp4", "libx264", (112, 160), 30, 1, 0, FAST),
    "GOP of 2": ("mp4", "libx264", (112, 160), 30, 2, 0, FAST),
    "GOP of 250": ("mp4", "libx264", (112, 160), 30, 250, 0, FAST),
    "four references, pyramid": ("mp4", "libx264", (112, 160), 30, 30, 3, {"preset": "slow", "x264-params": "ref=4"}),
    "open GOPs": ("mkv", "libx264", (112, 160), 30, 20, 3, {"x264-params": "open-gop=1:keyint=20:ref=3"}),
    "10 Hz": ("mp4", "libx264", (112, 160), 10, 12, 0, FAST),
    "NTSC": ("mp4", "libx264", (112, 160), Fraction(30000, 1001), 12, 2, FAST),
    "60 Hz": ("mp4", "libx264", (112, 160), 60, 12, 0, FAST),
    "1080p": ("mp4", "libx264", (1080, 1920), 30, 12, 0, {"preset": "ultrafast"}),
    "odd size": ("avi", "mpeg4", (121, 163), 30, 12, 0, {}),
    "MPEG-4 with B-frames": ("mp4", "mpeg4", (112, 160), 25, 12, 2, {}),
    "AVI with B-frames": ("avi", "mpeg4", (112, 160), 25, 12, 2, {}),
    "transport stream": ("ts", "libx264", (112, 160), 30, 12, 2, FAST),
    "programme stream": ("mpg", "mpeg2video", (112, 160), 25, 12, 2, {}),
    "Flash": ("flv", "libx264", (112, 160), 30, 12, 2, FAST),
    "HEVC": ("mp4", "libx265", (112, 160), 30, 12, 2, X265),
    "VP9, odd size": ("webm", "libvpx-vp9", (101, 131), 30, 30, 0, VPX),
}
LENGTH = 26


def write(path, pictures, encoder, rate=30, gop=12, b_frames=0, options=None, change=lambda packets: packets):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        context = stream.codec_context
        context.gop_size, context.max_b_frames, context.thread_count = gop, b_frames, 1
        frames = [av.VideoFrame.from_ndarray(p, format="rgb24").reformat(format="yuv420p") for p in pictures]
        packets = [packet for frame in [*frames, None] for packet in stream.encode(frame)]
        for packet in change(packets):
            packet.stream = stream
            container.mux(packet)
    return path


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_file_is_read_whole_and_gives_steps_to_the_network(tmp_path, moving_scene, kind):
    suffix, encoder, size, rate, gop, b_frames, options = KINDS[kind]
    path = tmp_path / f"clip.{suffix}"
    write(path, moving_scene(LENGTH, *size, 1), encoder, rate, gop, b_frames, options)
    with VideoFile(path) as video:
        assert (video.info.height, video.info.width, video.info.rotation) == (*size, 0)
        stream = video.new_stream()
        frames = list(video.frames(stream))
    assert [frame.reason for frame in frames if not frame.trusted] == []
    assert len(frames) == LENGTH and stream.notes == {}
    steps = [step for segment in read_clip(path) for step in segment.steps]
    assert len(steps) >= LENGTH // 8
    assert all(np.isfinite(step.motion).all() and np.isfinite(step.residual).all() for step in steps)
    per_step = 2 * (b_frames + 1) if gop > 1 else 1
    assert np.median([step.dt_us for step in steps]) <= per_step * 1.2e6 / rate


LIVE = {
    # encoder, rate, GOP, options
    "GOP of 1": ("libx264", 30, 1, {"preset": "veryfast", "tune": "zerolatency"}),
    "GOP of 250": ("libx264", 30, 250, {"preset": "veryfast", "tune": "zerolatency"}),
    "four references, pyramid": ("libx264", 30, 30, {"preset": "slow", "x264-params": "ref=4:bframes=3"}),
    "open GOPs": ("libx264", 30, 20, {"x264-params": "open-gop=1:keyint=20:ref=3:bframes=3"}),
    "10 Hz": ("libx264", 10, 12, {"preset": "veryfast", "tune": "zerolatency"}),
    "60 Hz": ("libx264", 60, 12, {"preset": "veryfast", "tune": "zerolatency"}),
    "MPEG-4 with B-frames": ("mpeg4", 25, 12, {"qscale": "4", "bf": "2"}),
    "HEVC with B-frames": ("libx265", 25, 12, {"preset": "fast", "x265-params": "log-level=none:pools=none"}),
}


@pytest.mark.parametrize("kind", list(LIVE))
@pytest.mark.parametrize("sending", [False, True])
def test_every_kind_of_live_stream_is_trusted_by_stamps_of_capture_or_sending(encode, moving_scene, kind, sending):
    encoder, rate, gop, options = LIVE[kind]
    packets = encode(moving_scene(48, 112, 160, 1), encoder, options, gop, rate)
    stream = PacketStream()
    step = 10**9 // rate
    messages = [
        replace(p, pts=None, keyframe=None, stamp_ns=10**18 + (n if sending else p.pts) * step)
        for n, p in enumerate(packets)
    ]
    frames = [frame for message in messages for frame in stream.push(message)] + stream.flush()
    assert [frame.reason for frame in frames if not frame.trusted] == []
    assert [frame.stamp_ns for frame in frames] == [10**18 + n * step for n in range(48)]


def test_intra_frames_alone_make_gops_of_twelve_without_vectors(encode, moving_scene):
    packets = encode(moving_scene(26, 112, 160, 1), "libx264", {"preset": "veryfast", "tune": "zerolatency"}, 1)
    stream, extractor = PacketStream(), FeatureExtractor()
    features = [extractor.push(frame) for packet in packets for frame in stream.push(packet)]
    assert "".join(f.type for f in features) == ("I" + 11 * "P") * 2 + "IP"
    assert all(f.motion.any() == 0 and f.residual.any() and not f.compensated for f in features if f.type == "P")


def packed(packets):
    """P and B of MPEG-4 in one packet, and a VOP that is not coded in the place of B, as DivX and Xvid write AVI."""
    out = []
    for number, packet in enumerate(packets):
        data = bytes(packet)
        kind = data[data.index(b"\0\0\1\xb6") + 4] >> 6
        following = bytes(packets[number + 1]) if number + 1 < len(packets) else b""
        is_b = kind == 2
        next_b = b"\0\0\1\xb6" in following and following[following.index(b"\0\0\1\xb6") + 4] >> 6 == 2
        if is_b:
            continue
        new = av.Packet(data + (following if next_b else b""))
        out.append(new)
        if next_b:
            vop = data[data.index(b"\0\0\1\xb6") + 4 :]
            bits = "".join(f"{byte:08b}" for byte in vop[:6])
            end = bits.index("0", 2)
            head = "01" + bits[end : end + 8] + "01"
            head += "0" * (-len(head) % 8)
            out.append(av.Packet(b"\0\0\1\xb6" + int(head, 2).to_bytes(len(head) // 8, "big")))
    for number, packet in enumerate(out):
        packet.pts = packet.dts = number
        packet.time_base = Fraction(1, 25)
    return out


def with_placeholder(packets):
    """DivX 5: one byte 0x7f second in the file."""
    odd = av.Packet(b"\x7f")
    out = [packets[0], odd, *packets[1:]]
    for number, packet in enumerate(out):
        packet.pts = packet.dts = number
        packet.time_base = Fraction(1, 25)
    return out


def with_empty_vops(packets):
    """Xvid: a picture like the one before is a VOP that is not coded; the clock goes on."""
    out = list(packets)
    for number in (7, 15):
        data = bytes(packets[number])
        vop = data[data.index(b"\0\0\1\xb6") + 4 :]
        bits = "".join(f"{byte:08b}" for byte in vop[:6])
        end = bits.index("0", 2)
        head = bits[: end + 8] + "01"
        head += "0" * (-len(head) % 8)
        out[number] = av.Packet(b"\0\0\1\xb6" + int(head, 2).to_bytes(len(head) // 8, "big"))
    for number, packet in enumerate(out):
        packet.pts = packet.dts = number
        packet.time_base = Fraction(1, 25)
    return out


@pytest.mark.parametrize(
    ("change", "b_frames", "frames"), [(packed, 1, 26), (with_placeholder, 0, 26), (with_empty_vops, 0, 24)]
)
@pytest.mark.parametrize("thorough", [True, False])
def test_avi_files_of_divx_and_xvid_lose_nothing(tmp_path, moving_scene, change, b_frames, frames, thorough):
    path = write(tmp_path / "clip.avi", moving_scene(LENGTH, 112, 160, 1), "mpeg4", 25, 1000, b_frames, change=change)
    with VideoFile(path, thorough=thorough) as video:
        found = list(video.frames())
    reasons = [frame.reason for frame in found if not frame.trusted]
    # Nothing follows empty VOPs in the decoder: a picture that was to refer to the real one differs, unnoticed by all.
    assert reasons == []
    assert len(found) == frames
    assert read_clip(path)


@pytest.mark.parametrize("suffix", ["avi", "mp4", "mkv"])
def test_texts_of_a_file_may_be_in_any_encoding_and_cut_within_a_character(tmp_path, moving_scene, suffix):
    path = tmp_path / f"clip.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", 25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        container.metadata["title"] = "CAFE_MARKER"
        for picture in moving_scene(8, 96, 128, 2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    for text in (b"CAF\xe9_MARKER", b"CAFE_MARKE\xc3", "カフ".encode()[:5] + b"______"):
        other = tmp_path / f"other.{suffix}"
        other.write_bytes(path.read_bytes().replace(b"CAFE_MARKER", text))
        with VideoFile(other) as video:
            assert len(list(video.frames())) == 8


def turn(path, matrix):
    """Writes a display matrix into the track header of an MP4 (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd")
    at += 44 if data[at + 4] == 0 else 56
    data[at : at + 36] = struct.pack(">9i", matrix[0], matrix[1], 0, matrix[2], matrix[3], 0, 0, 0, 1 << 30)
    path.write_bytes(data)


ONE = 1 << 16
# quarter turns by which the picture lies, anticlockwise: the matrix that turns it back
TURNS = {1: (0, ONE, -ONE, 0), 2: (-ONE, 0, 0, -ONE), 3: (0, -ONE, ONE, 0)}


@pytest.mark.parametrize("lies", [1, 2, 3])
def test_a_telephones_portrait_is_turned_upright_with_its_vectors(tmp_path, moving_scene, lies):
    pictures = moving_scene(LENGTH, 112, 160, 1, shift=(0, 3))
    options = {"preset": "medium", "x264-params": "bframes=0:ref=1:scenecut=0"}
    upright = write(tmp_path / "upright.mp4", pictures, "libx264", options=options)
    lying = [np.ascontiguousarray(np.rot90(p, lies)) for p in pictures]
    path = write(tmp_path / "lying.mp4", lying, "libx264", options=options)
    turn(path, TURNS[lies])
    with VideoFile(path) as video:
        assert (video.info.width, video.info.height) == (160, 112)
        assert video.info.rotation % 360 == -90 * lies % 360
        frames = list(video.frames())
    with VideoFile(upright) as video:
        others = list(video.frames())
    assert len(frames) == LENGTH and all(frame.trusted for frame in frames)
    for frame, other in zip(frames, others):
        assert (frame.width, frame.height) == (160, 112) == frame.luma.shape[::-1]
        assert np.abs(frame.luma.astype(int) - other.luma).mean() < 6
        assert np.abs(frame.rgb(56, 80).astype(int) - other.rgb(56, 80)).mean() < 12  # over 40 if turned amiss
        if frame.type == "P":
            assert np.median(frame.motion.vectors[1]) == pytest.approx(3, abs=0.5)
            assert np.median(frame.motion.vectors[0]) == pytest.approx(0, abs=0.5)
            assert np.abs(frame.residual).mean() < 5  # the vectors stand at their own blocks
    with VideoFile(path) as video:
        assert [gop[0].type for gop in video.gops(2, 3)] == ["I", "I"]


def test_a_picture_to_be_turned_by_no_quarter_is_taken_as_it_lies_and_that_is_said(tmp_path, moving_scene, capsys):
    from halsie_ros.cli.main import main

    path = write(tmp_path / "clip.mp4", moving_scene(8, 112, 160, 1), "libx264", options=FAST)
    turn(path, (46341, 46341, -46341, 46341))
    assert main(["video", "info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "160x112" in said and "warning: pictures are to be shown turned by" in said
