"""Clips as the action network eats them, cached or read directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from halsie_ros.action.clip import Segment, read_clip
from halsie_ros.action.inputs import FORM
from halsie_ros.datasets.actions.video_sets import NO_LABEL, open_video_set
from halsie_ros.errors import VideoError
from training.core.command import TrainingError

IMAGE, MOTION, RESIDUAL = (3, *FORM.image), (4, *FORM.grid), (2, *FORM.residual)
STEPS = 6
"""Steps kept of a segment: those of a GOP of 12 frames, the working form."""
ARRAYS = ("image", "motion", "residual", "dt_us", "camera", "end_s")
GopArrays = dict[str, np.ndarray]
"""G segments: image ``(G, 3, 96, 128) uint8``, motion ``(G, T, 4, 24, 32)``, residual ``(G, T, 2, 48, 64)``, dt_us
``(G, T)`` (0 for padding), camera ``(G, T, 2)``, end_s ``(G,)``."""


class ClipSource(Protocol):
    """Clips with labels and groups."""

    labels: list[str]
    groups: list[str]

    def gops(self, clip: int, count: int, rng: np.random.Generator | None) -> GopArrays:
        """At most `count` segments of a clip in order: a random choice where `rng` is given, else spread evenly."""


@dataclass
class ClipCache:
    """Every segment of every clip of one data set, as :mod:`training.action.cache` writes them.

    Attributes:
        arrays: see `GopArrays`, all clips one after another.
        first: ``(clips + 1,)``: clip c has segments first[c] to first[c + 1] - 1.
        labels, groups, paths: of each clip.
    """

    arrays: GopArrays
    first: np.ndarray
    labels: list[str]
    groups: list[str]
    paths: list[str]

    @classmethod
    def load(cls, folder: Path) -> ClipCache:
        """Opens a cache; the arrays stay on disk and in the system's page cache.

        Raises:
            TrainingError: it was written before the camera's motion was taken out.
        """
        if not (folder / "camera.npy").is_file() and (folder / "motion.npy").is_file():
            raise TrainingError(f"{folder}: a cache of old form: delete it and write it again")
        clips = np.load(folder / "clips.npz")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        first = np.concatenate([[0], np.cumsum(clips["gops"])])
        return cls(arrays, first, *(clips[name].tolist() for name in ("label", "group", "path")))

    def gops(self, clip: int, count: int, rng: np.random.Generator | None) -> GopArrays:
        """See `ClipSource`."""
        chosen = choose_gops(np.arange(self.first[clip], self.first[clip + 1]), count, rng)
        return {name: array[chosen] for name, array in self.arrays.items()}


@dataclass
class JoinedClips:
    """Several sources as one.

    Attributes:
        sources: their clips follow one another.
        labels, groups: of each clip.
        places: source and clip of each.
    """

    sources: Sequence[ClipSource]
    labels: list[str]
    groups: list[str]
    places: list[tuple[int, int]]

    @classmethod
    def of(cls, sources: Sequence[ClipSource]) -> JoinedClips:
        """Joins them."""
        return cls(
            sources,
            [label for source in sources for label in source.labels],
            [group for source in sources for group in source.groups],
            [(number, clip) for number, source in enumerate(sources) for clip in range(len(source.labels))],
        )

    def gops(self, clip: int, count: int, rng: np.random.Generator | None) -> GopArrays:
        """See `ClipSource`."""
        number, inner = self.places[clip]
        return self.sources[number].gops(inner, count, rng)


@dataclass
class ClipFiles:
    """Clips read directly from their files, only the GOPs that are sampled.

    Attributes:
        paths: files.
        labels, groups: of each clip.
    """

    paths: list[Path]
    labels: list[str]
    groups: list[str]

    @classmethod
    def open(cls, dataset: str, root: Path, split: str | None, csv: str | None) -> ClipFiles:
        """Opens a split of a data set; missing clips are counted and printed."""
        found = open_video_set(dataset, root, split, csv)
        if found.missing:
            print(
                f"{dataset}: {len(found.missing)} of the listed clips are missing, e.g. {found.missing[0]}", flush=True
            )
        clips = [clip for clip in found.clips if clip.label != NO_LABEL]
        if not clips:
            raise TrainingError(f"{dataset}: the list has no labels: nothing to train on")
        return cls([c.path for c in clips], [found.classes[c.label] for c in clips], [c.group for c in clips])

    def gops(self, clip: int, count: int, rng: np.random.Generator | None) -> GopArrays:
        """See `ClipSource`. In training some more places are read than needed, so that other GOPs come each time.

        A broken clip gives no segments (the network sees padding) and is printed.
        """
        places = count if rng is None else count + int(rng.integers(0, 4))
        try:
            segments = read_clip(self.paths[clip], segments=places)
        except VideoError as error:
            print(f"left out: {error}", flush=True)
            segments = []
        chosen = choose_gops(np.arange(len(segments)), count, rng)
        return arrays_of([segments[i] for i in chosen])


def arrays_of(segments: list[Segment]) -> GopArrays:
    """Segments as arrays; steps beyond `STEPS` are left out."""
    count = len(segments)
    arrays: GopArrays = {
        "image": np.zeros((count, *IMAGE), np.uint8),
        "motion": np.zeros((count, STEPS, *MOTION), np.float16),
        "residual": np.zeros((count, STEPS, *RESIDUAL), np.float16),
        "dt_us": np.zeros((count, STEPS), np.float32),
        "camera": np.zeros((count, STEPS, 2), np.float32),
        "end_s": np.zeros(count, np.float32),
    }
    for s, segment in enumerate(segments):
        arrays["image"][s] = segment.image
        arrays["end_s"][s] = (segment.end_ns - segments[0].end_ns) / 1e9
        for t, step in enumerate(segment.steps[:STEPS]):
            arrays["motion"][s, t], arrays["residual"][s, t] = step.motion, step.residual
            arrays["dt_us"][s, t], arrays["camera"][s, t] = step.dt_us, step.camera
    return arrays


TIMED = ("motion", "residual", "dt_us", "camera")
"""Those arrays of a batch whose first axis is time."""


@dataclass
class Batch:
    """One batch; shapes as :meth:`CompressedVideoNet.forward` takes them.

    `label (B,) int64` has the share `share (B,)` of the truth, `other (B,) int64` the rest.
    """

    image: Tensor
    motion: Tensor
    residual: Tensor
    dt_us: Tensor
    age_s: Tensor
    valid: Tensor
    label: Tensor
    use: Tensor
    camera: Tensor
    other: Tensor
    share: Tensor

    def inputs(self) -> tuple[Tensor, ...]:
        """The network's arguments in order."""
        return self.image, self.motion, self.residual, self.dt_us, self.age_s, self.valid, self.use, self.camera

    def thin(self, gops: int, rng: np.random.Generator) -> None:
        """Keeps `gops` of the GOPs, a random choice in order, the newest among them."""
        there = self.valid.shape[1]
        if gops < there:
            kept = np.append(np.sort(rng.choice(there - 1, gops - 1, replace=False)), there - 1)
            self.image, self.age_s, self.valid = (x[:, kept] for x in (self.image, self.age_s, self.valid))
            for name in TIMED:
                setattr(self, name, getattr(self, name)[:, :, kept])

    def as_item(self) -> dict[str, Tensor]:
        """A batch of one as the loop's item: no batch axis."""
        rest = [one.name for one in fields(self) if one.name not in TIMED]
        return {name: getattr(self, name)[:, 0] for name in TIMED} | {name: getattr(self, name)[0] for name in rest}


