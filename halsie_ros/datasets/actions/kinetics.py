"""Kinetics-400 and -600: csv `label,youtube_id,time_start,time_end,split` and `<id>_<start6>_<end6>.mp4`.

Files lie in `<root>`, `<root>/<split>` or, beneath either, in a folder per class. Many are gone from the source:
those that are missing are listed, not fatal.
"""

from __future__ import annotations

import csv as csv_files
from pathlib import Path

from halsie_ros.datasets.actions.video_sets import Clip, VideoSet, locate
from halsie_ros.errors import DatasetError

SPLITS = ("train", "val", "validate", "test")


def open_set(
    root: Path, split: str | None = None, csv: str | Path | None = None, *, name: str = "kinetics400"
) -> VideoSet:
    """Opens a split (default `val`) by its csv: `csv`, or `<split>.csv`, `<name>_<split>.csv` in the root or
    `annotations/`.

    Raises:
        DatasetError: unknown split, missing or unreadable csv, or no clip there.
    """
    split = split or "val"
    if split not in SPLITS:
        raise DatasetError(f"{name} has no split {split!r}: choose one of {', '.join(SPLITS)}")
    names = [f"{folder}{prefix}{split}.csv" for folder in ("", "annotations/") for prefix in ("", f"{name}_")]
    table = Path(csv) if csv else next((root / n for n in names if (root / n).is_file()), root / names[0])
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv_files.DictReader(file))
        entries = [
            (
                row["label"],
                f"{row['youtube_id']}_{int(float(row['time_start'])):06d}_{int(float(row['time_end'])):06d}.mp4",
            )
            for row in rows
        ]
    except (OSError, KeyError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{table}: not a Kinetics list ({error}): it needs label,youtube_id,time_start,time_end,split"
        ) from error
    classes = tuple(sorted({label for label, _ in entries}))
    index = {label: i for i, label in enumerate(classes)}
    bases = [folder for folder in (root / split, root) if folder.is_dir()]
    clips, missing = [], []
    for label, file_name in entries:
        places = [place / file_name for base in bases for place in (base / label, base / label.replace(" ", "_"), base)]
        path = next((found for place in places if (found := locate(place))), None)
        if path is None:
            missing.append(file_name)
        else:
            clips.append(Clip(path, index[label], "", file_name))
    return VideoSet(
        name, classes, tuple(clips), tuple(missing), "same", "CC BY 4.0 annotations; third-party video, research"
    )
