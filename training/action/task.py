"""Trains the action network.

    python -m training.action training/configs/action_mhad.yaml --data CACHES --run DIR
        [--resume auto] [--set FIELD=YAML]

Sources are caches (:mod:`training.action.cache`, small sets) or data sets read directly, only the GOPs that are
sampled. Groups (subjects, video sources) in `hold_out` are validated on and never trained on; the loop keeps
`best.pt` and `last.pt`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from training.action.data import ClipCache, ClipFiles, ClipSource, augment, collate
from training.core.command import command, setting_up
from training.core.loop import LoopConfig, train
from training.core.recipes import build
from training.networks.action_config import ActionConfig
from training.networks.compressed_video import CompressedVideoNet


@dataclass
class SourceConfig:
    """Where clips come from: a cache, or a data set in its official layout.

    Attributes:
        cache: folder name beneath `--data`.
        dataset: one of `halsie_ros.datasets.actions.video_sets.VIDEO_SETS`, with `root`, `split` and `csv`.
        repeat: how often a pass over the data takes each clip.
        validate: whether its held-out groups (of a data set: all of it) are validated on instead of trained on.
    """

    cache: str | None = None
    dataset: str | None = None
    root: str | None = None
    split: str | None = None
    csv: str | None = None
    repeat: int = 1
    validate: bool = True

    def open(self, data: Path) -> ClipSource:
        """Opens the source."""
        if (self.cache is None) == (self.dataset is None or self.root is None):
            raise ValueError(f"a source needs either a cache or a dataset with its root, not {self}")
        if self.cache is not None:
            return ClipCache.load(data / self.cache)
        return ClipFiles.open(str(self.dataset), Path(str(self.root)), self.split, self.csv)


@dataclass
class MotionMapConfig:
    """The motion-map expert beside the network (:mod:`training.action.motion_map`).

    Attributes:
        kind: "maps" (where on the person things move; actions) or "statistics" (how much and how suddenly; scenes).
        weight: of its scores against the network's probabilities.
        nudges: whether clips of validated sources are added four times more, displaced by a cell (maps).
        gops: of a clip at most.
        times: into how many times a clip is sorted (maps).
        components: to which descriptors are projected (maps).
        sharpness: of the kernel, in inverse median squared distances.
        ridge: added to the kernel's diagonal.
        temperature: scores are multiplied by it before they become probabilities.
    """

    kind: str = "maps"
    weight: float = 8.0
    nudges: bool = False
    gops: int = 8
    times: int = 8
    components: int = 512
    sharpness: float = 1.0
    ridge: float = 0.03
    temperature: float = 12.0

    def __post_init__(self) -> None:
        if self.kind not in ("maps", "statistics"):
            raise ValueError(f"motion_map: kind is {self.kind!r}: choose maps or statistics")


@dataclass
class Recipe:
    """One training run.

    Attributes:
        classes: names in id order.
        loop: see `LoopConfig`.
        card: what the model's card will say: commercial_use, licence, data, recipe.
        data: sources.
        hold_out: groups that are validated on and never trained on.
        mirror: "same" (a mirrored clip keeps its label), "swap" (with `mirror_pairs`) or "never".
        mirror_pairs: pairs of classes that change places when mirrored.
        size: "small" or "base".
        model: changes to that size.
        initial: checkpoint to start from; layers of other shapes start afresh.
        strength: of the augmentation; 0: none.
        label_smoothing: of the loss.
        training_gops: so many GOPs of each clip are taken in training, chosen at random (to save time); None: all.
        motion_map: the expert beside the network; None: none.
    """

    classes: list[str]
    loop: LoopConfig
    card: dict[str, Any]
    data: list[SourceConfig]
    hold_out: list[str] = field(default_factory=list)
    mirror: str = "same"
    mirror_pairs: list[list[str]] = field(default_factory=list)
    size: str = "small"
    model: dict[str, Any] = field(default_factory=dict)
    initial: str | None = None
    strength: float = 0.6
    label_smoothing: float = 0.1
    training_gops: int | None = None
    motion_map: MotionMapConfig | None = None

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Recipe:
        """From a config file's fields."""
        fields = dict(fields)
        loop = build(LoopConfig, fields.pop("loop"), "loop")
        data = [SourceConfig(**source) for source in fields.pop("data")]
        expert = fields.pop("motion_map", None)
        return cls(**fields, loop=loop, data=data, motion_map=None if expert is None else MotionMapConfig(**expert))

    def __post_init__(self) -> None:
        if self.mirror not in ("same", "swap", "never"):
            raise ValueError(f"mirror is {self.mirror!r}: choose same, swap or never")
        if self.mirror_pairs and self.mirror != "swap":
            raise ValueError(f"mirror_pairs need mirror: swap, it is {self.mirror}")

    def partner(self) -> Tensor | None:
        """The label of the mirrored clip per class; None where clips are never mirrored."""
        if self.mirror == "never":
            return None
        partner = torch.arange(len(self.classes))
        for a, b in self.mirror_pairs:
            i, j = self.classes.index(a), self.classes.index(b)
            partner[i], partner[j] = j, i
        return partner


