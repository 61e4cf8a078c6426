"""Kinetics-400 and -600: csv `label,youtube_id,time_start,time_end,split` and `<id>_<start6>_<end6>.mp4`.

Files lie in `<root>`, `<root>/<split>` or, beneath either, in a folder per class. Many are gone from the source:
those that are missing are listed, not fatal.
"""

from __future__ import annotations

import csv as csv_files
from pathlib import Path

from halsie_ros.datasets.actions.video_sets import NO_LABEL, Clip, VideoSet, locate
from halsie_ros.errors import DatasetError

SPLITS = ("train", "val", "validate", "test")
_ALSO = {"val": "validate", "validate": "val"}
"""The release calls it validate, most copies val."""


def open_set(
    root: Path, split: str | None = None, csv: str | Path | None = None, *, name: str = "kinetics400"
) -> VideoSet:
    """Opens a split (default `val`) by its csv: `csv`, or `<split>.csv`, `<name>_<split>.csv` in the root or
    `annotations/`; `val` and `validate` are one.

    A list without labels (test) gives clips whose label is -1; its classes are then those of another list.

    Raises:
        DatasetError: unknown split, missing or unreadable csv, or no clip there.
    """
    split = split or "val"
    if split not in SPLITS:
        raise DatasetError(f"{name} has no split {split!r}: choose one of {', '.join(SPLITS)}")
    table = Path(csv) if csv else _table(root, name, split) or root / f"{split}.csv"
    entries = _read(table)
    if all(label is None for label, _ in entries):
        others = (_table(root, name, other) for other in SPLITS if other != split)
        labels = {label for other in others if other for label, _ in _read(other)}
    else:
        labels = {label for label, _ in entries}
    classes = tuple(sorted(label for label in labels if label))
    index = {label: i for i, label in enumerate(classes)}
    names = (split, _ALSO.get(split, split))
    bases = [folder for folder in (*(root / one for one in dict.fromkeys(names)), root) if folder.is_dir()]
    clips, missing = [], []
    for label, file_name in entries:
        folders = () if label is None else (label, label.replace(" ", "_"))
        places = [place / file_name for base in bases for place in (*(base / f for f in folders), base)]
        path = next((found for place in places if (found := locate(place))), None)
        if path is None:
            missing.append(file_name)
        else:
            clips.append(Clip(path, NO_LABEL if label is None else index[label], "", file_name))
    return VideoSet(
        name, classes, tuple(clips), tuple(missing), "same", "CC BY 4.0 annotations; third-party video, research"
    )


def _table(root: Path, name: str, split: str) -> Path | None:
    """The list of a split, under any of its usual names."""
    for one in dict.fromkeys((split, _ALSO.get(split, split))):
        for folder in ("", "annotations/"):
            for prefix in ("", f"{name}_"):
                if (path := root / f"{folder}{prefix}{one}.csv").is_file():
                    return path
    return None


def _read(table: Path) -> list[tuple[str | None, str]]:
    """Label (None without a label column) and file name of each row."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv_files.DictReader(file))
        return [
            (
                row.get("label") or None,
                f"{row['youtube_id']}_{int(float(row['time_start'])):06d}_{int(float(row['time_end'])):06d}.mp4",
            )
            for row in rows
        ]
    except (OSError, KeyError, ValueError, TypeError, UnicodeDecodeError, csv_files.Error) as error:
        raise DatasetError(
            f"{table}: not a Kinetics list ({error}): it needs [label,]youtube_id,time_start,time_end,split"
        ) from error
