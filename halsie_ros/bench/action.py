"""`halsie bench action`: a 300-frame clip at 340x256 from file to label, against X3D-S with its own decoding."""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from halsie_ros.action.clip import read_clip
from halsie_ros.action.pipeline import ActionPipeline
from halsie_ros.bench.harness import Row, median_seconds, row_of_times
from halsie_ros.errors import ModelError
from halsie_ros.inference.session import open_session

PEER = "X3D-S"
PEER_GRAPH = "x3d_s_13x182.onnx"
FRAMES, HEIGHT, WIDTH = 300, 256, 340
_CODECS = {"h264": "libx264", "mpeg4": "mpeg4"}
_CLIPS_PER_PROCESS = 12


def cases(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the bench; without `--peers` ours stand alone.

    Raises:
        ModelError: the model is not there.
    """
    pipeline = ActionPipeline(args.model or "actions_mhad")
    peer = _peer(args.peers)
    with tempfile.TemporaryDirectory() as folder:
        paths = {codec: write_clip(Path(folder) / f"{codec}.mp4", codec) for codec in _CODECS}
        encoded = read_clip(paths["h264"])
        yield _against(
            "action/model_only", lambda: pipeline.score(pipeline.encode(encoded)), peer and (lambda: _run_peer(peer))
        )
        for codec, path in paths.items():
            ours = functools.partial(_recognise, pipeline, path)
            theirs = peer and functools.partial(_run_peer, peer, path)
            yield _against(f"action/end_to_end_1core_{codec}", ours, theirs, "the peer decodes every frame")
        for codec, path in paths.items():
            rate = _videos_per_s(pipeline, path)
            yield Row(f"action/videos_per_s_2cores_{codec}", "videos/s", rate, note="2 processes, wall time")


def _against(case: str, ours: Callable[[], Any], theirs: Callable[[], Any] | None, note: str = "") -> Row:
    if theirs is None:
        return row_of_times(case, median_seconds(ours, runs=7)[0])
    ours_s, theirs_s = median_seconds(ours, theirs, runs=7)
    return row_of_times(case, ours_s, PEER, theirs_s, note=note)


def write_clip(path: Path, codec: str, frames: int = FRAMES) -> Path:
    """A clip in the working form (GOP 12, no B-frames).

    Discs that move over a textured ground, a camera that sways, and a camera's noise.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: HEIGHT + 8, : WIDTH + 8]
    ground = rng.normal(0, 6, rows.shape)
    for _ in range(12):
        fy, fx = rng.uniform(-0.2, 0.2, 2)
        ground += 12 * np.sin(fy * rows + fx * columns + rng.uniform(0, 6))
    ground += 120
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(_CODECS[codec], rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 12
        stream.codec_context.thread_count = 1
        stream.max_b_frames = 0
        stream.options = {"bf": "0", "preset": "veryfast"} if codec == "h264" else {"qscale": "4"}
        if codec == "mpeg4":
            stream.bit_rate = 1_500_000
        for t in range(frames):
            top, left = int(4 + 3 * np.sin(t / 20)), int(4 + 3 * np.cos(t / 23))
            picture = ground[top : top + HEIGHT, left : left + WIDTH].copy()
            for disc in range(3):
                y = HEIGHT * (0.5 + 0.3 * np.sin(t / (9 + 4 * disc) + disc))
                x = WIDTH * (0.5 + 0.35 * np.cos(t / (13 + 3 * disc) + 2 * disc))
                near = (rows[:HEIGHT, :WIDTH] - y) ** 2 + (columns[:HEIGHT, :WIDTH] - x) ** 2 < (18 + 6 * disc) ** 2
                picture[near] = 40 + 80 * disc
            picture += rng.normal(0, 3, picture.shape)  # a camera's noise
            grey = np.clip(picture, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def _recognise(pipeline: ActionPipeline, path: Path) -> np.ndarray:
    return pipeline.score(pipeline.encode(read_clip(path, segments=pipeline.segments)))


def _peer(folder: Path | None) -> Any:
    if folder is None:
        return None
    graph = Path(folder) / PEER_GRAPH
    if not graph.is_file():
        raise ModelError(f"{graph}: the peer's graph is not there: give --peers the folder that holds it")
    return open_session(graph)


def _run_peer(session: Any, path: Path | None = None) -> None:
    """X3D-S on one clip of 13 frames; with `path`, frames come from decoding the file."""
    value = session.get_inputs()[0]
    channels, steps, height, width = (size if isinstance(size, int) else 1 for size in value.shape[1:])
    clip = np.zeros((1, channels, steps, height, width), np.float32)
    if path is not None:
        wanted = set(np.linspace(0, FRAMES - 1, steps).round().astype(int).tolist())
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            place = 0
            for number, frame in enumerate(container.decode(stream)):
                if number in wanted:
                    rgb = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
                    clip[0, :, place] = rgb.transpose(2, 0, 1) / np.float32(255)
                    place += 1
    session.run(None, {value.name: clip})


def _videos_per_s(pipeline: ActionPipeline, path: Path) -> float:
    """Clips per second of two processes of one thread each, loading excluded."""
    command = [
        sys.executable,
        "-m",
        "halsie_ros.bench.action",
        str(pipeline.card.path),
        str(path),
        str(_CLIPS_PER_PROCESS),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # loaded and warm
    start = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    return 2 * _CLIPS_PER_PROCESS / (time.perf_counter() - start)


def _worker(model: str, path: str, clips: int) -> None:
    """The other end of :func:`_videos_per_s`: says "ready", waits for a line, recognises the clip `clips` times."""
    pipeline = ActionPipeline(model)
    _recognise(pipeline, Path(path))
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(clips):
        _recognise(pipeline, Path(path))


if __name__ == "__main__":
    _worker(sys.argv[1], sys.argv[2], int(sys.argv[3]))
