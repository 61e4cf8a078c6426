"""Sets of labelled clips: what every reader of an action data set gives, and the choice among them by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from halsie_ros.errors import DatasetError

VIDEO_SETS = {
    "ucf101": "ucf101",
    "hmdb51": "hmdb51",
    "kinetics400": "kinetics",
    "kinetics600": "kinetics",
    "ssv2": "ssv2",
    "clips": "clips",
}
"""Data set -> its reader's module beside this one, with ``open_set(root, split)``."""
SUFFIXES = (".mp4", ".avi", ".webm", ".mkv", ".m4v")


NO_LABEL = -1


@dataclass(frozen=True)
class Clip:
    """One labelled clip.

    Attributes:
        path: of the file, which exists.
        label: class id; `NO_LABEL` where the list says none.
        group: what must not be shared between training and validation (subject, source, UCF's group); "" where unknown.
        name: path within the data set as its lists give it.
    """

    path: Path
    label: int
    group: str
    name: str


@dataclass(frozen=True)
class VideoSet:
    """A split of a data set.

    Attributes:
        name: of the data set.
        classes: names in id order.
        clips: those that are there, in the lists' order.
        missing: names that the lists have and the folder lacks (or holds as empty files).
        mirror: "same" where a mirrored clip keeps its class, "never" where mirroring changes what classes mean.
        licence: of the data.
    """

    name: str
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    missing: tuple[str, ...]
    mirror: str
    licence: str

    def __post_init__(self) -> None:
        if not self.clips:
            first = f", for instance {self.missing[0]}" if self.missing else ""
            raise DatasetError(f"{self.name}: none of {len(self.missing)} listed clips is there{first}: check the root")


def locate(wanted: Path) -> Path | None:
    """The file itself, or the same clip in another container (a transcoded copy); None where neither has content."""
    for path in (wanted, *(wanted.with_suffix(suffix) for suffix in SUFFIXES)):
        if path.is_file() and path.stat().st_size:
            return path
    return None


def gather(root: Path, entries: Iterable[tuple[str, int, str]]) -> tuple[tuple[Clip, ...], tuple[str, ...]]:
    """Clips that are there and names of those that are not, from (name, label, group)."""
    clips, missing = [], []
    for name, label, group in entries:
        path = locate(root / name)
        if path is None:
            missing.append(name)
        else:
            clips.append(Clip(path, label, group, name))
    return tuple(clips), tuple(missing)


def read_lines(path: Path) -> list[str]:
    """Non-empty lines of a list file.

    Raises:
        DatasetError: the file is missing.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}): the data set's lists belong there") from error


def open_video_set(dataset: str, root: str | Path, split: str | None = None, csv: str | Path | None = None) -> VideoSet:
    """Opens a split of a data set in its official layout.

    Args:
        dataset: one of `VIDEO_SETS`.
        root: its folder.
        split: as the data set's own reader names it; None: what that reader validates on.
        csv: list file, for "clips" and Kinetics.

    Raises:
        DatasetError: unknown data set or split, a list is missing, or no clip is there.
    """
    if dataset not in VIDEO_SETS:
        raise DatasetError(f"data set {dataset!r} is unknown: choose one of {', '.join(VIDEO_SETS)}")
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: give the root of {dataset}")
    module: Any = importlib.import_module(f"halsie_ros.datasets.actions.{VIDEO_SETS[dataset]}")
    if dataset.startswith("kinetics"):
        return cast(VideoSet, module.open_set(root, split, csv, name=dataset))
    if dataset == "clips":
        return cast(VideoSet, module.open_set(root, split, csv))
    if csv is not None:
        raise DatasetError(f"{csv}: {dataset} has lists of its own: leave --csv out")
    return cast(VideoSet, module.open_set(root, split))
