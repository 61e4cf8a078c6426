"""The data sets of street segmentation, in one table: what evaluation, training, bags and the command know of them.

A row names the reader's module. That module has

- ``open_split(root, split, *, frames, labels=None, drives=()) -> Split``: the labelled samples of a split, and
- where recordings can become bags by `halsie bag build NAME`, ``open_sequence(folder) -> Sequence`` or a builder of its
  own, ``halsie_ros/bags/builders/NAME.py``.

Adding a data set: docs/add_a_data_set.md.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from halsie_ros.datasets.base import require
from halsie_ros.datasets.samples import Split
from halsie_ros.errors import ParameterError


@dataclass(frozen=True)
class DataSet:
    """One row of the table.

    Attributes:
        module: of the reader, below `halsie_ros.datasets`.
        splits: how a split is named, for people.
        licence: of the data, as a model card trained on it names it.
        recordings: True where events are recorded: files made for reading in order, so that training reads them packed.
        labelled: False where there are no labels, so that there is nothing to evaluate or train.
        bag: what `halsie bag build` makes of it; "" where it makes none.
    """

    module: str
    splits: str
    licence: str
    recordings: bool = True
    labelled: bool = True
    bag: str = ""

    def reader(self) -> ModuleType:
        """The reader's module, loaded now: some need libraries of the extra `data`."""
        return importlib.import_module(f"halsie_ros.datasets.{self.module}")


DATASETS: dict[str, DataSet] = {
    "camvid": DataSet(
        "recordings.camvid", "train, val, test; --drives by recording", "CC BY-NC 4.0 (CamVid: research use)",
        recordings=False, bag="a stretch of CamVid with simulated events",
    ),
    "idd_lite": DataSet(
        "stills.idd", "train, val; --drives by drive", "IDD: research use (its terms allow no commercial use)",
        recordings=False,
    ),
    "cityscapes": DataSet(
        "stills.cityscapes", "train, val; --drives by city_sequence", "Cityscapes: non-commercial research",
        recordings=False,
    ),
    "own": DataSet(
        "stills.own", "all; --drives by recording", "your own", recordings=False,
    ),
    "dsec": DataSet(
        "recordings.dsec", "train, test, a sequence, or SPLIT-SEQUENCE", "CC BY-SA 4.0 (DSEC)",
        bag="one DSEC sequence (h5 events, png frames, labels where they are)",
    ),
    "mvsec": DataSet(
        "recordings.mvsec", "outdoor_day, outdoor_night, a sequence, or SPLIT-SEQUENCE", "CC BY-SA 4.0 (MVSEC)",
        bag="one MVSEC sequence (hdf5), or MVSEC's own ROS 1 bag",
    ),
    "ddd17": DataSet(
        "recordings.ddd17", "dir1_train, dir1_test, ess_*, evsegnet_*, a folder", "CC BY-NC-SA 4.0 (DDD17)",
        bag="one recording of DDD17 in the ESS release",
    ),
    "rpg": DataSet(
        "recordings.rpg", "", "see the data set (RPG: CC BY-NC-SA)", labelled=False,
        bag="a folder in the RPG text format (events.txt, images.txt, calib.txt)",
    ),
}  # fmt: skip
LABELLED = tuple(name for name, row in DATASETS.items() if row.labelled)
"""Those that can be evaluated and trained on."""


def split_samples(
    dataset: str,
    root: str | Path,
    split: str,
    *,
    frames: int,
    labels: Path | None = None,
    drives: tuple[str, ...] = (),
) -> Split:
    """The labelled samples of a split, by the data set's published protocol.

    Args:
        dataset: one of `LABELLED`.
        root: its folder.
        split: as the data set's reader names it.
        frames: frames per sample.
        labels: folder of pseudo-labels, for MVSEC and (in place of gtFine) Cityscapes.
        drives: only these, see `halsie_ros.datasets.stills.pictures.drives_named`; all for none.

    Raises:
        DatasetError: unknown split, or something of it is missing.
        ParameterError: no such data set, or one whose drives are named by `split`.
    """
    if dataset not in LABELLED:
        raise ParameterError(f"--dataset {dataset}: choose {', '.join(LABELLED)}")
    row = DATASETS[dataset]
    if drives and row.recordings:
        raise ParameterError(f"--drives: {dataset} names its recordings by --split")
    root = require(Path(root), f"the folder of {dataset}")
    opened: Split = row.reader().open_split(root, split, frames=frames, labels=labels, drives=drives)
    return opened
