"""Reads every clip of a data set once and keeps the network's inputs.

    python -m training.action.cache DATASET ROOT OUT

Meant for small sets (about 1 MB per clip of 8 GOPs). Large sets are read directly, only the GOPs that are sampled.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from halsie_ros.action.clip import read_clip
from halsie_ros.datasets.actions.video_sets import VIDEO_SETS, open_video_set
from halsie_ros.errors import VideoError
from training.action.data import GopArrays, arrays_of
from training.core.command import command, setting_up


def build(dataset: str, root: Path, out: Path, split: str | None = None, csv: Path | None = None) -> list[str]:
    """Writes the cache; returns the names of clips that could not be read."""
    found = open_video_set(dataset, root, split, csv)
    kept, parts, broken = [], [], list(found.missing)
    for clip in found.clips:
        try:
            segments = read_clip(clip.path, segments=None)
        except VideoError:
            segments = []
        if segments:
            parts.append(arrays_of(segments))
            kept.append(clip)
        else:
            broken.append(clip.name)
    out.mkdir(parents=True, exist_ok=True)
    write_cache(
        out, parts, labels=[found.classes[clip.label] for clip in kept], groups=[clip.group for clip in kept],
        paths=[clip.name for clip in kept],
    )  # fmt: skip
    return broken


def write_cache(out: Path, parts: list[GopArrays], *, labels: list[str], groups: list[str], paths: list[str]) -> None:
    """Writes clips' segments, one after another, into a folder that is there; see `ClipCache`."""
    used = max(int((part["dt_us"] > 0).any(0).sum()) for part in parts)
    for name in parts[0]:
        cut = (slice(None), slice(0, used)) if parts[0][name].ndim > 1 and name != "image" else slice(None)
        np.save(out / f"{name}.npy", np.concatenate([part[name][cut] for part in parts]))
    np.savez(out / "clips.npz", gops=[len(part["end_s"]) for part in parts], label=labels, group=groups, path=paths)


@command
def main(arguments: list[str] | None = None) -> int:
    """Reads a data set into a cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=VIDEO_SETS)
    parser.add_argument("root", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args(arguments)
    with setting_up():
        broken = build(args.dataset, args.root, args.out, args.split, args.csv)
    print(f"{args.out}: {len(broken)} clips missing or broken{': ' if broken else ''}{', '.join(broken[:10])}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
