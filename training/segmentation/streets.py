"""Pictures of real streets from several data sets, in one label space, as clips to train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from halsie_ros.classes import DSEC_11
from halsie_ros.datasets.base import read_image
from halsie_ros.datasets.recordings.camvid import CamVid
from halsie_ros.datasets.samples import Sample
from halsie_ros.datasets.stills import cityscapes, idd
from halsie_ros.datasets.stills.pictures import Pictures, id_table
from training.segmentation.clip_files import still
from training.segmentation.partial import filled, training_ids


class StreetPictures(Pictures):
    """Pictures whose labels are training labels of DSEC's classes (`partial`), completed by a network's guesses.

    Args:
        pictures: of one data set.
        root: folder below which they lie.
        guesses: folder of `training.pseudo_labels` for that folder; None for none.
    """

    def __init__(self, pictures: Pictures, root: Path, guesses: Path | None) -> None:
        super().__init__(pictures.pictures, DSEC_11, id_table({}))
        self._own, self._root, self._guesses = pictures, root, guesses

    def image(self, index: int) -> np.ndarray:
        """The picture, as the data set gives it."""
        return self._own.image(index)

    def sample(self, index: int, *, frames: int = 8, seed: int | None = None, rate_hz: float | None = None) -> Sample:
        """With its past as the data set gives it."""
        if not isinstance(self._own, cityscapes.Video):
            return super().sample(index, frames=frames, seed=seed, rate_hz=rate_hz)
        sample = self._own.sample(index, frames=frames, seed=seed)
        return replace(sample, labels=training_ids(sample.labels, self._own.classes))

    def label(self, index: int) -> np.ndarray:
        """See `training.segmentation.partial.filled`."""
        picture = self.pictures[index]
        guess = None
        if self._guesses is not None:
            path = (self._guesses / picture.image.relative_to(self._root)).with_suffix(".png")
            guess = read_image(path, "P")
        own = training_ids(self._own.label(index), self._own.classes)
        return filled(own, guess, picture.label is None)


def street_pictures(
    kind: str,
    root: Path,
    split: str,
    labels: str = "",
    leave_out: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    height: int = 0,
) -> StreetPictures:
    """Pictures of a data set to train on.

    Args:
        kind: "camvid", "idd" (IDD-lite or IDD) or "cityscapes".
        root: the data set's folder.
        split: of it.
        labels: for Cityscapes, the folder of labels below `root`; for the others a folder of guesses, "" for none.
        leave_out: drives to leave out, by name, ``aachen*`` or ``0/10``, see `pictures.drives_named`.
        only: drives to take, all others are left out; as `leave_out`.
        height: rows to which Cityscapes' pictures are shrunk; 0 for none.

    Raises:
        DatasetError: something is missing, or nothing is left.
    """
    guesses = Path(labels) if labels and kind != "cityscapes" else None
    below = root
    if kind == "camvid":
        found = CamVid(root, split).pictures()
        below = root / split
    elif kind == "idd":
        found = idd.load(root, split)
        below = found.pictures[0].image.parents[2]
    else:
        found = cityscapes.load(root, split, labels=labels or "gtFine")
    found = found.without(*leave_out) if leave_out else found
    found = found.only(*only) if only else found
    if kind == "cityscapes":
        found = cityscapes.Video(found, height)
    return StreetPictures(found, below, guesses)


class StreetClips:
    """A `training.segmentation.sources.ClipSource` of pictures: the ends of simulated motions, or stills in memory."""

    def __init__(self, pictures: Pictures, frames: int, stills: bool, count: int = 0) -> None:
        self._pictures, self._frames, self._only_stills = pictures, frames, stills
        self._places = np.linspace(0, len(pictures) - 1, min(count, len(pictures)) or len(pictures)).astype(int)
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self._places)

    def sample(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.sample`."""
        if self._only_stills:
            return self.still(index, 0)
        return self._pictures.sample(int(self._places[index]), frames=self._frames, seed=seed)

    def still(self, index: int, seed: int | None) -> Sample:
        """See `ClipSource.still`; pictures stay in memory."""
        if index not in self._kept:
            place = int(self._places[index])
            name = self._pictures.pictures[place].name
            self._kept[index] = still(name, self._pictures.image(place), self._pictures.label(place))
        return self._kept[index]
