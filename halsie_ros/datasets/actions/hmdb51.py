"""HMDB-51.

`<class>/*.avi` and lists `<class>_test_split{1,2,3}.txt` of lines "name 0|1|2" (1 train, 2 test, 0 neither).
"""

from __future__ import annotations

from pathlib import Path

from halsie_ros.datasets.actions.video_sets import VideoSet, gather, read_lines
from halsie_ros.errors import DatasetError

SPLITS = tuple(f"{part}{number}" for part in ("train", "test") for number in (1, 2, 3))
_LIST_FOLDERS = (".", "splits", "testTrainMulti_7030_splits", "test_train_splits")
_VIDEO_FOLDERS = (".", "videos", "hmdb51_org", "hmdb51")


def open_set(root: Path, split: str | None = None) -> VideoSet:
    """Opens `train1` to `train3` or `test1` to `test3` (default `test1`).

    Raises:
        DatasetError: unknown split, missing lists, or no clip there.
    """
    split = split or "test1"
    if split not in SPLITS:
        raise DatasetError(f"HMDB-51 has no split {split!r}: choose one of {', '.join(SPLITS)}")
    ending, flag = f"_test_split{split[-1]}.txt", "1" if split.startswith("train") else "2"
    lists = next((found for f in _LIST_FOLDERS if (found := list((root / f).glob(f"*{ending}")))), [])
    lists.sort(key=lambda path: path.name.removesuffix(ending))  # by class: climb before climb_stairs
    if not lists:
        raise DatasetError(
            f"{root}: no lists *{ending} here or in {', '.join(_LIST_FOLDERS[1:])}: unpack HMDB-51's splits"
        )
    classes = tuple(path.name.removesuffix(ending) for path in lists)
    entries = []
    for label, path in enumerate(lists):
        for line in read_lines(path):
            name, kind = line.rsplit(None, 1)
            if kind == flag:
                entries.append((f"{classes[label]}/{name}", label, ""))
    videos = next((root / f for f in _VIDEO_FOLDERS if any((root / f / c).is_dir() for c in classes)), root)
    clips, missing = gather(videos, entries)
    return VideoSet("hmdb51", classes, clips, missing, "same", "CC BY 4.0 annotations; third-party video, research")
