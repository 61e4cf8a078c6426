"""Speed of the compressed-stream front end, one thread, against plain PyAV decoding in the same run."""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from halsie_ros.bench.harness import Row, median_seconds, row_of_times
from halsie_ros.video.decoder import Decoder
from halsie_ros.video.features import FeatureExtractor
from halsie_ros.video.file import VideoFile
from halsie_ros.video.packets import Packet
from halsie_ros.video.residual import Accumulator
from halsie_ros.video.stream import PacketStream
from halsie_ros.video.vectors import blocks_of

_RUNS = 7
_FRAMES = 120
_GOP = 30
_SIZE = (480, 640)
_ENCODERS = {
    "h264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "x264-params": "ref=1:scenecut=0"}),
    "mpeg4": ("mpeg4", {}),
}


def cases(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of `halsie bench video`."""
    for codec in ("h264", "mpeg4"):
        packets = _encoded(codec)
        yield _vectors(codec, packets)
        yield from _extractor(codec, packets)
        yield _latency(codec, packets)
        yield _sparse(codec)
    yield _residuals(_encoded("h264"))


def _vectors(codec: str, packets: list[Packet]) -> Row:
    """Decode with vectors and their list, and decode alone."""
    ours, plain = median_seconds(lambda: _with_vectors(codec, packets), lambda: _plain(codec, packets), runs=_RUNS)
    whole = median_seconds(lambda: _stream(packets), runs=_RUNS)[0]
    note = f"with trust and lumas {whole / len(packets) * 1e3:.2f} ms, {whole / plain:.2f} x plain"
    return row_of_times(f"video/vectors_{codec}", ours / len(packets), "PyAV decode", plain / len(packets), note=note)


def _extractor(codec: str, packets: list[Packet]) -> Iterator[Row]:
    """Against motion-vector-extractor where it is installed; it reads files, so a file is given to both."""
    if importlib.util.find_spec("mvextractor") is None:
        return
    from mvextractor.videocap import VideoCap

    with tempfile.TemporaryDirectory() as folder:
        path = _file(codec, Path(folder) / f"clip_{codec}.mp4", _FRAMES)

        def theirs() -> None:
            capture = VideoCap()
            capture.open(str(path))
            while capture.read()[0]:
                pass
            capture.release()

        def ours() -> None:
            with VideoFile(path) as file:
                for packet in file.packets():
                    decoder = decoders.setdefault(0, Decoder(codec, extradata=packet.extradata))
                    for picture in decoder.decode(packet.data, 0).pictures:
                        blocks_of(picture)
            decoders.clear()

        decoders: dict[int, Decoder] = {}
        mine, other = median_seconds(ours, theirs, runs=_RUNS)
        name = f"video/vectors_{codec}"
        yield row_of_times(name, mine / _FRAMES, "motion-vector-extractor", other / _FRAMES)


def _residuals(packets: list[Packet]) -> Row:
    """Accumulated residuals of decoded frames at full resolution, decode excluded."""
    frames = _stream(packets)

    def accumulate() -> None:
        accumulator = None
        for frame in frames:
            if frame.type == "I" or accumulator is None:
                accumulator = Accumulator(frame.luma)
                continue
            frame.__dict__.pop("motion", None)  # the grid is part of the work
            accumulator.push(frame.luma, frame.motion)

    seconds = median_seconds(accumulate, runs=_RUNS)[0]
    return Row("video/residuals_640x480", "frames/s", len(frames) / seconds, note="accumulated, beyond decode; aim 300")


def _latency(codec: str, packets: list[Packet]) -> Row:
    """A live packet to its features, 95th percentile by the wall clock, and by CPU time in the note."""
    stream, extractor = PacketStream(), FeatureExtractor()
    times, cpu_times = [], []
    for repeat in range(3):
        for packet in packets:
            start, cpu_start = time.perf_counter(), time.process_time()
            for frame in stream.push(packet):
                extractor.push(frame)
            if repeat:
                times.append(time.perf_counter() - start)
                cpu_times.append(time.process_time() - cpu_start)
        stream.reset()
    late = len(times) * 95 // 100
    note = f"640x480, 4 Mbit/s; CPU time {sorted(cpu_times)[late] * 1e3:.2f} ms; aim 8 ms"
    return Row(f"video/packet_to_features_p95_{codec}", "ms", sorted(times)[late] * 1e3, note=note)


def _sparse(codec: str) -> Row:
    """Eight GOPs of five frames against every frame of a 300-frame 340x256 clip."""
    with tempfile.TemporaryDirectory() as folder:
        path = _file(codec, Path(folder) / f"clip_{codec}.mp4", 300, (256, 340), 12)

        def sparse() -> None:
            with VideoFile(path) as file:
                for _ in file.gops(8, 5):
                    pass

        def every() -> None:
            with VideoFile(path) as file:
                for _ in file.frames():
                    pass

        some, whole = median_seconds(sparse, every, runs=_RUNS)
    return row_of_times(f"video/sparse_reading_{codec}", some, "every frame", whole, note="8 GOPs x 5 frames; aim 4x")


def _with_vectors(codec: str, packets: list[Packet]) -> None:
    decoder = Decoder(codec)
    for number, packet in enumerate(packets):
        for picture in decoder.decode(packet.data, number).pictures:
            blocks_of(picture)


def _plain(codec: str, packets: list[Packet]) -> None:
    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    for packet in packets:
        whole = av.Packet(len(packet.data))
        whole.update(bytes(packet.data))
        context.decode(whole)


def _stream(packets: list[Packet]) -> list[Any]:
    stream = PacketStream()
    return [frame for packet in packets for frame in stream.push(packet)]


def _pictures(count: int, size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """A textured scene under a moving camera, with sensor noise."""
    rng = np.random.default_rng(5)
    height, width = size
    texture = np.kron(rng.integers(30, 220, (height // 8 + 60, width // 8 + 60)), np.ones((8, 8)))
    for axis in (0, 1):
        texture = np.mean([np.roll(texture, step, axis) for step in range(-2, 3)], axis=0)
    for index in range(count):
        left, top = 2 * index % 400, index % 400
        picture = texture[top : top + height, left : left + width] + rng.normal(0, 4, size)
        yield av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="gray").reformat(
            format="yuv420p"
        )


def _encoded(codec: str) -> list[Packet]:
    encoder, options = _ENCODERS[codec]
    context: Any = av.CodecContext.create(encoder, "w")
    context.height, context.width = _SIZE
    context.pix_fmt, context.gop_size, context.thread_count = "yuv420p", _GOP, 1
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30, 1)
    context.bit_rate = 4_000_000
    context.options = options
    packets = []
    for number, picture in enumerate([*_pictures(_FRAMES, _SIZE), None]):
        if picture is not None:
            picture.pts, picture.time_base = number, Fraction(1, 30)
        for packet in context.encode(picture):
            packets.append(Packet(codec, bytes(packet), packet.pts, int(packet.pts * 1e9 / 30), packet.is_keyframe))
    return packets


def _file(codec: str, path: Path, count: int, size: tuple[int, int] = _SIZE, gop: int = _GOP) -> Path:
    encoder, options = _ENCODERS[codec]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(encoder, rate=30, options=options)
        stream.height, stream.width = size
        stream.pix_fmt, stream.gop_size, stream.bit_rate = "yuv420p", gop, 1_000_000
        for picture in _pictures(count, size):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
