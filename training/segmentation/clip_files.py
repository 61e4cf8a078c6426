"""Packed clips: one file each, whole or not at all; and single pictures as clips of one frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from halsie_ros.datasets.base import IGNORE
from halsie_ros.datasets.samples import Sample
from halsie_ros.events import Events
from training.core.command import TrainingError

CLIPS = "[!.]*.npz"
"""What packed clips are called in their folder."""


class PackedClips:
    """Clips that `pack` wrote; as stills, one frame of each."""

    def __init__(self, folder: Path, stills: bool = False) -> None:
        self._only_stills = stills
        self._files = sorted(folder.glob(CLIPS))
        if not self._files:
            raise TrainingError(f"{folder}: no packed clips; write them with `python -m training.segmentation.clips`")

    def __len__(self) -> int:
        return len(self._files)

    def sample(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.sample`; a packed clip is what it is, the seed chooses a still's frame (None: the last)."""
        return self.still(index, seed) if self._only_stills else load_clip(self._files[index])

    def still(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.still`; the last one for None."""
        with np.load(self._files[index]) as file:
            frames, labels = file["frames"], _labels(file)
            places = np.flatnonzero((labels != IGNORE).any((1, 2)))
            place = int(places[-1 if seed is None else seed % len(places)]) if len(places) else len(frames) - 1
            return still(str(file["name"]), frames[place], labels[place])


def still(name: str, image: np.ndarray, label: np.ndarray) -> Sample:
    """A clip of one frame ``(H, W[, 3]) uint8`` with its label ``(H, W) uint8``, and no events."""
    return Sample(
        name=name,
        t_us=np.array([50_000]),
        t0_us=0,
        frames=image[None],
        events=Events.empty(),
        labels=label[None],
        labelled=np.array([bool((label != IGNORE).any())]),
        motion_px=None,
    )


def save_clip(path: Path, sample: Sample) -> None:
    """Writes a clip as .npz, not compressed: reading must be quick. Planes without any label are left out."""
    t0_us = sample.t0_us
    labelled = (sample.labels != IGNORE).any((1, 2))
    np.savez(
        path,
        name=sample.name,
        t_us=sample.t_us - t0_us,
        frames=sample.frames,
        labelled=labelled,
        label_planes=sample.labels[labelled],
        motion_px=np.full(2, np.nan) if sample.motion_px is None else sample.motion_px,
        x=sample.events.x,
        y=sample.events.y,
        t=(sample.events.t_us - t0_us).astype(np.uint32),
        p=np.packbits(sample.events.polarity),
    )


def load_clip(path: Path) -> Sample:
    """Reads a clip of `save_clip`; its time starts at 0."""
    with np.load(path) as file:
        t = file["t"].astype(np.int64)
        labels, motion = _labels(file), file["motion_px"]
        return Sample(
            name=str(file["name"]),
            t_us=file["t_us"],
            t0_us=0,
            frames=file["frames"],
            events=Events(file["x"], file["y"], t, np.unpackbits(file["p"], count=len(t)).astype(bool)),
            labels=labels,
            labelled=(labels != IGNORE).any((1, 2)),
            motion_px=None if np.isnan(motion).any() else motion,
        )


def _labels(file: Mapping[str, np.ndarray]) -> np.ndarray:
    """A clip's labels ``(T, H, W) uint8``; clips made earlier hold every plane."""
    if "labels" in file:
        return file["labels"]
    labelled, planes = file["labelled"], file["label_planes"]
    labels = np.full((len(labelled), *planes.shape[1:]), IGNORE, np.uint8)
    labels[labelled] = planes
    return labels


def save_new(path: Path, sample: Sample) -> None:
    """Writes a clip, whole or not at all, where there is none yet."""
    if not path.exists():
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
        save_clip(temporary, sample)
        temporary.replace(path)