class ActionTask:
    """A `training.core.loop.Task`: clips in, class scores out."""

    def __init__(self, recipe: Recipe, data: Path) -> None:
        self.recipe = recipe
        config = asdict(ActionConfig.size(recipe.size, len(recipe.classes)))
        self.network: nn.Module = CompressedVideoNet(ActionConfig(**{**config, **recipe.model}))
        self.gops = self.network.config.gops
        if recipe.initial:
            restore(self.network, Path(recipe.initial))
        self._training: list[tuple[ClipSource, int, int]] = []
        self._validation: list[tuple[ClipSource, int, int]] = []
        index = {name: i for i, name in enumerate(recipe.classes)}
        for given in recipe.data:
            source = given.open(data)
            for clip, (label, group) in enumerate(zip(source.labels, source.groups)):
                if group in recipe.hold_out or (given.repeat == 0 and given.validate):
                    self._validation += [(source, clip, index[label])] * given.validate
                else:
                    self._training += [(source, clip, index[label])] * given.repeat

    @property
    def held_out(self) -> list[tuple[ClipSource, int, int]]:
        """Clips that are validated on: source, clip, label."""
        return self._validation

    def __len__(self) -> int:
        return len(self._training)

    def item(self, index: int, random: np.random.Generator) -> dict[str, Tensor]:
        """One clip, augmented; see `training.core.loop.Task`."""
        batch = collate([self._training[index]], self.gops, random)
        batch.thin(self.recipe.training_gops or self.gops, random)
        if self.recipe.strength > 0:
            draws = torch.Generator().manual_seed(int(random.integers(2**31)))
            augment(batch, draws, self.recipe.partner(), self.recipe.strength)
        return batch.as_item()

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy and the spikes per step of each layer."""
        clips = {name: batch[name].movedim(0, 1) for name in ("motion", "residual", "dt_us")}
        logits, spikes = network(
            batch["image"],
            clips["motion"],
            clips["residual"],
            clips["dt_us"],
            batch["age_s"],
            batch["valid"],
            batch["use"],
        )
        loss = F.cross_entropy(logits, batch["label"], label_smoothing=self.recipe.label_smoothing)
        right = (logits.argmax(1) == batch["label"]).float().mean()
        figures = {f"spikes/{place}": float(layer.detach().mean()) for place, layer in enumerate(spikes)}
        return loss, {"top1": float(right), **figures}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Top-1 on what is held out; without, every later checkpoint counts as better."""
        if not self._validation:
            self._rounds = getattr(self, "_rounds", 0) + 1
            return {"score": float(self._rounds)}
        right = predict(network, self._validation, self.gops).argmax(1) == [label for _, _, label in self._validation]
        return {"score": float(np.mean(right))}


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the caches")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--resume", nargs="?", const="auto", help="auto, or a checkpoint")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="FIELD=YAML", help="change a field; loop.FIELD too"
    )
    args = parser.parse_args(arguments)
    with setting_up():
        fields = yaml.safe_load(args.config.read_text())
        for change in args.set:
            name, equals, value = change.partition("=")
            if not equals:
                raise ValueError(f"--set {change}: give FIELD=VALUE, e.g. loop.steps=6000")
            place = fields["loop"] if name.startswith("loop.") else fields
            place[name.removeprefix("loop.")] = yaml.safe_load(value)
        recipe = Recipe.of(fields)
        task = ActionTask(recipe, args.data)
    about = {
        "network": asdict(task.network.config),
        "classes": recipe.classes,
        "card": recipe.card,
        "recipe": asdict(recipe),
    }
    train(task, recipe.loop, args.run, resume=args.resume, about=about)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
