"""Trains and measures every variant of the action network with equal, short budgets, on groups held out.

    python -m training.action.ablation training/configs/action_mhad.yaml --data CACHES --run DIR
        --hold-out subject06,subject07 --steps 200 [--batch 8] [--gops 4]

Networks alone, without the motion-map expert. Writes `DIR/table.json` and prints the table; a variant that has been
measured is not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from halsie_ros.files import write_json
from training.action.config import ActionRecipe
from training.action.data import Batch, ClipSource, collate
from training.action.export import LAYERS, load
from training.action.task import ActionTask, about, predict
from training.core.command import command, setting_up
from training.core.loop import train
from training.core.recipes import add_set_argument
from training.core.recipes import load as load_recipe
from training.networks.action_config import MODALITIES
from training.networks.compressed_video import CompressedVideoNet

VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "I-frames without what changed": {"difference": False},
    "plain LIF": {"neuron": "lif"},
    "no spiking": {"neuron": "analogue"},
    "attention apart": {"attention": "separate"},
    "no mixer": {"mixer": False},
}
SHORTER = (1, 2, 4)
Items = list[tuple[ClipSource, int, int]]


def measure(network: CompressedVideoNet, items: Items) -> dict[str, Any]:
    """Top-1 with everything, with one modality alone, with the last GOPs alone; spikes against motion."""
    labels = np.array([label for _, _, label in items])
    gops = network.config.gops

    def top1(**change: Any) -> float:
        return float((predict(network, items, gops, **change).argmax(1) == labels).mean())

    table = {"all": top1()}
    for place, name in enumerate(MODALITIES):
        table[f"{name} alone"] = top1(use=tuple(float(i == place) for i in range(len(MODALITIES))))
    for count in SHORTER:
        if count < gops:
            table[f"last {count} GOPs"] = top1(last=count)
    return {**table, **spikes_against_motion(network, items)}


@torch.no_grad()
def spikes_against_motion(network: CompressedVideoNet, items: Items) -> dict[str, Any]:
    """Mean spikes per P-step by quarter of the step's motion, and their correlation; nothing for analogue networks."""
    if network.config.neuron == "analogue":
        return {}
    network.eval()
    spikes, motion = [], []
    for start in range(0, len(items), 16):
        batch: Batch = collate(items[start : start + 16], network.config.gops)
        there = batch.dt_us.flatten() > 0
        _, layers = network(*batch.inputs())
        spikes.append(torch.stack(layers).sum(0)[there])
        motion.append(batch.motion[..., :2, :, :].abs().mean((-3, -2, -1)).flatten()[there])
    fired, moved = torch.cat(spikes).numpy(), torch.cat(motion).numpy()
    quarters = np.array_split(fired[np.argsort(moved, kind="stable")], 4)
    return {
        "spikes by quarter of motion": [float(quarter.mean()) for quarter in quarters],
        "correlation": float(np.corrcoef(fired, moved)[0, 1]) if fired.std() and moved.std() else 0.0,
        "layers": list(LAYERS),
    }


def rows(table: dict[str, dict[str, Any]]) -> list[str]:
    """The table in Markdown, per cent."""
    names = [name for name, value in table["whole"].items() if isinstance(value, float) and name != "correlation"]
    lines = ["| variant | " + " | ".join(names) + " | spikes per P-step by quarter of motion |"]
    lines.append("|---" + "|---:" * len(names) + "|---|")
    for variant, row in table.items():
        fired = ", ".join(f"{value:.0f}" for value in row.get("spikes by quarter of motion", [])) or "none"
        lines.append(f"| {variant} | " + " | ".join(f"{100 * row[name]:.1f}" for name in names) + f" | {fired} |")
    return lines


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Trains and measures the variants; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the caches")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--hold-out", required=True, help="groups to measure on, separated by commas")
    parser.add_argument("--steps", type=int, required=True, help="training steps of each variant")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--gops", type=int, default=4, help="of each clip in training (%(default)s)")
    add_set_argument(parser)
    args = parser.parse_args(arguments)
    with setting_up():
        recipe = load_recipe(ActionRecipe, args.config, args.set)
    loop = replace(
        recipe.loop, steps=args.steps, batch=args.batch, warmup_steps=min(recipe.loop.warmup_steps, args.steps // 10),
        validate_every=args.steps, ema_decay=min(recipe.loop.ema_decay, 1 - 5 / args.steps) if args.steps > 5 else 0.0,
    )  # fmt: skip
    table = {}
    for name, change in VARIANTS.items():
        run = args.run / name.replace(" ", "_")
        if not (run / "measured.json").is_file():
            chosen = replace(
                recipe, loop=loop, hold_out=tuple(args.hold_out.split(",")), training_gops=args.gops, initial=None,
                model={**recipe.model, **change},
            )  # fmt: skip
            torch.manual_seed(loop.seed)
            task = ActionTask(chosen, args.data)
            train(task, loop, run, resume="auto", about=about(chosen))
            network, _ = load(run / "last.pt")
            write_json(str(run / "measured.json"), measure(network, task.held_out))
        table[name] = json.loads((run / "measured.json").read_text())
    write_json(str(args.run / "table.json"), table)
    print("\n".join(rows(table)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
