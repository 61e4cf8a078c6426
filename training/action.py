"""Trains the action network: `python -m training.action training/configs/action_mhad.yaml --data CACHES --out RUN`.

The config names caches (made by `python -m training.action_cache`), held-out groups, and the schedule. Prints a line per
epoch; keeps `last.pt` and `best.pt` (by held-out top-1; without held-out groups the last is the best) of the averaged weights.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from training.action_data import Batch, ClipCache, augment, collate, mirror
from training.networks.compressed_video import ActionConfig, CompressedVideoNet


@dataclass
class Recipe:
    """One training run.

    Attributes:
        classes: names in id order.
        data: cache folder name to share of the batches.
        hold_out: groups (subjects, sources) that are validated on and never trained on.
        validate_on: the cache whose held-out groups are validated.
        mirror: "same" (mirroring keeps the label), "swap" (with `mirror_pairs`) or "never".
        mirror_pairs: pairs of classes that change places when mirrored.
        model: changes to the small model's sizes.
        initial: checkpoint to start from (its head is dropped where classes differ).
        epochs, epoch_clips, batch, learning_rate, weight_decay, seed: the schedule.
        strength: of the augmentation.
        average: of the weights' moving average, per batch.
    """

    classes: list[str]
    data: dict[str, float]
    validate_on: str
    hold_out: list[str] = field(default_factory=list)
    mirror: str = "same"
    mirror_pairs: list[list[str]] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    initial: str | None = None
    epochs: int = 60
    epoch_clips: int = 400
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0
    strength: float = 1.0
    average: float = 0.995
    label_smoothing: float = 0.1

    def partner(self) -> Tensor | None:
        """The label of the mirrored clip per class, None where clips are never mirrored."""
        if self.mirror == "never":
            return None
        index = {name: i for i, name in enumerate(self.classes)}
        partner = torch.arange(len(self.classes))
        for a, b in self.mirror_pairs if self.mirror == "swap" else []:
            partner[index[a]], partner[index[b]] = index[b], index[a]
        return partner


class Clips:
    """The clips of a run: training items by weight, validation items in order."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        index = {name: i for i, name in enumerate(recipe.classes)}
        caches = {name: ClipCache.load(folder / name) for name in recipe.data}
        self.training: list[tuple[ClipCache, int, int]] = []
        self.validation: list[tuple[ClipCache, int, int]] = []
        weights: list[float] = []
        for name, cache in caches.items():
            items = [(cache, clip, index[label]) for clip, label in enumerate(cache.labels)]
            kept = [item for item in items if cache.groups[item[1]] not in recipe.hold_out]
            self.training += kept
            weights += [recipe.data[name] / max(1, len(kept))] * len(kept)
            if name == recipe.validate_on:
                self.validation = [item for item in items if cache.groups[item[1]] in recipe.hold_out]
        self.weights = np.array(weights) / np.sum(weights)

    def batches(self, recipe: Recipe, gops: int, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch of augmented batches."""
        draws = torch.Generator().manual_seed(int(rng.integers(2**31)))
        replace = recipe.epoch_clips > len(self.training)
        chosen = rng.choice(len(self.training), recipe.epoch_clips, replace=replace, p=self.weights)
        for start in range(0, len(chosen) - recipe.batch + 1, recipe.batch):
            batch = collate([self.training[i] for i in chosen[start : start + recipe.batch]], gops, rng)
            augment(batch, draws, recipe.partner(), recipe.strength)
            yield batch


@torch.no_grad()
def predict(
    network: CompressedVideoNet, items: list[tuple[ClipCache, int, int]], partner: Tensor | None = None
) -> np.ndarray:
    """Probabilities ``(N, classes)``; with `partner` averaged with the mirrored clip's."""
    network.eval()
    rows = []
    for start in range(0, len(items), 32):
        batch = collate(items[start : start + 32], network.config.gops)
        scores = torch.softmax(network(*batch.inputs())[0], 1)
        if partner is not None:
            mirror(batch, torch.ones(len(scores), dtype=torch.bool), partner)
            scores = (scores + torch.softmax(network(*batch.inputs())[0], 1)[:, partner]) / 2
        rows.append(scores)
    return torch.cat(rows).numpy()


def _restore(network: CompressedVideoNet, path: str) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)["network"]
    own = network.state_dict()
    network.load_state_dict({k: v for k, v in state.items() if k in own and own[k].shape == v.shape}, strict=False)


def train(recipe: Recipe, caches: Path, out: Path) -> float:
    """Runs the recipe; returns the held-out top-1 of the last epoch (0 where nothing is held out)."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    clips = Clips(recipe, caches)
    network = CompressedVideoNet(ActionConfig(**{"classes": len(recipe.classes), **recipe.model}))
    if recipe.initial:
        _restore(network, recipe.initial)
    averaged = copy.deepcopy(network)
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    rest = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}],
        recipe.learning_rate,
    )
    steps = recipe.epochs * (recipe.epoch_clips // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / (0.05 * steps + 1), 0.5 + 0.5 * math.cos(math.pi * s / steps) + 1e-3)
    )
    out.mkdir(parents=True, exist_ok=True)
    targets = np.array([label for _, _, label in clips.validation])
    top1 = best = 0.0
    for epoch in range(recipe.epochs):
        network.train()
        losses, right, start = [], 0, time.process_time()
        for batch in clips.batches(recipe, network.config.gops, rng):
            logits, spikes = network(*batch.inputs())
            loss = F.cross_entropy(logits, batch.label, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            keep = min(recipe.average, (1 + schedule.last_epoch) / (10 + schedule.last_epoch))
            with torch.no_grad():
                for a, b in zip(averaged.state_dict().values(), network.state_dict().values()):
                    a.lerp_(b, 1 - keep) if a.dtype.is_floating_point else a.copy_(b)
            losses.append(loss.item())
            right += int((logits.argmax(1) == batch.label).sum())
        line = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "train": right / (len(losses) * recipe.batch)}
        if len(targets) and ((epoch + 1) % 5 == 0 or epoch + 1 == recipe.epochs):
            top1 = float((predict(averaged, clips.validation).argmax(1) == targets).mean())
            line["top1"] = top1
        line["cpu_s"] = time.process_time() - start
        line["spikes"] = [float(s.mean()) for s in spikes]
        print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}), flush=True)
        state = {
            "network": averaged.state_dict(),
            "config": asdict(network.config),
            "recipe": asdict(recipe),
            "top1": top1,
        }
        for name in ("last.pt", "best.pt") if top1 >= best else ("last.pt",):
            torch.save(state, out / f"{name}.part")
            (out / f"{name}.part").replace(out / name)
        best = max(best, top1)
    return top1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the caches")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=YAML", help="change a field of the recipe")
    args = parser.parse_args()
    torch.set_num_threads(1)
    fields = yaml.safe_load(args.config.read_text())
    for change in args.set:
        name, value = change.split("=", 1)
        fields[name] = yaml.safe_load(value)
    print(f"held-out top-1 {train(Recipe(**fields), args.data, args.out):.4f}")


if __name__ == "__main__":
    main()
