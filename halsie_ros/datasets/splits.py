"""Published splits of the event data sets by name, as samples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from halsie_ros.datasets.base import Sequence, require
from halsie_ros.datasets.samples import Sample, SampleProtocol, samples
from halsie_ros.errors import DatasetError
from halsie_ros.segmentation.labels import DDD17_6, DSEC_11, ClassSet


def sequences(dataset: str, root: str | Path, split: str, *, labels: Path | None = None) -> Iterator[Sequence]:
    """The sequences of a split, or the one sequence that `split` names, opened one after the other.

    Args:
        dataset: "dsec", "mvsec" or "ddd17" (ESS's release; Ev-SegNet's has no sequences).
        root: the data set's folder.
        split: a split of the data set's module, or a sequence's name.
        labels: folder of pseudo-labels, for MVSEC.

    Raises:
        DatasetError: unknown split or sequence, or something of it is missing.
    """
    root = require(Path(root), f"the folder of {dataset}")
    if dataset == "dsec":
        from halsie_ros.datasets import dsec

        names = dsec.SPLITS.get(split, (split,))
        return (dsec.DsecSequence(folder) for folder in [_dsec_folder(root, name, dsec.SPLITS) for name in names])
    if dataset == "mvsec":
        from halsie_ros.datasets import mvsec

        named = mvsec.SPLITS.get(split, (split,))
        here = [name for name in named if (root / f"{name}_data.hdf5").is_file()]
        if not here:
            known = ", ".join(sorted(path.name[: -len("_data.hdf5")] for path in root.glob("*_data.hdf5"))) or "none"
            raise DatasetError(
                f"{root}: no sequence of MVSEC split {split}; splits are {', '.join(mvsec.SPLITS)}, here is {known}"
            )
        return (mvsec.MvsecSequence(root, name, labels=labels) for name in here)
    from halsie_ros.datasets import ddd17

    folder = root / split
    folders = [folder] if folder.is_dir() and split.startswith("dir") else ddd17.ess_folders(root, split)
    return (ddd17.EssSequence(one) for one in folders)


def split_samples(
    dataset: str, root: str | Path, split: str, *, frames: int, labels: Path | None = None
) -> tuple[ClassSet, int, Iterator[Sample]]:
    """Class set, number of samples (0: not known beforehand) and the samples of a split, by its published protocol.

    Raises:
        DatasetError: unknown split, something of it is missing, or MVSEC without `labels`.
    """
    if dataset == "ddd17" and split.startswith("evsegnet"):
        from halsie_ros.datasets.ddd17 import EvSegNetSplit

        data = EvSegNetSplit(root, split)
        return DDD17_6, len(data), (data.sample(index) for index in range(len(data)))
    if dataset == "mvsec" and labels is None:
        raise DatasetError("MVSEC has no semantic labels: give a folder of pseudo-label PNGs by --labels")
    protocol = SampleProtocol(frames=frames)
    if dataset == "dsec":
        from halsie_ros.datasets.dsec import ess_protocol

        protocol = ess_protocol(frames)
    opened = sequences(dataset, root, split, labels=labels)
    classes = DSEC_11 if dataset == "dsec" else DDD17_6
    return classes, 0, chain.from_iterable(samples(sequence, protocol) for sequence in opened)


def _dsec_folder(root: Path, name: str, splits: dict[str, tuple[str, ...]]) -> Path:
    for folder in (root / name, root / "train" / name, root / "test" / name):
        if folder.is_dir():
            return folder
    raise DatasetError(
        f"{root}: no sequence {name} in it, in train/ or in test/; splits are {', '.join(splits)}, "
        "or name one sequence that is there"
    )
