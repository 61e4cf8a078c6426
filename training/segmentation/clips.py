"""Where training clips come from: `Sample`s (frames, events between them, labels) of any source, packed or made anew.

Packing (`python -m training.segmentation.clips CONFIG [--part validation] --out DIR --seeds N`) writes each clip once,
so that epochs need not simulate or decode again; `packed` of a config's part names the folder. Recordings (DSEC, MVSEC,
DDD17) must be packed: their files are made for reading in order, not at random. `clips.json` beside the clips says what
they are of.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from halsie_ros.datasets.registry import DATASETS, LABELLED
from halsie_ros.datasets.samples import Sample
from halsie_ros.events import Events
from halsie_ros.files import write_json
from training.core.command import TrainingError, command, setting_up

CLIPS = "[!.]*.npz"
NOTE = "clips.json"
NOTED = ("kind", "split", "frames", "labels", "stills")
NOTED_IF_SET = ("dataset", "leave_out", "only", "height")
"""Fields of `SourceConfig` that the note beside packed clips holds, the second ones where they say something."""


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
            groups of them (`partial`), of the data set that `dataset` names; or "mix" of several `parts`.
        root: folder of the data set; scenes have none.
        split: of the data set; for scenes "train" or "validation", which are different streets.
        frames: frames per clip.
        count: clips of a scene source; of streets so many, evenly spread; 0 (all) for the others.
        labels: folder of pseudo-labels, for MVSEC; for streets see `streets.street_pictures`.
        packed: folder of packed clips to read instead, "" for none.
        stills: single pictures without any past: quick to make, for a first stage of training on frames alone.
        dataset: of streets: "camvid", "idd" or "cityscapes".
        leave_out: drives of streets to leave out, see `streets.street_pictures`.
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
        if (self.kind == "scene") == bool(self.root):
            raise TrainingError(f"source kind {self.kind} with root {self.root!r}: only data sets have a root")
        if self.frames < 1 or self.count < 0:
            raise TrainingError(f"source frames {self.frames}, count {self.count}: give at least 1 and 0")
        if self.stills and self.frames != 1:
            raise TrainingError(f"source frames {self.frames} of stills: give 1")
        if self.stills and self.kind not in ("camvid", "streets") and not self.packed:
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
        from halsie_ros.datasets.recordings.camvid import load

        self._data, self._frames = load(config.root, config.split), config.frames
        self._only_stills = config.stills
        self._stills: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self._data)

    def sample(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.sample`."""
        if self._only_stills:
            return self.still(index, 0)
        return self._data.sample(index, frames=self._frames, seed=seed)

    def still(self, index: int, seed: int) -> Sample:
        """See `ClipSource.still`; the picture that CamVid has, kept in memory."""
        if index not in self._stills:
            image, label = self._data.image(index), self._data.label(index)
            self._stills[index] = still(self._data.names[index], image, label)
        return self._stills[index]


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


