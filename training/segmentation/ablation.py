"""What each part of the network is worth: variants of one recipe, trained alike, measured alike.

    python -m training.segmentation.ablation CONFIG --run runs/ablation --steps 300 [--packed DIR]

Prints a Markdown table (README.md has the last one) and writes `table.json`. A variant that is done is not trained
again. Each variant starts from what fits it of the recipe's first weights. For parts that those weights have learned
already (the mixers) that is no fair start: compare them in a recipe without, e.g. ``camvid_stills.yaml``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from halsie_ros.files import write_json
from training.core.command import command, setting_up
from training.core.loop import train
from training.core.recipes import add_set_argument
from training.segmentation.config import SegmentationConfig
from training.segmentation.export import load
from training.segmentation.task import SegmentationTask
from training.segmentation.validation import Seen, measured

MEASURES = {
    "both": Seen(("frames", "events")),
    "frames": Seen(("frames",)),
    "events": Seen(("events",)),
    "last 2 frames lost": Seen(("frames", "events"), 2),
}


def _changed(config: SegmentationConfig, **augment: Any) -> SegmentationConfig:
    """The recipe with another augmentation, and the card with its inputs."""
    changed = replace(config.augment, **augment)
    return replace(config, augment=changed, card={**config.card, "inputs": list(changed.inputs)})


_SENSES = {"only_frames": 0.0, "only_events": 0.0}
_FRAMES = dict.fromkeys(("blackout", "drop", "damage", "view_change", "independent_frames"), 0.0)
"""What happens to frames in training."""
VARIANTS: dict[str, Callable[[SegmentationConfig], SegmentationConfig]] = {
    "full": lambda config: config,
    "trained on frames alone": lambda config: _changed(config, inputs=("frames",), **_SENSES),
    "trained on events alone": lambda config: _changed(config, inputs=("events",), **_SENSES, **_FRAMES),
    "analogue event branch": lambda config: replace(config, network=replace(config.network, spiking=False)),
    "no mixer": lambda config: replace(config, network=replace(config.network, mixer=False)),
    "the paper's shape": lambda config: replace(
        config, network=replace(config.network, unrolled=True), motion_weight=0.0, imagenet="", start=""
    ),
    "no input is ever lost in training": lambda config: _changed(config, **_SENSES, blackout=0.0, drop=0.0),
}


def variants(config: SegmentationConfig, names: Iterable[str] = tuple(VARIANTS)) -> dict[str, SegmentationConfig]:
    """The recipe itself and what it is compared with, each differing in one thing: those of ``names``, in the order of
    `VARIANTS`."""
    asked = set(names)
    return {name: change(config) for name, change in VARIANTS.items() if name in asked}


def start_from(network: nn.Module, checkpoint: Path) -> int:
    """Copies those of a checkpoint's averaged weights that have the name and shape of one of the network's.

    Returns:
        How many tensors of the network there were none for.
    """
    saved, ours = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"], network.state_dict()
    fitting = {name: one for name, one in saved.items() if name in ours and ours[name].shape == one.shape}
    network.load_state_dict(fitting, strict=False)
    return len(ours) - len(fitting)


def measure(checkpoint: Path, config: SegmentationConfig) -> dict[str, float]:
    """mIoU of the last frame of each validation clip, for each of `MEASURES`."""
    network, _ = load(checkpoint)
    network.eval()
    views = [
        Seen(tuple(one for one in seen.inputs if one in config.augment.inputs), seen.lost) for seen in MEASURES.values()
    ]
    clips, classes = config.validation.open(), config.network.classes
    found = measured(network, clips, config.validation_stride, views, classes)
    return {name: float(np.nan_to_num(one.miou)) for name, one in zip(MEASURES, found)}


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description="Train and measure variants of a recipe.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True, help="training steps of each variant")
    parser.add_argument("--packed", help="folder of packed training clips, in place of the config's")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="these alone, by their names in the table")
    add_set_argument(parser)
    args = parser.parse_args(arguments)
    names = args.variants or tuple(VARIANTS)
    if unknown := set(names) - set(VARIANTS):
        parser.error(f"no variant {', '.join(sorted(unknown))}: give some of {', '.join(VARIANTS)}")
    with setting_up():
        base = SegmentationConfig.load(args.config, args.set)
        warmup = min(base.loop.warmup_steps, args.steps // 10)
        loop = replace(base.loop, steps=args.steps, warmup_steps=warmup, validate_every=args.steps)
        source = replace(base.train, packed=args.packed) if args.packed else base.train
        made = variants(replace(base, start="", loop=loop, train=source), names)
    table = {}
    for name, config in made.items():
        run = args.run / name.replace(" ", "_")
        if not (run / "measured.json").is_file():
            with setting_up():
                task = SegmentationTask(config)
                if base.start:
                    print(f"{name}: {start_from(task.network, Path(base.start))} tensors start at random", flush=True)
            train(task, config.loop, run, resume="auto", about=asdict(config))
            write_json(str(run / "measured.json"), measure(run / "last.pt", config))
        table[name] = json.loads((run / "measured.json").read_text())
    write_json(str(args.run / "table.json"), table)
    print("| variant | " + " | ".join(MEASURES) + " |")
    print("|---" + "|---:" * len(MEASURES) + "|")
    for name, row in table.items():
        print(f"| {name} | " + " | ".join(f"{row[one]:.3f}" for one in MEASURES) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
