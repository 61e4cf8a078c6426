"""Packs a recipe's clips: each is written once, so that epochs need not simulate or decode again.

    python -m training.segmentation.clips CONFIG [--part validation] --out DIR --seeds N

`packed` of a recipe's part names the folder. Recordings (DSEC, MVSEC, DDD17) must be packed: their files are made for
reading in order, not at random. `clips.json` beside the clips says what they are of.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from halsie_ros.datasets import registry
from halsie_ros.files import write_json
from training.core.command import TrainingError, command, setting_up
from training.core.shares import add_share_argument, own_share
from training.segmentation.clip_files import CLIPS, save_new
from training.segmentation.config import SegmentationConfig
from training.segmentation.sources import RECORDINGS, ClipSource, SourceConfig

NOTE = "clips.json"
NOTED = ("kind", "split", "frames", "labels", "stills")
NOTED_IF_SET = ("dataset", "leave_out", "only", "height")
"""Fields of `SourceConfig` that the note beside packed clips holds, the second ones where they say something."""


def claim(folder: Path, config: SourceConfig) -> None:
    """Notes what clips a folder is for. Clips without a note, made earlier, are taken as they are.

    Raises:
        TrainingError: the folder has clips of something else, which would be kept.
    """
    fields = [*NOTED, *(name for name in NOTED_IF_SET if getattr(config, name))]
    note, wanted = folder / NOTE, {name: _plain(getattr(config, name)) for name in fields}
    if not any(folder.glob(CLIPS)):
        write_json(str(note), wanted)
    elif note.is_file():
        held = json.loads(note.read_text(encoding="utf-8"))
        names = list(dict.fromkeys((*wanted, *held)))
        if differing := [name for name in names if held.get(name) != wanted.get(name)]:
            there, asked = (", ".join(f"{name} {one.get(name)!r}" for name in differing) for one in (held, wanted))
            raise TrainingError(f"{folder}: its clips have {there}, not {asked}: give another --out, or delete it")


def _plain(value: object) -> object:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def pack(source: ClipSource, folder: Path, seeds: int, first: int = 0, stride: int = 1) -> None:
    """Writes ``seeds`` versions of every clip; what is there already is kept. ``first``/``stride`` share the work."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for index in range(first, len(source), stride):
            path = folder / f"{seed:02d}_{index:05d}.npz"
            if not path.exists():
                save_new(path, source.sample(index, seed))


def pack_recordings(config: SourceConfig, folder: Path, first: int = 0, stride: int = 1) -> None:
    """Writes every clip of a split of recordings, in order; what is there already is read again but kept.

    ``first``/``stride`` share the work of writing; all is read by each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = Path(config.labels) if config.labels else None
    _, _, clips = registry.split_samples(
        config.kind, Path(config.root), config.split, frames=config.frames, labels=labels
    )
    for index, sample in enumerate(clips):
        if index % stride == first:
            save_new(folder / f"{index:06d}.npz", sample)


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description="Write a config's clips to a folder.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--part", choices=("train", "validation"), default="train")
    parser.add_argument("--out", type=Path, help="folder; by default the part's `packed`")
    parser.add_argument("--seeds", type=int, default=1, help="versions of every clip, each with its own simulation")
    add_share_argument(parser)
    args = parser.parse_args(arguments)
    with setting_up():
        share = args.share or own_share()
        config: SourceConfig = getattr(SegmentationConfig.load(args.config), args.part)
    if config.kind == "mix" and args.out:
        parser.error(f"{args.config}: {args.part} is a mix, each part's packed names its folder: leave --out")
    parts = [part for part in config.parts if part.packed] if config.kind == "mix" else [config]
    for part in parts:
        folder = args.out or (Path(part.packed) if part.packed else None)
        if folder is None:
            parser.error(f"{args.config} names no packed folder for {args.part}: give --out")
        claim(folder, part)
        if part.kind in RECORDINGS:
            pack_recordings(part, folder, *share)
        else:
            with setting_up():
                source = replace(part, packed="").open()
            pack(source, folder, args.seeds, *share)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
