"""IDD (India Driving Dataset) and IDD-lite in their official layouts.

IDD-lite: ``leftImg8bit/<split>/<drive>/<frame>_image.jpg`` and ``gtFine/<split>/<drive>/<frame>_label.png``, seven
classes. IDD: ``…/<frame>_leftImg8bit.png`` (or .jpg) and ``…/<frame>_gtFine_labelids.png`` or
``…_gtFine_labellevel3Ids.png``, as AutoNUE's public code writes them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from halsie_ros.classes import DSEC_11, IDD_LITE_7, ClassSet
from halsie_ros.datasets.base import require
from halsie_ros.datasets.samples import Split
from halsie_ros.datasets.stills.pictures import Picture, Pictures, id_table
from halsie_ros.errors import DatasetError

_LEVEL3 = dict(
    enumerate((5, 5, 6, 255, 3, 3, 8, 8, 8, 8, 8, 8, 8, 255, 9, 2, 2, 255, 10, 10, 4, 255, 1, 1, 7, 0))
)  # DSEC's id of each level3Id of AutoNUE's label table; curbs, billboards and fallbacks have none
_IDS = dict(
    enumerate(
        (5, 5, 5, 6, 255, 255, 3, 255, 3, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 255, 9, 2, 2, 255, 10, 10, 4, 4, 255, 1, 1, 1,
         7, 0)
    )
)  # of each id  # fmt: skip
_LABELS: tuple[tuple[str, ClassSet, np.ndarray], ...] = (
    ("_label.png", IDD_LITE_7, id_table({k: k for k in range(len(IDD_LITE_7))})),
    ("_gtFine_labelids.png", DSEC_11, id_table(_IDS)),
    ("_gtFine_labellevel3Ids.png", DSEC_11, id_table(_LEVEL3)),
)
_IMAGES = ("_image.jpg", "_leftImg8bit.png", "_leftImg8bit.jpg", "_image.png")


def load(root: str | Path, split: str = "train") -> Pictures:
    """A split of IDD-lite or IDD.

    Args:
        root: the folder that holds ``leftImg8bit``, or the one above it.
        split: "train", "val" or "test" (which has no labels).

    Raises:
        DatasetError: the split is not there or empty, or only some of its pictures have a label.
    """
    root = Path(root)
    inner = sorted(root.glob("*/leftImg8bit"))
    if not (root / "leftImg8bit").is_dir() and len(inner) == 1:
        root = inner[0].parent
    images = require(root / "leftImg8bit" / split, f"IDD's leftImg8bit/{split}/<drive>/ with its pictures")
    found = [(path, path.name.removesuffix(end)) for end in _IMAGES for path in sorted(images.glob(f"*/*{end}"))]
    if not found:
        raise DatasetError(f"{images}: no picture <drive>/*{_IMAGES[0]} or <drive>/*{_IMAGES[1]} in it")
    folder = root / "gtFine" / split
    for end, classes, table in _LABELS:
        labels = [folder / path.parent.name / f"{frame}{end}" for path, frame in found]
        there = [label.is_file() for label in labels]
        if all(there):
            return _pictures(found, labels, classes, table)
        if any(there):
            raise DatasetError(f"{labels[there.index(False)]}: not here, though others of {folder} are; copy it again")
    if folder.is_dir():
        raise DatasetError(f"{folder}: none of its files is a label *{', *'.join(end for end, _, _ in _LABELS)}")
    return _pictures(found, [None] * len(found), *_LABELS[0][1:])


def _pictures(
    found: list[tuple[Path, str]], labels: list[Path] | list[None], classes: ClassSet, table: np.ndarray
) -> Pictures:
    return Pictures(
        [
            Picture(f"{path.parent.name}/{frame}", path.parent.name, path, label)
            for (path, frame), label in zip(found, labels, strict=True)
        ],
        classes,
        table,
    )


def open_split(
    root: Path, split: str, *, frames: int, labels: Path | None = None, drives: tuple[str, ...] = ()
) -> Split:
    """See `halsie_ros.datasets.registry`; each picture is the end of a simulated motion."""
    pictures = load(root, split)
    pictures = pictures.only(*drives) if drives else pictures
    if all(picture.label is None for picture in pictures.pictures):
        raise DatasetError(f"{root}: split {split} has no labels: nothing to score")
    return Split(
        pictures.classes, len(pictures), (pictures.sample(index, frames=frames) for index in range(len(pictures)))
    )