class PackedClips:
    """Clips that `pack` wrote; as stills, one frame of each."""

    def __init__(self, folder: Path, stills: bool = False) -> None:
        self._only_stills = stills
        self._files = sorted(folder.glob(CLIPS))
        if not self._files:
            raise FileNotFoundError(
                f"{folder}: no packed clips; write them with `python -m training.segmentation.clips`"
            )

    def __len__(self) -> int:
        return len(self._files)

    def sample(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.sample`; a packed clip is what it is, the seed chooses a still's frame (None: the last)."""
        return self.still(index, seed) if self._only_stills else load_clip(self._files[index])

    def still(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.still`; the last one for None."""
        with np.load(self._files[index]) as file:
            frames, labels = file["frames"], _labels(file)
            places = np.flatnonzero((labels != 255).any((1, 2)))
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
        labelled=np.array([bool((label != 255).any())]),
        motion_px=None,
    )


def save_clip(path: Path, sample: Sample) -> None:
    """Writes a clip as .npz, not compressed: reading must be quick. Planes without any label are left out."""
    t0_us = sample.t0_us
    labelled = (sample.labels != 255).any((1, 2))
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
            labelled=(labels != 255).any((1, 2)),
            motion_px=None if np.isnan(motion).any() else motion,
        )


def _labels(file: Mapping[str, np.ndarray]) -> np.ndarray:
    """A clip's labels ``(T, H, W) uint8``; clips made earlier hold every plane."""
    if "labels" in file:
        return file["labels"]
    labelled, planes = file["labelled"], file["label_planes"]
    labels = np.full((len(labelled), *planes.shape[1:]), 255, np.uint8)
    labels[labelled] = planes
    return labels


def _scene(config: SourceConfig) -> ClipSource:
    from training.segmentation.scenes import SceneClips

    return SceneClips(config.split, config.count, config.frames)


def _streets(config: SourceConfig) -> ClipSource:
    from training.segmentation.streets import StreetClips, street_pictures

    root, split = Path(config.root), config.split
    pictures = street_pictures(config.dataset, root, split, config.labels, config.leave_out, config.only, config.height)
    return StreetClips(pictures, config.frames, config.stills, config.count)


STREETS = ("camvid", "idd", "cityscapes")
SOURCES: dict[str, Callable[[SourceConfig], ClipSource]] = {
    "mix": MixedClips,
    "streets": _streets,
    "camvid": CamVidClips,
    "scene": _scene,
}
RECORDINGS = tuple(name for name in LABELLED if DATASETS[name].recordings)


def claim(folder: Path, config: SourceConfig) -> None:
    """Notes what clips a folder is for. Clips without a note, made earlier, are taken as they are.

    Raises:
        TrainingError: the folder has clips of something else, which would be kept.
    """
    fields = [*NOTED, *(name for name in NOTED_IF_SET if getattr(config, name))]
    note, wanted = folder / NOTE, {name: _plain(getattr(config, name)) for name in fields}
    if not any(folder.glob(CLIPS)):
        write_json(str(note), wanted)
    elif note.is_file():
        held = json.loads(note.read_text(encoding="utf-8"))
        names = list(dict.fromkeys((*wanted, *held)))
        if differing := [name for name in names if held.get(name) != wanted.get(name)]:
            there, asked = (", ".join(f"{name} {one.get(name)!r}" for name in differing) for one in (held, wanted))
            raise TrainingError(f"{folder}: its clips have {there}, not {asked}: give another --out, or delete it")


def _plain(value: object) -> object:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def pack(source: ClipSource, folder: Path, seeds: int, first: int = 0, stride: int = 1) -> None:
    """Writes ``seeds`` versions of every clip; what is there already is kept. ``first``/``stride`` share the work."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for index in range(first, len(source), stride):
            path = folder / f"{seed:02d}_{index:05d}.npz"
            if not path.exists():
                _save_whole(path, source.sample(index, seed))


def pack_recordings(config: SourceConfig, folder: Path, first: int = 0, stride: int = 1) -> None:
    """Writes every clip of a split of recordings, in order; what is there already is read again but kept.

    ``first``/``stride`` share the work of writing; all is read by each.
    """
    from halsie_ros.datasets.registry import split_samples

    folder.mkdir(parents=True, exist_ok=True)
    labels = Path(config.labels) if config.labels else None
    _, _, clips = split_samples(config.kind, Path(config.root), config.split, frames=config.frames, labels=labels)
    for index, sample in enumerate(clips):
        if index % stride == first:
            _save_whole(folder / f"{index:06d}.npz", sample)


def _save_whole(path: Path, sample: Sample) -> None:
    if not path.exists():
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
        save_clip(temporary, sample)
        temporary.replace(path)


def _share(text: str) -> tuple[int, int]:
    first, _, stride = text.partition("/")
    if not (first.isdecimal() and stride.isdecimal() and int(first) < int(stride)):
        raise argparse.ArgumentTypeError(f"{text} is no share: give i/n with i from 0 to n - 1, e.g. 0/4")
    return int(first), int(stride)


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    from training.segmentation.config import SegmentationConfig

    parser = argparse.ArgumentParser(description="Write a config's clips to a folder.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--part", choices=("train", "validation"), default="train")
    parser.add_argument("--out", type=Path, help="folder; by default the part's `packed`")
    parser.add_argument("--seeds", type=int, default=1, help="versions of every clip, each with its own simulation")
    parser.add_argument(
        "--share", type=_share, default=(0, 1), metavar="I/N", help="pack every N-th clip from the I-th (0 …) on"
    )
    args = parser.parse_args(arguments)
    with setting_up():
        config: SourceConfig = getattr(SegmentationConfig.load(args.config), args.part)
    if config.kind == "mix" and args.out:
        parser.error(f"{args.config}: {args.part} is a mix, each part's packed names its folder: leave --out")
    parts = [part for part in config.parts if part.packed] if config.kind == "mix" else [config]
    for part in parts:
        folder = args.out or (Path(part.packed) if part.packed else None)
        if folder is None:
            parser.error(f"{args.config} names no packed folder for {args.part}: give --out")
        claim(folder, part)
        if part.kind in RECORDINGS:
            pack_recordings(part, folder, *args.share)
        else:
            with setting_up():
                source = replace(part, packed="").open()
            pack(source, folder, args.seeds, *args.share)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
