"""UCF-101: `UCF-101/<Class>/v_<Class>_gNN_cNN.avi` and the lists of `ucfTrainTestlist/` (or beside it)."""

from __future__ import annotations

import re
from pathlib import Path

from halsie_ros.datasets.actions.video_sets import VideoSet, gather, read_lines
from halsie_ros.errors import DatasetError

SPLITS = tuple(f"{part}{number}" for part in ("train", "test") for number in (1, 2, 3))
_GROUP = re.compile(r"_g(\d+)_c\d+")


def open_set(root: Path, split: str | None = None) -> VideoSet:
    """Opens `train1` to `train3` or `test1` to `test3` (default `test1`).

    Raises:
        DatasetError: unknown split, missing lists, or no clip there.
    """
    split = split or "test1"
    if split not in SPLITS:
        raise DatasetError(f"UCF-101 has no split {split!r}: choose one of {', '.join(SPLITS)}")
    lists = next((f for f in (root, root / "ucfTrainTestlist") if (f / "classInd.txt").is_file()), root)
    numbered = [line.split() for line in read_lines(lists / "classInd.txt")]
    classes = tuple(name for _, name in sorted((int(number), name) for number, name in numbered))
    index = {name: i for i, name in enumerate(classes)}
    entries = []
    for line in read_lines(lists / f"{split[:-1]}list0{split[-1]}.txt"):
        name = line.split()[0]
        label = name.split("/")[0]
        if label not in index:
            raise DatasetError(f"{name}: class {label!r} is not in classInd.txt: take the lists of one release")
        found = _GROUP.search(name)
        entries.append((name, index[label], f"{label}_g{found.group(1)}" if found else ""))
    videos = root / "UCF-101" if (root / "UCF-101").is_dir() else root
    clips, missing = gather(videos, entries)
    return VideoSet("ucf101", classes, clips, missing, "same", "research")
