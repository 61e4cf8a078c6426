"""Cityscapes in its official layout: ``<images>/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png`` and
``<labels>/<split>/<city>/<city>_<sequence>_<frame>_<kind>_labelIds.png``.

`images` is ``leftImg8bit`` (labelled stills) or ``leftImg8bit_sequence`` (30 frames at 17 Hz around each of them),
`labels` is ``gtFine``, or any folder of that layout, as a network's labels.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np

from halsie_ros.classes import CITYSCAPES_19
from halsie_ros.datasets.approach import START_US, follow
from halsie_ros.datasets.base import IGNORE, require
from halsie_ros.datasets.samples import Sample, Split
from halsie_ros.datasets.stills.pictures import Picture, Pictures, id_table
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events
from halsie_ros.pictures.srgb import to_luminance
from halsie_ros.simulation.events import EventSimulator

SEQUENCE_RATE_HZ = 17.0
IMAGE_FOLDERS = ("leftImg8bit", "leftImg8bit_sequence")
TRAIN_IDS = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15,
    31: 16, 32: 17, 33: 18,
}  # fmt: skip
"""trainId of each labelId that counts (cityscapesScripts, helpers/labels.py)."""


def load(root: str | Path, split: str = "train", *, labels: str | Path | None = None, video: bool = False) -> Pictures:
    """A split of Cityscapes; a drive is a sequence, ``<city>_<sequence>``.

    Args:
        root: folder with ``leftImg8bit`` or ``leftImg8bit_sequence``.
        split: "train", "val" or "test".
        labels: folder of the labels, as it is or relative to `root`; None is gtFine.
        video: True gives every frame, with a label or without; False those that have a label.

    Raises:
        DatasetError: folders are missing, a name is not of the layout, or no picture has a label.
    """
    root = Path(root)
    folders = [root / name / split for name in IMAGE_FOLDERS if (root / name / split).is_dir()]
    if not folders:
        raise DatasetError(f"{root}: neither {IMAGE_FOLDERS[0]}/{split} nor {IMAGE_FOLDERS[1]}/{split} in it")
    if labels is None or not Path(labels).is_dir():
        labels = root / (labels or "gtFine")
    labelled = require(Path(labels) / split, f"labels of split {split}, <city>/*_labelIds.png")
    by_frame = {_frame(path): path for path in sorted(labelled.glob("*/*_labelIds.png"))}
    pictures: dict[str, Picture] = {}
    for folder in folders:
        for path in sorted(folder.glob("*/*_leftImg8bit.*")):
            name = _frame(path)
            label = by_frame.get(name)
            if name not in pictures and (video or label is not None):
                pictures[name] = Picture(name, name.rpartition("_")[0], path, label)
    if not any(picture.label for picture in pictures.values()):
        raise DatasetError(f"{labelled}: no label of a picture in {', '.join(str(folder) for folder in folders)}")
    return Pictures([pictures[name] for name in sorted(pictures)], CITYSCAPES_19, id_table(TRAIN_IDS))


class Video(Pictures):
    """Pictures of a split met with the real frames before them, and simulated events along the flow between them.

    Args:
        pictures: of `load` with ``video=True``.
        height: rows to which frames and labels are shrunk, pixels; 0 keeps their size.
    """

    def __init__(self, pictures: Pictures, height: int = 0) -> None:
        super().__init__(pictures.pictures, pictures.classes, id_table({}))
        self._own, self._height = pictures, height
        self._places = {picture.name: place for place, picture in enumerate(pictures.pictures)}

    def image(self, index: int) -> np.ndarray:
        """The picture at the wanted size, (H, W, 3) uint8 RGB."""
        image = self._own.image(index)
        if not self._height:
            return image
        from PIL import Image

        rows, columns = self._size(image)
        tall = Image.fromarray(image).resize((columns, rows), Image.Resampling.BOX)
        return np.array(tall)

    def label(self, index: int) -> np.ndarray:
        """The label at the wanted size, of nearest pixels; see `Pictures.label`."""
        label = self._own.label(index)
        if not self._height:
            return label
        rows, columns = self._size(label)
        return label[(np.arange(rows) * len(label)) // rows][:, (np.arange(columns) * label.shape[1]) // columns]

    def _size(self, picture: np.ndarray) -> tuple[int, int]:
        return self._height, round(picture.shape[1] * self._height / picture.shape[0])

    def before(self, index: int, frames: int) -> list[int]:
        """Places of up to `frames` consecutive frames that end in a picture's, oldest first."""
        name = self.pictures[index].name
        drive, _, number = name.rpartition("_")
        places: list[int] = []
        for one in range(int(number), max(int(number) - frames, -1), -1):
            place = self._places.get(f"{drive}_{one:06d}")
            if place is None:
                break
            places.insert(0, place)
        return places

    def sample(self, index: int, *, frames: int = 8, seed: int | None = None, rate_hz: float | None = None) -> Sample:
        """The picture after the real frames before it, up to `frames` in all; a picture without any is met as
        `Pictures.sample` meets it. `seed` is the event sensor's; the rate is the video's."""
        places = self.before(index, frames + 1)
        if len(places) < 2:
            return super().sample(index, frames=frames, seed=seed, rate_hz=rate_hz)
        seen = [self.image(place) for place in places]
        labels = np.stack([self.label(place) for place in places[1:]])
        t_us = START_US + np.rint(np.arange(len(places)) * 1e6 / SEQUENCE_RATE_HZ).astype(np.int64)
        name = self.pictures[index].name
        rng = np.random.default_rng([zlib.crc32(name.encode()), *([] if seed is None else [1, seed])])
        height, width = seen[0].shape[:2]
        sensor = EventSimulator(width, height, seed=int(rng.integers(1 << 31)))
        light = [to_luminance(one) for one in seen]
        sensor.push(light[0], START_US)
        events = [
            part
            for k in range(1, len(places))
            for part in follow(sensor, light[k - 1], light[k], int(t_us[k - 1]), int(t_us[k]))
        ]
        return Sample(
            name=name,
            t_us=t_us[1:],
            t0_us=START_US,
            frames=np.stack(seen[1:]),
            events=Events.concatenate(events),
            labels=labels,
            labelled=(labels != IGNORE).any((1, 2)),
        )


def _frame(path: Path) -> str:
    match = re.match(r"[A-Za-z-]+_\d{6}_\d{6}(?=_)", path.name)
    if match is None:
        raise DatasetError(f"{path}: not a name of Cityscapes, <city>_<six digits>_<six digits>_…")
    return match[0]


def open_split(
    root: Path, split: str, *, frames: int, labels: Path | None = None, drives: tuple[str, ...] = ()
) -> Split:
    """See `halsie_ros.datasets.registry`; each picture is the end of a simulated motion."""
    pictures = load(root, split, labels=labels)
    pictures = pictures.only(*drives) if drives else pictures
    if all(picture.label is None for picture in pictures.pictures):
        raise DatasetError(f"{root}: split {split} has no labels: nothing to score")
    return Split(
        pictures.classes, len(pictures), (pictures.sample(index, frames=frames) for index in range(len(pictures)))
    )
