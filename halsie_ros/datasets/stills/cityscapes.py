"""Cityscapes in its official layout: ``<images>/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png`` and
``<labels>/<split>/<city>/<city>_<sequence>_<frame>_<kind>_labelIds.png``.

`images` is ``leftImg8bit`` (labelled stills) or ``leftImg8bit_sequence`` (30 frames at 17 Hz around each of them),
`labels` is ``gtFine``, or any folder of that layout, as a network's labels.
"""

from __future__ import annotations

import re
from pathlib import Path

from halsie_ros.classes import CITYSCAPES_19
from halsie_ros.datasets.base import require
from halsie_ros.datasets.stills.pictures import Picture, Pictures, id_table
from halsie_ros.errors import DatasetError

LICENCE = "Cityscapes: non-commercial research"
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


def _frame(path: Path) -> str:
    match = re.match(r"[A-Za-z-]+_\d{6}_\d{6}(?=_)", path.name)
    if match is None:
        raise DatasetError(f"{path}: not a name of Cityscapes, <city>_<six digits>_<six digits>_…")
    return match[0]
