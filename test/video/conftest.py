"""Streams made here, with their clean decode, and ways to spoil them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
import pytest

from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream

GOP = 12
LENGTH = 60

# Name: FFmpeg's encoder, its options.
STREAMS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "x264-params": "scenecut=0:ref=1"}),
    "h264_cavlc": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0"}),
    "h264_b": ("libx264", {"preset": "medium", "x264-params": "scenecut=0:open-gop=0"}),
    "mpeg4": ("mpeg4", {"qscale": "4"}),
    "mpeg4_b": ("mpeg4", {"qscale": "4", "bf": "2"}),
    "hevc": ("libx265", {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none:pools=none"}),
    "mpeg2": ("mpeg2video", {"qscale": "4"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}  # fmt: skip
CODEC = {"libx264": "h264", "mpeg4": "mpeg4", "libx265": "hevc", "mpeg2video": "mpeg2video", "libvpx-vp9": "vp9"}


@dataclass(frozen=True)
class Coded:
    """A coded stream: packets in decoding order (stamp_ns is the picture's number), lumas and types by number."""

    packets: tuple[Packet, ...]
    lumas: dict[int, np.ndarray]
    types: dict[int, str]


def scene(length: int, height: int, width: int, seed: int, shift: tuple[int, int] = (2, 1)) -> list[np.ndarray]:
    """RGB pictures of a smooth texture that moves by whole pixels under a moving square."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (height // 8 + 24, width // 8 + 24, 3)).astype(np.float32)
    texture = np.kron(coarse, np.ones((8, 8, 1), np.float32))
    for axis in (0, 1):
        texture = sum(np.roll(texture, step, axis) for step in range(-3, 4)) / 7
    texture = np.clip(texture + rng.normal(0, 4, texture.shape), 0, 255).astype(np.uint8)
    pictures = []
    for index in range(length):
        top, left = shift[1] * index % 90, shift[0] * index % 90
        picture = texture[top : top + height, left : left + width].copy()
        x = 5 + 3 * index % (width - 40)
        picture[height // 3 : height // 3 + 30, x : x + 24] = 255 - picture[height // 3 : height // 3 + 30, x : x + 24]
        pictures.append(np.ascontiguousarray(picture))
    return pictures


def encode_pictures(
    pictures: list[np.ndarray], encoder: str, options: dict[str, str], gop: int, rate: int = 25
) -> list[Packet]:
    """Packets as a live sender makes them: parameter sets in band, pts counting pictures."""
    context = av.CodecContext.create(encoder, "w")
    context.height, context.width = pictures[0].shape[:2]
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = Fraction(1, rate), Fraction(rate, 1)
    context.gop_size = gop
    context.thread_count = 1
    context.options = {name: value for name, value in options.items() if name not in ("qscale", "bf")}
    if "qscale" in options:
        context.qmin = context.qmax = int(options["qscale"])
    context.max_b_frames = int(options.get("bf", context.max_b_frames))
    packets = []
    for number, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
        for packet in context.encode(frame):
            packets.append(Packet(CODEC[encoder], bytes(packet), packet.pts, packet.pts, packet.is_keyframe))
    return packets


@lru_cache(maxsize=32)
def coded(name: str, length: int = LENGTH, size: tuple[int, int] = (112, 160), seed: int = 1, gop: int = GOP) -> Coded:
    """A stream of `STREAMS` with its clean decode by plain PyAV."""
    encoder, options = STREAMS[name]
    packets = encode_pictures(scene(length, *size, seed), encoder, options, gop)
    context = av.CodecContext.create(CODEC[encoder], "r")
    lumas, types = {}, {}
    for packet in [*packets, None]:
        whole = None
        if packet is not None:
            whole = av.Packet(len(packet.data))
            whole.update(bytes(packet.data))
            whole.pts = packet.pts
        for picture in context.decode(whole):
            lumas[picture.pts] = picture.to_ndarray()[: picture.height].copy()  # the Y rows of planar YUV
            types[picture.pts] = "I" if picture.key_frame else "?IPBSIPB"[int(picture.pict_type)]
    return Coded(tuple(packets), lumas, types)


# Each fault takes (packets, random) and gives the packets that arrive and the numbers of the pictures that it touched.
Fault = Callable[[list[Packet], random.Random], tuple[list[Packet], list[int]]]


def _spoiled(packets: list[Packet], at: int, data: bytes) -> list[Packet]:
    return [*packets[:at], replace(packets[at], data=data), *packets[at + 1 :]]


def _somewhere(packets: list[Packet], rng: random.Random) -> int:
    return rng.randrange(1, len(packets) - 1)


def _lost(packets, rng):
    at = _somewhere(packets, rng)
    return packets[:at] + packets[at + 1 :], [packets[at].stamp_ns]


def _lost_many(packets, rng):
    at, count = rng.randrange(1, len(packets) - 22), rng.randrange(2, 21)
    return packets[:at] + packets[at + count :], [p.stamp_ns for p in packets[at : at + count]]


def _lost_often(packets, rng):
    keep = [True] + [rng.random() > 0.15 for _ in packets[1:]]
    gone = [p.stamp_ns for p, kept in zip(packets, keep) if not kept]
    return [p for p, kept in zip(packets, keep) if kept], gone


def _lost_intra(packets, rng):
    at = rng.choice([i for i, p in enumerate(packets) if p.keyframe and i])
    return packets[:at] + packets[at + 1 :], [packets[at].stamp_ns]


def _damaged(packets, rng):
    at = _somewhere(packets, rng)
    data = bytearray(packets[at].data)
    for _ in range(rng.randrange(2, 12)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return _spoiled(packets, at, bytes(data)), [packets[at].stamp_ns]


def _damaged_run(packets, rng):
    at = _somewhere(packets, rng)
    data = bytearray(packets[at].data)
    start = rng.randrange(len(data))
    data[start : start + 24] = rng.randbytes(len(data[start : start + 24]))
    return _spoiled(packets, at, bytes(data)), [packets[at].stamp_ns]


def _damaged_intra(packets, rng):
    at = rng.choice([i for i, p in enumerate(packets) if p.keyframe and i])
    data = bytearray(packets[at].data)
    for _ in range(rng.randrange(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return _spoiled(packets, at, bytes(data)), [packets[at].stamp_ns]


def _flipped_bit(packets, rng):
    at = _somewhere(packets, rng)
    data = bytearray(packets[at].data)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return _spoiled(packets, at, bytes(data)), [packets[at].stamp_ns]


def _truncated(packets, rng):
    at = _somewhere(packets, rng)
    data = bytes(packets[at].data)
    return _spoiled(packets, at, data[: rng.randrange(1, len(data))]), [packets[at].stamp_ns]


def _duplicate(packets, rng):
    at = _somewhere(packets, rng)
    later = min(at + rng.randrange(1, 4), len(packets))
    return packets[:later] + [packets[at]] + packets[later:], []


def _reordered(packets, rng):
    at = _somewhere(packets, rng)
    swapped = [*packets[:at], packets[at + 1], packets[at], *packets[at + 2 :]]
    return swapped, [packets[at].stamp_ns, packets[at + 1].stamp_ns]


def _joined(packets, rng):
    at = _somewhere(packets, rng)
    return packets[at:], [p.stamp_ns for p in packets[: at + 1]]


def _time_reset(packets, rng):
    at = _somewhere(packets, rng)
    first = min(p.pts for p in packets[at:])
    return packets[:at] + [replace(p, pts=p.pts - first) for p in packets[at:]], [packets[at].stamp_ns]


def _time_reset_after_loss(packets, rng):
    at = rng.randrange(2, len(packets) - 10)
    first = min(p.pts for p in packets[at:])
    kept = packets[:at] + [replace(p, pts=p.pts - first) for p in packets[at + 3 :]]
    return kept, [p.stamp_ns for p in packets[at : at + 4]]


def _empty(packets, rng):
    at = _somewhere(packets, rng)
    return _spoiled(packets, at, b""), [packets[at].stamp_ns]


def _no_parameter_sets(packets, rng):
    """The first I-frame comes without its parameter sets: nothing is decodable until the next one."""
    data = bytes(packets[0].data)
    starts = [i for i in range(len(data) - 3) if data[i : i + 3] == b"\0\0\1"]
    if len(starts) < 2:
        return packets[1:], [0, 1]
    return _spoiled(packets, 0, data[starts[-1] :]), [packets[0].stamp_ns]


def _other_size(packets, rng):
    return _switch(packets, rng, size=(96, 128))


def _other_codec(packets, rng):
    return _switch(packets, rng, size=(112, 160), other=True)


def _switch(packets, rng, size, other=False):
    at = _somewhere(packets, rng)
    name = next(n for n, (e, _) in STREAMS.items() if CODEC[e] == packets[0].codec)
    name = ("mpeg4" if name.startswith("h264") else "h264") if other else name
    follower = coded(name, size=size, seed=7)
    tail = [replace(p, pts=p.pts + at, stamp_ns=p.stamp_ns + 1000) for p in follower.packets]
    return packets[:at] + tail, [packets[at].stamp_ns]


FAULTS: dict[str, Fault] = {
    "lost": _lost, "lost_many": _lost_many, "lost_often": _lost_often, "lost_intra": _lost_intra, "damaged": _damaged,
    "damaged_run": _damaged_run, "damaged_intra": _damaged_intra, "flipped_bit": _flipped_bit, "truncated": _truncated,
    "duplicate": _duplicate, "reordered": _reordered, "joined": _joined, "time_reset": _time_reset,
    "time_reset_after_loss": _time_reset_after_loss, "empty": _empty, "no_parameter_sets": _no_parameter_sets,
    "other_size": _other_size, "other_codec": _other_codec,
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a spoiled stream gave.

    Attributes:
        undetected: number and error of pictures that are trusted although bad.
        bad: pictures that differ by more than 2 grey levels.
        good_outside: good pictures outside the span from the damage to the next clean I-frame.
        distrusted_outside: those of them that are untrusted, and why.
    """

    undetected: list[tuple[int, float]]
    bad: int
    good_outside: int
    distrusted_outside: list[tuple[int, str]]


@lru_cache(maxsize=512)
def judge(name: str, fault: str, seed: int) -> Verdict:
    """Spoils a stream of `STREAMS` by a fault of `FAULTS` and compares what comes out with the clean decode."""
    clean = coded(name)
    rng = random.Random(f"{name} {fault} {seed}")
    arriving, touched = FAULTS[fault](list(clean.packets), rng)
    lumas, types = dict(clean.lumas), dict(clean.types)
    if fault in ("other_size", "other_codec"):
        other = name if fault == "other_size" else "mpeg4" if name.startswith("h264") else "h264"
        other = next(n for n, (e, _) in STREAMS.items() if CODEC[e] == CODEC[STREAMS[other][0]])
        follower = coded(other, size=(96, 128) if fault == "other_size" else (112, 160), seed=7)
        lumas |= {number + 1000: luma for number, luma in follower.lumas.items()}
        types |= {number + 1000: kind for number, kind in follower.types.items()}
    end = 1000 if fault.startswith("other") else None
    if end is None and touched:
        received = {p.stamp_ns for p in arriving}
        later = [n for n, kind in types.items() if kind == "I" and n > max(touched) and n in received]
        end = min(later, default=10**9)
    stream = PacketStream()
    frames = [frame for packet in arriving for frame in stream.push(packet)] + stream.flush()
    undetected, distrusted, bad, good = [], [], 0, 0
    for frame in frames:
        luma = lumas[frame.stamp_ns]
        same = luma.shape == frame.luma.shape
        error = float(np.abs(luma.astype(int) - frame.luma).mean()) if same else 255.0
        bad += error > 2
        if error > 2 and frame.trusted:
            undetected.append((frame.stamp_ns, error))
        if error <= 2 and not (touched and min(touched) <= frame.stamp_ns < (end or 0)):
            good += 1
            if not frame.trusted:
                distrusted.append((frame.stamp_ns, frame.reason))
    return Verdict(undetected, bad, good, distrusted)


@pytest.fixture(scope="session")
def coded_stream() -> Callable[..., Coded]:
    """`coded`."""
    return coded


@pytest.fixture(scope="session")
def encode() -> Callable[..., list[Packet]]:
    """`encode_pictures`."""
    return encode_pictures


@pytest.fixture(scope="session")
def moving_scene() -> Callable[..., list[np.ndarray]]:
    """`scene`."""
    return scene


@pytest.fixture(scope="session")
def judged() -> Callable[[str, str, int], Verdict]:
    """`judge`."""
    return judge


@pytest.fixture(scope="session")
def fault_names() -> tuple[str, ...]:
    """The faults that `judged` knows."""
    return tuple(FAULTS)
