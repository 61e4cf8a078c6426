"""Trains the action network.

    python -m training.action training/configs/action_mhad.yaml --data CACHES --run DIR
        [--resume auto] [--set FIELD=YAML]

Sources are caches (:mod:`training.action.cache`, small sets) or data sets read directly, only the GOPs that are
sampled. Groups (subjects, video sources) in `hold_out` are validated on and never trained on; the loop keeps
`best.pt` and `last.pt`.
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from halsie_ros.action.pipeline import NONE
from training.action.augment import augment
from training.action.config import ActionRecipe
from training.action.data import ClipSource, batch_of, collate
from training.action.windows import stream_window
from training.core.command import TrainingError, command, setting_up
from training.core.loop import train
from training.core.recipes import add_set_argument, load
from training.networks.compressed_video import CompressedVideoNet


class ActionTask:
    """A `training.core.loop.Task`: clips in, class scores out."""

    def __init__(self, recipe: ActionRecipe, data: Path) -> None:
        self.recipe = recipe
        self.network: nn.Module = CompressedVideoNet(recipe.network())
        self.gops = self.network.config.gops
        if recipe.initial:
            restore(self.network, Path(recipe.initial))
        self._training: list[tuple[ClipSource, int, int]] = []
        self._validation: list[tuple[ClipSource, int, int]] = []
        index = {name: i for i, name in enumerate(recipe.classes)}
        for given in recipe.data:
            source, kept = given.open(data), list[tuple[ClipSource, int, int]]()
            if strange := sorted(set(source.labels) - set(recipe.classes)):
                raise TrainingError(f"{given.cache or given.root}: label {strange[0]!r} is not among the classes")
            for clip, (label, group) in enumerate(zip(source.labels, source.groups)):
                if group in recipe.hold_out or (given.repeat == 0 and given.validate):
                    kept += [(source, clip, index[label])] * given.validate
                else:
                    self._training += [(source, clip, index[label])] * given.repeat
            most = given.validate_at_most or len(kept)
            self._validation += [kept[i * len(kept) // most] for i in range(min(most, len(kept)))]

    @property
    def held_out(self) -> list[tuple[ClipSource, int, int]]:
        """Clips that are validated on: source, clip, label."""
        return self._validation

    def __len__(self) -> int:
        return len(self._training)

    def item(self, index: int, random: np.random.Generator) -> dict[str, Tensor]:
        """One clip, augmented; see `training.core.loop.Task`."""
        source, clip, label = self._training[index]
        if random.random() < self.recipe.streaming:
            before, other = None, label
            if random.random() < 0.5:
                from_source, from_clip, other = self._training[int(random.integers(len(self._training)))]
                before = from_source.gops(from_clip, 2 * self.gops, None)
            arrays, share = stream_window(source.gops(clip, 2 * self.gops, None), before, self.gops, random)
            batch = batch_of([arrays], [label], self.gops, whole=True)
            batch.other[:], batch.share[:] = other, share
        else:
            batch = collate([(source, clip, label)], self.gops, random)
        batch.thin(self.recipe.training_gops or self.gops, random)
        if self.recipe.strength > 0:
            draws = torch.Generator().manual_seed(int(random.integers(2**31)))
            augment(batch, draws, self.partner, self.recipe.strength)
        return batch.as_item()

    @functools.cached_property
    def partner(self) -> Tensor | None:
        """The label of the mirrored clip per class; None where clips are never mirrored."""
        if self.recipe.mirror == "never":
            return None
        partner, classes = torch.arange(len(self.recipe.classes)), self.recipe.classes
        for a, b in self.recipe.mirror_pairs:
            i, j = classes.index(a), classes.index(b)
            partner[i], partner[j] = j, i
        return partner

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy, shared between two labels where the action changed a moment ago, and spikes of each layer."""
        timed = (batch[name].movedim(0, 1) for name in ("motion", "residual", "dt_us"))
        logits, spikes = network(
            batch["image"], *timed, batch["age_s"], batch["valid"], batch["use"], batch["camera"].movedim(0, 1)
        )
        smoothing, share = self.recipe.label_smoothing, batch["share"]
        now, before = (
            F.cross_entropy(logits, batch[name], label_smoothing=smoothing, reduction="none")
            for name in ("label", "other")
        )
        loss = (share * now + (1 - share) * before).mean()
        right = (logits.argmax(1) == batch["label"]).float().mean()
        figures = {f"spikes/{place}": float(layer.detach().mean()) for place, layer in enumerate(spikes)}
        return loss, {"top1": float(right), **figures}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Top-1 on what is held out, `none` and the known classes weighing the same.

        Without anything held out, every later checkpoint counts as better.
        """
        if not self._validation:
            self._rounds = getattr(self, "_rounds", 0) + 1
            return {"score": float(self._rounds)}
        labels = np.array([label for _, _, label in self._validation])
        right = predict(network, self._validation, self.gops).argmax(1) == labels
        if NONE not in self.recipe.classes:
            return {"score": float(right.mean())}
        none = labels == self.recipe.classes.index(NONE)
        parts = {name: float(right[which].mean()) for name, which in (("none", none), ("known", ~none)) if which.any()}
        return {"score": float(np.mean(list(parts.values()))), **parts}


@torch.no_grad()
def predict(
    network: nn.Module,
    items: list[tuple[ClipSource, int, int]],
    gops: int,
    *,
    use: tuple[float, ...] = (1.0, 1.0, 1.0),
    last: int | None = None,
) -> np.ndarray:
    """Probabilities ``(N, classes)`` of whole clips.

    Args:
        network: in any mode; is left in evaluation.
        items: source, clip and label of each.
        gops: of each clip.
        use: 0 or 1 per modality; the tokens of a modality at 0 are zeroed.
        last: only so many of the newest GOPs count; None: all.
    """
    network.eval()
    device = next(network.parameters()).device
    rows = []
    for start in range(0, len(items), 16):
        batch = collate(items[start : start + 16], gops)
        batch.use = torch.tensor(use).expand_as(batch.use)
        if last is not None:
            batch.valid[:, : max(0, gops - last)] = 0
        rows.append(torch.softmax(network(*(x.to(device) for x in batch.inputs()))[0], 1).cpu())
    return torch.cat(rows).numpy()


def restore(network: nn.Module, checkpoint: Path) -> None:
    """Takes the averaged weights of a checkpoint where the shapes agree."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    own = network.state_dict()
    network.load_state_dict({k: v for k, v in saved.items() if k in own and own[k].shape == v.shape}, strict=False)


@command
def main(arguments: list[str] | None = None) -> int:
    """Trains by a recipe; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the caches")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--resume", nargs="?", const="auto", help="auto, or a checkpoint")
    add_set_argument(parser)
    args = parser.parse_args(arguments)
    with setting_up():
        recipe = load(ActionRecipe, args.config, args.set).with_classes()
        torch.manual_seed(recipe.loop.seed)
        task = ActionTask(recipe, args.data)
    train(task, recipe.loop, args.run, resume=args.resume, about=about(recipe))
    return 0


def about(recipe: ActionRecipe) -> dict[str, Any]:
    """What a checkpoint says of itself."""
    return {
        "network": asdict(recipe.network()),
        "classes": list(recipe.classes),
        "card": recipe.card,
        "recipe": asdict(recipe),
    }


if __name__ == "__main__":
    raise SystemExit(main())
