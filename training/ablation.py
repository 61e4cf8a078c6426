"""What each part of the network is worth: variants of one recipe, trained alike, measured alike.

    python -m training.ablation training/configs/halsie_scene.yaml --run runs/ablation --steps 300 [--packed DIR]

Prints a Markdown table (README.md has the last one) and writes `table.json`. A variant that is done is not trained
again. Each variant starts from what fits it of the recipe's first weights. For parts that those weights have learned
already (the mixers) that is no fair start: compare them in a recipe without, e.g. ``camvid_stills.yaml``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from halsie_ros.cli.output import write_json
from training.export import load
from training.loop import train
from training.segmentation import SegmentationTask, mean_iou, run_clip
from training.segmentation_config import SegmentationConfig, add_set_argument

MEASURES = {
    "both": (("frames", "events"), 0),
    "frames": (("frames",), 0),
    "events": (("events",), 0),
    "last 2 frames lost": (("frames", "events"), 2),
}


def variants(config: SegmentationConfig) -> dict[str, SegmentationConfig]:
    """The recipe itself and what it is compared with, each differing in one thing."""
    augment, network = config.augment, config.network

    def seeing(*inputs: str) -> SegmentationConfig:
        lost = {"only_frames": 0.0, "only_events": 0.0}
        if inputs == ("events",):
            lost |= {"blackout": 0.0, "drop": 0.0, "damage": 0.0}
        return replace(
            config,
            augment=replace(augment, inputs=inputs, **lost),
            card={**config.card, "inputs": list(inputs)},
        )

    return {
        "full": config,
        "trained on frames alone": seeing("frames"),
        "trained on events alone": seeing("events"),
        "analogue event branch": replace(config, network=replace(network, spiking=False)),
        "no mixer": replace(config, network=replace(network, mixer=False)),
        "no input is ever lost in training": replace(
            config, augment=replace(augment, only_frames=0.0, only_events=0.0, blackout=0.0, drop=0.0)
        ),
    }


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
    clips, classes = config.validation.open(), config.network.classes
    result = {}
    for name, (inputs, lost) in MEASURES.items():
        confusion = np.zeros((classes, classes), np.int64)
        for index in range(0, len(clips), config.validation_stride):
            sample = clips.sample(index, None)
            seen = tuple(one for one in inputs if one in config.augment.inputs)
            predicted, label = run_clip(network, sample, seen, lost), sample.labels[-1]
            known = label < classes
            np.add.at(confusion, (label[known], predicted[known]), 1)
        result[name] = mean_iou(confusion)
    return result


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
    base = SegmentationConfig.load(args.config, args.set)
    loop = replace(base.loop, steps=args.steps, warmup_steps=min(base.loop.warmup_steps, args.steps // 10))
    source = replace(base.train, packed=args.packed) if args.packed else base.train
    table = {}
    loop = replace(loop, validate_every=args.steps)
    made = variants(replace(base, start="", loop=loop, train=source))
    if unknown := set(args.variants or ()) - set(made):
        parser.error(f"no variant {', '.join(sorted(unknown))}: give some of {', '.join(made)}")
    for name, config in made.items():
        if args.variants and name not in args.variants:
            continue
        run = args.run / name.replace(" ", "_")
        if not (run / "measured.json").is_file():
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
