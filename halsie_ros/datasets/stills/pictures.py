"""Labelled pictures without events: each is met as the end of a simulated camera motion (`approach`), or alone."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halsie_ros.classes import ClassSet
from halsie_ros.datasets.approach import approach
from halsie_ros.datasets.base import IGNORE, read_image
from halsie_ros.datasets.samples import Sample
from halsie_ros.errors import DatasetError, ParameterError

RATE_HZ = 20.0
"""Frame rate of the simulated motion in evaluation."""


@dataclass(frozen=True)
class Picture:
    """A picture of a data set.

    Attributes:
        name: of the picture, one of its kind in the data set.
        drive: recording that it comes from; pictures of one drive look alike and never stand on both sides of a split.
        image: its file.
        label: the label's file, None where there is none.
    """

    name: str
    drive: str
    image: Path
    label: Path | None


class Pictures:
    """A split of a data set of single pictures.

    Args:
        pictures: what is in it.
        classes: of the labels.
        table: (256,) uint8, id of each value in a label file, 255 where it counts for nothing.
    """

    def __init__(self, pictures: Many[Picture], classes: ClassSet, table: np.ndarray) -> None:
        self.pictures, self.classes, self._table = tuple(pictures), classes, table

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the drives, sorted."""
        return tuple(sorted({picture.drive for picture in self.pictures}))

    def only(self, *names: str) -> Pictures:
        """The pictures of some drives; for the names see `drives_named`."""
        return self._chosen(names, True)

    def without(self, *names: str) -> Pictures:
        """The pictures of all other drives."""
        return self._chosen(names, False)

    def _chosen(self, names: Many[str], wanted: bool) -> Pictures:
        drives = drives_named(self.drives, names)
        kept = [picture for picture in self.pictures if (picture.drive in drives) == wanted]
        if not kept:
            raise DatasetError(f"drives {', '.join(names)} are all there are: nothing is left")
        return Pictures(kept, self.classes, self._table)

    def image(self, index: int) -> np.ndarray:
        """The picture, (H, W, 3) uint8 RGB."""
        return read_image(self.pictures[index].image, "RGB")

    def label(self, index: int) -> np.ndarray:
        """The label, (H, W) uint8 ids of `classes`, 255 where nothing is known; all 255 for a picture without one.

        Raises:
            DatasetError: its size is not the picture's, or a file cannot be read.
        """
        picture = self.pictures[index]
        height, width = self.image(index).shape[:2]
        if picture.label is None:
            return np.full((height, width), IGNORE, np.uint8)
        label: np.ndarray = self._table[read_image(picture.label, "P")]
        if label.shape != (height, width):
            raise DatasetError(
                f"{picture.label}: {label.shape[1]}x{label.shape[0]} pixels, its picture has {width}x{height}"
            )
        return label

    def sample(self, index: int, *, frames: int = 8, seed: int | None = None, rate_hz: float | None = None) -> Sample:
        """The picture at the end of a simulated motion of `frames` frames.

        Args:
            index: place in the split.
            frames: length T of the sample.
            seed: of motion, event sensor and frame rate; None derives one from the picture's name (evaluation).
            rate_hz: frame rate; None is 20 Hz, or drawn from 15 to 30 Hz where a seed is given.
        """
        if frames < 1:
            raise ParameterError(f"frames {frames}: a sample has at least 1")
        name = self.pictures[index].name
        rng = np.random.default_rng([zlib.crc32(name.encode()), *([] if seed is None else [1, seed])])
        if rate_hz is None:
            rate_hz = RATE_HZ if seed is None else float(rng.uniform(15, 30))
        clip, _ = approach(self.image(index), self.label(index), index, frames, rng, rate_hz)
        return Sample(
            name=name,
            t_us=clip.t_us,
            t0_us=clip.t0_us,
            frames=clip.frames,
            events=clip.events,
            labels=clip.labels,
            labelled=(clip.labels != IGNORE).any((1, 2)),
            motion_px=clip.motion_px,
        )


def drives_named(drives: Many[str], names: Many[str]) -> set[str]:
    """The drives that names stand for.

    Args:
        drives: all there are, sorted.
        names: a drive's name; one that ends in ``*`` stands for all that begin so, ``3/10`` for every tenth drive from
            the one at place 3 on.

    Raises:
        DatasetError: a name stands for none.
    """
    found: set[str] = set()
    for name in names:
        part = re.fullmatch(r"(\d+)/([1-9]\d*)", name)
        if part:
            chosen = set(drives[int(part[1]) :: int(part[2])])
        else:
            chosen = {one for one in drives if one == name or (name.endswith("*") and one.startswith(name[:-1]))}
        if not chosen:
            known = ", ".join(drives[:12]) + (" …" if len(drives) > 12 else "")
            raise DatasetError(f"no drive {name}: there are {known}; or give e.g. 0/10 for every tenth")
        found |= chosen
    return found


def id_table(ids: dict[int, int]) -> np.ndarray:
    """(256,) uint8: ``ids[value]`` for each value of a label file that is named, 255 for every other one."""
    table = np.full(256, IGNORE, np.uint8)
    for value, target in ids.items():
        table[value] = target
    return table
