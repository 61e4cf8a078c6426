"""A plain folder of clips with a csv.

Columns `path`, `label`, and optionally `group` (or `subject`, `source`) and `split`. The label `none` marks clips that
show none of a model's classes. A csv without a `label` column is one to predict for.
"""

from __future__ import annotations

import csv as csv_files
from pathlib import Path

from halsie_ros.datasets.actions.video_sets import NO_LABEL, VideoSet, gather
from halsie_ros.errors import DatasetError

_GROUP_COLUMNS = ("group", "subject", "source")


def open_set(root: Path, split: str | None = None, csv: str | Path | None = None) -> VideoSet:
    """Opens the csv's clips (default `<root>/clips.csv`).

    Args:
        root: paths in the csv are relative to it.
        split: keeps rows whose `split` column says so, or, where there is no such column, whose group is among these,
            separated by commas; None: all rows. Classes are those of all rows, in alphabetical order.
        csv: another list.

    Rows without path or label are counted among what is missing.

    Raises:
        DatasetError: the csv is missing or lacks a column, the split is empty, or no clip is there.
    """
    table = Path(csv) if csv else root / "clips.csv"
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv_files.DictReader(file))
    except (OSError, UnicodeDecodeError, csv_files.Error) as error:
        raise DatasetError(f"{table}: cannot be read ({error}): give a csv with columns path,label[,group]") from error
    if not rows or "path" not in rows[0]:
        raise DatasetError(f"{table}: needs a header with path[,label][,group] and at least one row")
    needed = [name for name in ("path", "label") if name in rows[0]]
    incomplete = [f"line {place}: no path or label" for place, row in enumerate(rows, 2) if not _whole(row, needed)]
    rows = [row for row in rows if _whole(row, needed)]
    if not rows:
        raise DatasetError(f"{table}: no row has both path and label: check the list")
    group = next((column for column in _GROUP_COLUMNS if column in rows[0]), None)
    classes = tuple(sorted({row["label"] for row in rows})) if "label" in needed else ()
    index = {label: i for i, label in enumerate(classes)}
    if split is not None:
        wanted = set(split.split(","))
        column = "split" if "split" in rows[0] else group
        rows = [row for row in rows if column and row[column] in wanted]
        if not rows:
            raise DatasetError(f"{table}: no row has {column or 'a split or group column'} {split}: check --split")
    entries = [
        (row["path"], index.get(row.get("label", ""), NO_LABEL), (row[group] or "") if group else "") for row in rows
    ]
    clips, missing = gather(root, entries)
    return VideoSet("clips", classes, clips, (*missing, *incomplete), "same", "as the csv's owner says")


def _whole(row: dict[str, str], needed: list[str]) -> bool:
    return all(row[name] for name in needed)
