"""A clip as the network's inputs, reading no more of the file than is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halsie_ros.action.gops import Segmenter
from halsie_ros.action.inputs import SEGMENT_US, Step
from halsie_ros.video.file import VideoFile
from halsie_ros.video.frame import VideoFrame

SPARSE_FRAMES = 5
"""Frames read of each GOP of a long clip: the I-frame and four P-frames (two steps)."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment of a clip.

    Attributes:
        image: its I-frame, ``(3, 96, 128) uint8``; the one before where a long GOP goes on.
        steps: the P encoder's inputs in order; at least one.
        end_ns: stamp of its last frame.
    """

    image: np.ndarray
    steps: tuple[Step, ...]
    end_ns: int


def segments_of(frames: Iterable[VideoFrame]) -> Iterator[Segment]:
    """Cuts frames in output order into segments; the odd last frame of a GOP makes a step of its own."""
    segmenter = Segmenter()
    image: np.ndarray | None = None
    steps: list[Step] = []
    end_ns = 0
    for frame in frames:
        rest = segmenter.flush() if frame.trusted and frame.type == "I" else None
        advance = segmenter.push(frame)
        if rest is not None:
            steps.append(rest)
        if advance is None:
            continue
        if advance.starts:
            if image is not None and steps:
                yield Segment(image, tuple(steps), end_ns)
            steps = []
            image = image if advance.image is None else advance.image
        if advance.step is not None:
            steps.append(advance.step)
        end_ns = frame.stamp_ns
    rest = segmenter.flush()
    if rest is not None:
        steps.append(rest)
    if image is not None and steps:
        yield Segment(image, tuple(steps), end_ns)


def read_clip(path: str | Path, *, segments: int | None = 8, frames_per_gop: int = SPARSE_FRAMES) -> list[Segment]:
    """The segments of a clip, in order.

    Damage that FFmpeg does not report is not looked for, as it is in a live stream: that would nearly double the
    time, and a stored clip has no radio link behind it (our choice). What FFmpeg reports still counts.

    A clip that holds about `segments` GOPs or fewer is read whole; of a longer one `segments` GOPs spread evenly are
    read, `frames_per_gop` frames of each.

    Args:
        path: a file or URL.
        segments: how many are wanted at most; None: all, whole.
        frames_per_gop: for long clips.

    Raises:
        VideoError: the file cannot be opened or read.
    """
    with VideoFile(path, thorough=False) as file:
        info = file.info
        seconds = info.frames / info.rate_hz if info.frames and info.rate_hz else None
        if segments is not None and seconds is not None and seconds > segments * SEGMENT_US / 1e6:
            return [part for gop in file.gops(segments, frames_per_gop) for part in segments_of(gop)][:segments]
        found = list(segments_of(file.frames()))
    if segments is None or len(found) <= segments:
        return found
    return [found[i] for i in np.linspace(0, len(found) - 1, segments).round().astype(int)]
