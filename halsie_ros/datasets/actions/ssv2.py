"""Something-Something v2: `labels.json`, `train.json`, `validation.json` ({id, template}) and `<id>.webm`.

Never mirrored: left and right are classes of their own. VP9 gives no motion vectors: transcode it first.
"""

from __future__ import annotations

import json
from pathlib import Path

from halsie_ros.datasets.actions.video_sets import NO_LABEL, VideoSet, gather
from halsie_ros.errors import DatasetError

SPLITS = ("train", "validation", "test")
_VIDEO_FOLDERS = ("20bn-something-something-v2", "videos", ".")


def open_set(root: Path, split: str | None = None) -> VideoSet:
    """Opens `train`, `validation` (the default) or `test`, whose list has no templates: its clips' label is -1.

    Raises:
        DatasetError: unknown split, a list is missing or no JSON, a template is unknown, or no clip is there.
    """
    split = split or "validation"
    if split not in SPLITS:
        raise DatasetError(f"Something-Something v2 has no split {split!r}: choose one of {', '.join(SPLITS)}")
    lists = root / "labels" if (root / "labels" / "labels.json").is_file() else root
    index = {str(template): int(number) for template, number in _read(lists / "labels.json").items()}
    classes = tuple(sorted(index, key=lambda template: index[template]))
    entries = []
    for item in _read(lists / f"{split}.json"):
        if "template" not in item:
            entries.append((f"{item['id']}.webm", NO_LABEL, ""))
            continue
        template = item["template"].replace("[", "").replace("]", "")
        if template not in index:
            raise DatasetError(
                f"video {item['id']}: template {template!r} is not in labels.json: take one release's lists"
            )
        entries.append((f"{item['id']}.webm", index[template], ""))
    videos = next(root / folder for folder in _VIDEO_FOLDERS if (root / folder).is_dir())
    clips, missing = gather(videos, entries)
    return VideoSet("ssv2", classes, clips, missing, "never", "research")


def _read(path: Path):  # type: ignore[no-untyped-def]
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: not a list of Something-Something v2 ({error}): unpack its labels there"
        ) from error
