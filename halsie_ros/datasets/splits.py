"""Published splits of the event data sets by name, as samples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from halsie_ros.classes import DDD17_6, DSEC_11, ClassSet
from halsie_ros.datasets.base import Sequence, recordings_of, require
from halsie_ros.datasets.samples import Sample, SampleProtocol, samples
from halsie_ros.errors import DatasetError


def sequences(dataset: str, root: str | Path, split: str, *, labels: Path | None = None) -> Iterator[Sequence]:
    """The sequences of a split, or the one sequence that `split` names, opened one after the other.

    Args:
        dataset: "dsec", "mvsec" or "ddd17" (ESS's release; Ev-SegNet's has no sequences).
        root: the data set's folder.
        split: a split of the data set's module; such a split without one sequence, e.g. ``train-zurich_city_08_a``; or
            a sequence's name.
        labels: folder of pseudo-labels, for MVSEC: ``<sequence>/`` in it, or the PNGs themselves for one sequence.

    Raises:
        DatasetError: unknown split or sequence, or something of it is missing; all missing sequences are named.
    """
    root = require(Path(root), f"the folder of {dataset}")
    if dataset == "dsec":
        from halsie_ros.datasets.recordings import dsec

        return (dsec.DsecSequence(folder) for folder in _dsec_folders(root, split, dsec.SPLITS))
    if dataset == "mvsec":
        from halsie_ros.datasets.recordings import mvsec

        named = recordings_of(split, mvsec.SPLITS)
        missing = [name for name in named if not (root / f"{name}_data.hdf5").is_file()]
        if missing:
            known = ", ".join(sorted(path.name[: -len("_data.hdf5")] for path in root.glob("*_data.hdf5"))) or "none"
            raise DatasetError(
                f"{root}: no {', '.join(f'{name}_data.hdf5' for name in missing)} of MVSEC split {split}; splits are "
                f"{', '.join(mvsec.SPLITS)}, here is {known}: name one of these, or download the rest"
            )
        unlabelled = [name for name in named if labels is not None and not (labels / name).is_dir()]
        if unlabelled and len(named) > 1:
            raise DatasetError(
                f"{labels}: no folder {', '.join(unlabelled)}; MVSEC split {split} has {len(named)} sequences: put the "
                "pseudo-labels of each into a folder of its name"
            )
        return (mvsec.MvsecSequence(root, name, labels=labels) for name in named)
    from halsie_ros.datasets.recordings import ddd17

    return (ddd17.EssSequence(folder) for folder in ddd17.ess_folders(root, split))


def split_samples(
    dataset: str, root: str | Path, split: str, *, frames: int, labels: Path | None = None
) -> tuple[ClassSet, int, Iterator[Sample]]:
    """Class set, number of samples (0: not known beforehand) and the samples of a split, by its published protocol.

    Raises:
        DatasetError: unknown split, something of it is missing, or MVSEC without `labels`.
    """
    if dataset == "ddd17" and split.startswith("evsegnet"):
        from halsie_ros.datasets.recordings.ddd17 import EvSegNetSplit

        data = EvSegNetSplit(root, split)
        return DDD17_6, len(data), (data.sample(index) for index in range(len(data)))
    if dataset == "mvsec" and labels is None:
        raise DatasetError("MVSEC has no semantic labels: give a folder of pseudo-label PNGs by --labels")
    protocol = SampleProtocol(frames=frames)
    if dataset == "dsec":
        from halsie_ros.datasets.recordings.dsec import ess_protocol

        protocol = ess_protocol(frames)
    opened = sequences(dataset, root, split, labels=labels)
    classes = DSEC_11 if dataset == "dsec" else DDD17_6
    return classes, 0, chain.from_iterable(samples(sequence, protocol) for sequence in opened)


def _dsec_folders(root: Path, split: str, splits: dict[str, tuple[str, ...]]) -> list[Path]:
    names = recordings_of(split, splits)
    places = {name: (root / name, root / "train" / name, root / "test" / name) for name in names}
    missing = [name for name in names if not any(folder.is_dir() for folder in places[name])]
    if missing:
        raise DatasetError(
            f"{root}: no sequence {', '.join(missing)} in it, in train/ or in test/; splits are {', '.join(splits)}, "
            "or name one sequence that is there"
        )
    return [next(folder for folder in places[name] if folder.is_dir()) for name in names]
