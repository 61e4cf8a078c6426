"""Reads every clip of a data set once and keeps the network's inputs.

    python -m training.action.cache DATASET ROOT OUT [--part 500]

Meant for small sets (about 1 MB per clip of 8 GOPs). Large sets are read directly, only the GOPs that are sampled. With
`--part` the cache comes in parts, `OUT/00000`, `OUT/00001`, … (a recipe's `cache: OUT/*`), which processes of torchrun
or SLURM share; parts that are there are kept, and a manifest says that all are (:mod:`training.core.shares`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from halsie_ros.action.clip import read_clip
from halsie_ros.datasets.actions.video_sets import VIDEO_SETS, Clip, VideoSet, open_video_set
from halsie_ros.errors import DatasetError, VideoError
from training.action.data import ARRAYS, GopArrays, arrays_of
from training.core.command import command, setting_up
from training.core.shares import add_share_argument, begin, finish, own_share

FILES = (*(f"{name}.npy" for name in ARRAYS), "clips.npz")
"""What a cache consists of."""


def build(dataset: str, root: Path, out: Path, split: str | None = None, csv: Path | None = None) -> list[str]:
    """Writes the cache; returns the names of clips that could not be read."""
    found = open_video_set(dataset, root, split, csv)
    return [*found.missing, *_write(found, found.clips, out)]


def build_parts(found: VideoSet, out: Path, size: int, first: int = 0, stride: int = 1) -> list[str]:
    """Writes every `stride`-th part of `size` clips from the `first` on; returns what could not be read of them."""
    begin(out)
    parts = [f"{number:05d}" for number in range(-(-len(found.clips) // size))]
    broken = list(found.missing) if first == 0 else []
    for number in range(first, len(parts), stride):
        folder, making = out / parts[number], out / f".{parts[number]}.{os.getpid()}"
        if folder.exists():
            continue
        broken += _write(found, found.clips[number * size : (number + 1) * size], making)
        with contextlib.suppress(OSError):  # another process was faster
            making.rename(folder)
        shutil.rmtree(making, ignore_errors=True)
    finish(out, [f"{part}/{name}" for part in parts for name in FILES], {}, {"dataset": found.name})
    return broken


def _write(found: VideoSet, clips: Sequence[Clip], out: Path) -> list[str]:
    """Writes one cache; returns the names of clips that could not be read."""
    kept, parts, broken = list[Clip](), list[GopArrays](), list[str]()
    for clip in clips:
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
    if not parts:
        raise DatasetError(f"{out}: none of the clips could be read: nothing to cache")
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
    parser.add_argument("--part", type=int, default=0, metavar="N", help="clips of a part; 0: one cache")
    add_share_argument(parser)
    args = parser.parse_args(arguments)
    with setting_up():
        if args.part:
            found = open_video_set(args.dataset, args.root, args.split, args.csv)
            broken = build_parts(found, args.out, args.part, *(args.share or own_share()))
        else:
            broken = build(args.dataset, args.root, args.out, args.split, args.csv)
    print(f"{args.out}: {len(broken)} clips missing or broken{': ' if broken else ''}{', '.join(broken[:10])}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
