"""Where training clips come from: `Sample`s (frames, events between them, labels), packed or made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from halsie_ros.datasets.recordings import camvid
from halsie_ros.datasets.registry import DATASETS, LABELLED
from halsie_ros.datasets.samples import Sample
from halsie_ros.datasets.stills import own
from halsie_ros.datasets.stills.pictures import Pictures
from training.core.command import TrainingError
from training.segmentation.clip_files import PackedClips, still
from training.segmentation.scenes import SceneClips
from training.segmentation.streets import StreetClips, street_pictures
from training.segmentation.unlike import UnlikePictures


class ClipSource(Protocol):
    """A numbered set of clips."""

    def __len__(self) -> int:
        """How many there are."""

    def sample(self, index: int, seed: int | None) -> Sample:
        """One clip; ``seed`` varies what is simulated, None is the fixed version for validation."""

    def still(self, index: int, seed: int) -> Sample:
        """One labelled picture of a clip, without any past; ``seed`` chooses which."""


@dataclass(frozen=True)
class SourceConfig:
    """Where clips come from.

    Attributes:
        kind: "camvid", "scene", "dsec", "mvsec" or "ddd17"; "streets": pictures of real streets in DSEC's classes and
            groups of them (`partial`), of the data set that `dataset` names; "unlike": pictures of no street, drawn or,
            with a `root`, of videos (`unlike`); "own": a folder of `datasets.stills.own`; or "mix" of several `parts`.
        root: folder of the data set; scenes have none.
        split: of the data set; for scenes "train" or "validation", which are different streets.
        frames: frames per clip.
        count: clips of a scene source; of streets so many, evenly spread; 0 (all) for the others.
        labels: folder of pseudo-labels, for MVSEC; for streets see `streets.street_pictures`.
        packed: folder of packed clips to read instead, "" for none.
        stills: single pictures without any past: quick to make, for a first stage of training on frames alone.
        dataset: of streets: "camvid", "idd" or "cityscapes".
        leave_out: drives of streets (recordings of own pictures) to leave out, see `streets.street_pictures`.
        only: drives of streets to take.
        times: how often each clip of a part occurs in a pass over a mix.
        height: rows to which Cityscapes' pictures are shrunk; 0 for none.
        zoom: factor on the recipe's random zoom, for pictures that are larger or smaller than most.
        parts: of a mix.
    """

    kind: str
    root: str = ""
    split: str = "train"
    frames: int = 4
    count: int = 0
    labels: str = ""
    packed: str = ""
    stills: bool = False
    dataset: str = ""
    leave_out: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    times: int = 1
    height: int = 0
    zoom: float = 1.0
    parts: tuple[SourceConfig, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in (*SOURCES, *RECORDINGS):
            raise TrainingError(f"source kind is {self.kind!r}: give one of {', '.join((*SOURCES, *RECORDINGS))}")
        if (self.kind == "mix") != bool(self.parts) or (self.kind == "mix" and (self.root or self.packed)):
            raise TrainingError(f"source kind {self.kind}, {len(self.parts)} parts: a mix has parts and nothing else")
        if (self.kind == "streets") != bool(self.dataset) or self.dataset not in ("", *STREETS):
            raise TrainingError(
                f"source kind {self.kind}, dataset {self.dataset!r}: streets have one of {', '.join(STREETS)}"
            )
        if self.times < 1 or self.zoom <= 0:
            raise TrainingError(f"source times {self.times}, zoom {self.zoom}: give at least 1, and more than 0")
        if self.kind == "mix":
            return
        if self.kind != "unlike" and (self.kind == "scene") == bool(self.root):
            raise TrainingError(f"source kind {self.kind} with root {self.root!r}: only data sets have a root")
        if self.frames < 1 or self.count < 0:
            raise TrainingError(f"source frames {self.frames}, count {self.count}: give at least 1 and 0")
        if self.stills and self.frames != 1:
            raise TrainingError(f"source frames {self.frames} of stills: give 1")
        if self.stills and self.kind not in ("camvid", "streets", "unlike", "own") and not self.packed:
            raise TrainingError(f"source kind {self.kind} has no stills: pack clips and give packed, or use camvid")

    def open(self) -> ClipSource:
        """The source that this describes.

        Raises:
            TrainingError: recordings that are not packed yet.
        """
        if self.packed:
            return PackedClips(Path(self.packed), self.stills)
        if self.kind in RECORDINGS:
            raise TrainingError(
                f"{self.kind} is read packed: run `python -m training.segmentation.clips CONFIG` and set packed"
            )
        return SOURCES[self.kind](self)


class CamVidClips:
    """CamVid's stills as ends of simulated motions, its video as it is."""

    def __init__(self, config: SourceConfig) -> None:
        self._data, self._frames = camvid.load(config.root, config.split), config.frames
        self._only_stills = config.stills
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self._data)

    def sample(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.sample`."""
        if self._only_stills:
            return self.still(index, 0)
        return self._data.sample(index, frames=self._frames, seed=seed)

    def still(self, index: int, seed: int) -> Sample:
        """See `ClipSource.still`; the picture that CamVid has, kept in memory."""
        if index not in self._kept:
            image, label = self._data.image(index), self._data.label(index)
            self._kept[index] = still(self._data.names[index], image, label)
        return self._kept[index]


class MixedClips:
    """Clips of several sources, each as often as its part says."""

    def __init__(self, config: SourceConfig) -> None:
        self.sources = [part.open() for part in config.parts]
        self._zooms = [part.zoom for part in config.parts]
        self._ends = np.cumsum([len(one) * part.times for one, part in zip(self.sources, config.parts)])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _place(self, index: int) -> tuple[int, int]:
        """Source and place in it."""
        part = int(np.searchsorted(self._ends, index, "right"))
        return part, (index - int(self._ends[part - 1] if part else 0)) % len(self.sources[part])

    def sample(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.sample`."""
        part, place = self._place(index)
        return self.sources[part].sample(place, seed)

    def still(self, index: int, seed: int) -> Sample:
        """See `ClipSource.still`."""
        part, place = self._place(index)
        return self.sources[part].still(place, seed)

    def zoom(self, index: int) -> float:
        """Factor on the random zoom of a clip."""
        return self._zooms[self._place(index)[0]]


def _scene(config: SourceConfig) -> ClipSource:
    return SceneClips(config.split, config.count, config.frames)


def _unlike(config: SourceConfig) -> ClipSource:
    return StreetClips(UnlikePictures(config.count or 60, config.root), config.frames, config.stills)


def _own(config: SourceConfig) -> ClipSource:
    pictures: Pictures = own.load(config.root)
    pictures = pictures.without(*config.leave_out) if config.leave_out else pictures
    pictures = pictures.only(*config.only) if config.only else pictures
    return StreetClips(pictures, config.frames, config.stills, config.count)


def _streets(config: SourceConfig) -> ClipSource:
    root, split = Path(config.root), config.split
    pictures = street_pictures(config.dataset, root, split, config.labels, config.leave_out, config.only, config.height)
    return StreetClips(pictures, config.frames, config.stills, config.count)


STREETS = ("camvid", "idd", "cityscapes")
SOURCES: dict[str, Callable[[SourceConfig], ClipSource]] = {
    "mix": MixedClips,
    "streets": _streets,
    "unlike": _unlike,
    "own": _own,
    "camvid": CamVidClips,
    "scene": _scene,
}
RECORDINGS = tuple(name for name in LABELLED if DATASETS[name].recordings)
