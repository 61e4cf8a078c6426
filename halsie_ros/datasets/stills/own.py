"""A user's own labelled pictures: a folder with ``images/``, ``labels/`` and ``classes.txt``.

``images/[RECORDING/]NAME.jpg`` (or .jpeg, .png, .bmp) and ``labels/[RECORDING/]NAME.png``. ``classes.txt`` has a line
per class in id order, its name and, if the labels are coloured, its colour: ``road 128 64 128``. Labels hold ids
(grey or palette pictures) or colours (RGB); 255, and black where no class is black, count for nothing. Pictures of one
recording look alike, so that splits keep recordings whole: a recording is a sub-folder, else what a name begins
with before its number (``drive1_000123`` is of ``drive1``).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence as Many
from pathlib import Path

import numpy as np

from halsie_ros.classes import CLASS_SETS, ClassSet
from halsie_ros.datasets.base import IGNORE, read_image, require
from halsie_ros.datasets.samples import Split
from halsie_ros.datasets.stills.pictures import Picture, Pictures, id_table
from halsie_ros.errors import DatasetError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")
MOST_CLASSES = 64


class OwnPictures(Pictures):
    """See the module's text."""

    def __init__(self, pictures: list[Picture], classes: ClassSet) -> None:
        super().__init__(pictures, classes, id_table({k: k for k in range(len(classes))}))

    def label(self, index: int) -> np.ndarray:
        """The label, (H, W) uint8 ids, 255 where nothing is known.

        Raises:
            DatasetError: its size is not the picture's, or it has an id or a colour that ``classes.txt`` does not name.
        """
        picture = self.pictures[index]
        height, width = self.image(index).shape[:2]
        assert picture.label is not None  # `load` takes labelled pictures alone
        label = _ids(picture.label, self.classes)
        if label.shape != (height, width):
            raise DatasetError(
                f"{picture.label}: {label.shape[1]}x{label.shape[0]} pixels, its picture has {width}x{height}"
            )
        return label

    def _chosen(self, names: Many[str], wanted: bool) -> OwnPictures:
        return OwnPictures(list(super()._chosen(names, wanted).pictures), self.classes)


def load(root: str | Path) -> OwnPictures:
    """All labelled pictures of a folder; pictures without a label are left out.

    Raises:
        DatasetError: a part of the folder is missing, ``classes.txt`` cannot be read, or no picture has a label.
    """
    root = Path(root)
    classes = read_classes(require(root / "classes.txt", "a line per class in id order, e.g. `road 128 64 128`"))
    images = require(root / "images", "the folder of pictures, images/[RECORDING/]NAME.jpg")
    labels = require(root / "labels", "the folder of label pictures, labels/[RECORDING/]NAME.png")
    pictures, unlabelled = [], []
    for path in sorted(path for path in images.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS):
        name = path.relative_to(images).with_suffix("")
        label = labels / name.parent / f"{name.name}.png"
        if label.is_file():
            pictures.append(Picture(name.as_posix(), recording_of(name), path, label))
        else:
            unlabelled.append(name.as_posix())
    if not pictures:
        example = f", for instance {labels.name}/{unlabelled[0]}.png for {unlabelled[0]}" if unlabelled else ""
        raise DatasetError(f"{root}: none of {len(unlabelled)} pictures has a label{example}")
    return OwnPictures(pictures, classes)


def recording_of(name: Path) -> str:
    """The recording of a picture by its path within ``images/``, without its ending."""
    if name.parent != Path():
        return name.parent.as_posix()
    return re.sub(r"[_\-. ]*\d+$", "", name.name) or "all"


def read_classes(path: Path) -> ClassSet:
    """The class set that a ``classes.txt`` describes, registered by the folder's name.

    Raises:
        DatasetError: a line that is no class, a name twice, fewer than two classes or more than `MOST_CLASSES`.
    """
    names: list[str] = []
    colours: list[tuple[int, ...]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = re.fullmatch(r"\s*(.+?)(?:\s+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3}))?\s*", line.split("#", 1)[0])
        if match is None:
            continue  # an empty line
        colour = tuple(int(value) for value in match.groups()[1:] if value)
        if match[1] in names or any(value > 255 for value in colour):
            raise DatasetError(f"{path}: line {number}, {line.strip()!r}: give each class once, as NAME or NAME R G B")
        names.append(match[1])
        colours.append(colour or _colour(len(colours)))
    if not 2 <= len(names) <= MOST_CLASSES:
        raise DatasetError(f"{path}: {len(names)} classes; give 2 to {MOST_CLASSES}, a line each")
    made = ClassSet(f"own_{path.parent.name}", tuple(names), np.array(colours, np.uint8), IGNORE)
    held = CLASS_SETS.setdefault(made.name, made)
    if held.names != made.names:
        CLASS_SETS[made.name] = held = made
    return held


def _colour(place: int) -> tuple[int, int, int]:
    """Colours that are easy to tell apart: hues a golden angle apart, for classes without one of their own."""
    hue = place * 0.618 % 1 * 6
    rise = round(255 * (1 - abs(hue % 2 - 1)))
    return [(255, rise, 0), (rise, 255, 0), (0, 255, rise), (0, rise, 255), (rise, 0, 255), (255, 0, rise)][int(hue)]


def _ids(path: Path, classes: ClassSet) -> np.ndarray:
    colours = read_image(path, "RGB")
    grey = bool((colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all())
    values: np.ndarray | None = colours[..., 0] if grey else None
    with contextlib.suppress(DatasetError):  # ids as stored, without a palette's colours
        values = read_image(path, "P")
    if values is not None:
        wrong = sorted(set(np.unique(values).tolist()) - set(range(len(classes))) - {IGNORE})
        if wrong:
            raise DatasetError(
                f"{path}: holds ids {', '.join(map(str, wrong[:5]))}; classes.txt has {len(classes)} classes, 0 to "
                f"{len(classes) - 1}, and 255 counts for nothing"
            )
        return values
    codes = colours.astype(np.int32) @ np.array([65536, 256, 1])
    known = {int(np.dot(colour.astype(int), (65536, 256, 1))): k for k, colour in enumerate(classes.palette)}
    known.setdefault(0, IGNORE)
    found, places = np.unique(codes, return_inverse=True)
    wrong = [code for code in found.tolist() if code not in known]
    if wrong:
        text = " ".join(str(part) for part in divmod(wrong[0] >> 8, 256)) + f" {wrong[0] & 255}"
        raise DatasetError(f"{path}: holds the colour {text}, which classes.txt does not name: add it there")
    return np.array([known[code] for code in found.tolist()], np.uint8)[places].reshape(codes.shape)


def open_split(
    root: Path, split: str, *, frames: int, labels: Path | None = None, drives: tuple[str, ...] = ()
) -> Split:
    """See `halsie_ros.datasets.registry`; `split` is "all", drives are recordings."""
    if split != "all":
        raise DatasetError(f"{root}: own pictures have one split, all; choose recordings by --drives")
    pictures = load(root)
    chosen = pictures.only(*drives) if drives else pictures
    return Split(chosen.classes, len(chosen), (chosen.sample(index, frames=frames) for index in range(len(chosen))))