def collate(items: list[tuple[ClipSource, int, int]], gops: int, rng: np.random.Generator | None = None) -> Batch:
    """Takes clips together.

    Args:
        items: (source, clip, label) each.
        gops: K.
        rng: training where given: see :func:`choose_gops`.
    """
    arrays = [source.gops(clip, gops, rng) for source, clip, _ in items]
    return batch_of(arrays, [label for _, _, label in items], gops, whole=rng is not None)


def batch_of(clips: Sequence[GopArrays], labels: Sequence[int], gops: int, *, whole: bool = False) -> Batch:
    """Takes clips' segments together, the newest last; `whole`: all `STEPS` steps, used or not."""
    batch = len(clips)
    image = np.zeros((batch, gops, *IMAGE), np.uint8)
    motion = np.zeros((STEPS, batch, gops, *MOTION), np.float32)
    residual = np.zeros((STEPS, batch, gops, *RESIDUAL), np.float32)
    dt_us = np.zeros((STEPS, batch, gops), np.float32)
    camera = np.zeros((STEPS, batch, gops, 2), np.float32)
    age_s, valid = np.zeros((batch, gops), np.float32), np.zeros((batch, gops), np.float32)
    for b, arrays in enumerate(clips):
        count, length = arrays["dt_us"].shape
        if not count:
            continue
        at = slice(gops - count, gops)
        image[b, at] = arrays["image"]
        motion[:length, b, at] = arrays["motion"].swapaxes(0, 1)
        residual[:length, b, at] = arrays["residual"].swapaxes(0, 1)
        dt_us[:length, b, at] = arrays["dt_us"].T
        camera[:length, b, at] = arrays["camera"].swapaxes(0, 1)
        age_s[b, at] = arrays["end_s"][-1] - arrays["end_s"]
        valid[b, at] = 1
    used = STEPS if whole else max(1, int((dt_us > 0).any((1, 2)).sum()))
    label = torch.tensor(labels)
    return Batch(
        torch.from_numpy(image).float() / 255,
        torch.from_numpy(motion[:used]),
        torch.from_numpy(residual[:used]),
        torch.from_numpy(dt_us[:used]),
        torch.from_numpy(age_s),
        torch.from_numpy(valid),
        label,
        torch.ones(batch, 3),
        torch.from_numpy(camera[:used]),
        label.clone(),
        torch.ones(batch),
    )


def choose_gops(there: np.ndarray, gops: int, rng: np.random.Generator | None) -> np.ndarray:
    """The segments of a clip that are used, in order: at most `gops`.

    Without `rng` they are spread evenly. With it a random run is taken, and sometimes the first or the last is left
    out.
    """
    if rng is None:
        return there[np.linspace(0, len(there) - 1, gops).round().astype(int)] if len(there) > gops else there
    if len(there) > gops:
        start = int(rng.integers(0, len(there) - gops + 1))
        there = there[start : start + gops]
    if len(there) > 3 and rng.random() < 0.4:
        there = there[int(rng.integers(0, 2)) : len(there) - int(rng.integers(0, 2))]
    return there
