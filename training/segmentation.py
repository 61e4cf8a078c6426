"""Trains a segmentation network.

python -m training.segmentation training/configs/halsie_scene.yaml --run runs/scene --resume auto
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from halsie_ros.events.voxel import bin_counts
from halsie_ros.segmentation.labels import CLASS_SETS
from training.augment import AugmentConfig, cut_windows, make_item
from training.clips import SourceConfig
from training.export import BIN_US
from training.loop import LoopConfig, train
from training.networks.halsie import HalsieStream, StreamConfig, warp


@dataclass(frozen=True)
class SegmentationConfig:
    """A training recipe.

    Attributes:
        class_set: name in `halsie_ros.segmentation.labels`.
        network: see `StreamConfig`.
        train: clips to train on.
        validation: clips to validate on.
        validation_stride: every how manyth validation clip is used.
        augment: see `AugmentConfig`.
        loop: see `LoopConfig`.
        card: the model card's data, licence, commercial_use, recipe and inputs.
        imagenet: MobileNetV2 weights to start the frame branch from, "" for none.
        start: checkpoint whose average the network starts from, "" for none.
        class_weights: classes weigh ``share ** -class_weights`` (0: all the same), by their share of `train`.
        overlap: weight of ``1 - soft IoU``, the mean over each item's classes, beside the cross entropy.
        motion: weight of the difference between each step's labels and the last ones moved as the memory is moved.
        loss_stride: the losses compare scores and labels in cells of 4x4 pixels, or of 2x2 or 1x1 after the scores were
            brought to that size as deployment does: what is thinner than half a cell never wins a cell.
        frozen_norms: batch norms keep their running statistics (for comparisons across numbers of processes).
    """

    class_set: str
    network: StreamConfig
    train: SourceConfig
    validation: SourceConfig
    augment: AugmentConfig
    loop: LoopConfig
    card: dict[str, Any] = field(default_factory=dict)
    validation_stride: int = 1
    imagenet: str = ""
    start: str = ""
    class_weights: float = 0.25
    overlap: float = 0.0
    motion: float = 0.0
    loss_stride: int = 4
    frozen_norms: bool = False

    def __post_init__(self) -> None:
        if self.class_set not in CLASS_SETS:
            raise ValueError(f"class_set is {self.class_set!r}: give one of {', '.join(CLASS_SETS)}")
        if self.network.classes != len(CLASS_SETS[self.class_set]):
            raise ValueError(
                f"network.classes is {self.network.classes}, {self.class_set} has {len(CLASS_SETS[self.class_set])}"
            )
        if self.imagenet and self.start:
            raise ValueError("imagenet and start both give first weights: keep one")
        if self.validation_stride < 1 or not 0 <= self.class_weights <= 1:
            raise ValueError("validation_stride must be at least 1 and class_weights between 0 and 1")
        if self.overlap < 0 or self.motion < 0:
            raise ValueError(f"overlap is {self.overlap}, motion {self.motion}: give 0 for none or more")
        if self.loss_stride not in (1, 2, 4):
            raise ValueError(f"loss_stride is {self.loss_stride}: give 1, 2 or 4")
        missing = {"data", "licence", "commercial_use", "recipe", "inputs"} - set(self.card)
        if missing:
            raise ValueError(f"card lacks {', '.join(sorted(missing))}")
        if tuple(self.card["inputs"]) != self.augment.inputs:
            raise ValueError(f"card.inputs is {self.card['inputs']}, augment.inputs {list(self.augment.inputs)}")

    @classmethod
    def load(cls, path: Path, changes: Sequence[str] = ()) -> SegmentationConfig:
        """Reads a YAML file, with changes like "loop.steps=6000"; an unknown key is refused."""
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        for change in changes:
            place, equals, value = change.partition("=")
            *parts, name = place.split(".")
            if not equals:
                raise ValueError(f"--set {change}: give PART.NAME=VALUE, e.g. loop.steps=6000")
            inner = values
            for part in parts:
                inner = inner.setdefault(part, {})
            inner[name] = yaml.safe_load(value)
        return build(cls, values, str(path))


PARTS = {
    "network": StreamConfig,
    "train": SourceConfig,
    "validation": SourceConfig,
    "augment": AugmentConfig,
    "loop": LoopConfig,
}


def build(kind: Any, values: dict[str, Any], where: str) -> Any:
    """A dataclass from a mapping, parts included.

    Raises:
        ValueError: a key that the dataclass does not have, one that it needs, or a value it refuses.
    """
    names = {one.name for one in dataclasses.fields(kind)}
    if unknown := set(values) - names:
        raise ValueError(f"{where}: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(names))}")
    parts = PARTS if kind is SegmentationConfig else {}
    filled = {
        name: build(parts[name], value, f"{where}: {name}") if name in parts else _tuples(value)
        for name, value in values.items()
    }
    try:
        return kind(**filled)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class SegmentationTask:
    """A `training.loop.Task`: clips in, class shares out."""

    def __init__(self, config: SegmentationConfig) -> None:
        self.config = config
        torch.manual_seed(config.loop.seed)
        self.network: nn.Module = HalsieStream(config.network).to(memory_format=torch.channels_last)
        if config.imagenet:
            self.network.frame_branch.things.load_imagenet(Path(config.imagenet))
        if config.start:
            saved = torch.load(config.start, map_location="cpu", weights_only=True)
            self.network.load_state_dict(saved["average"])
        if config.frozen_norms:
            self.network = FrozenNorms(self.network)
        self._clips = config.train.open()
        self._validation = config.validation.open()
        self._weights = self._class_weights()

    def __len__(self) -> int:
        return len(self._clips)

    def item(self, index: int, random: np.random.Generator) -> dict[str, Tensor]:
        """See `training.loop.Task`."""
        sample = self._clips.sample(index, int(random.integers(1 << 30)))
        network = self.config.network
        return make_item(
            sample, self.config.augment, random,
            classes=network.classes, bins=network.bins, bin_us=BIN_US, cell=self.config.loss_stride,
        )  # fmt: skip

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy against the classes' shares in each cell, averaged over each item's labelled area; what the
        classes' soft intersections over unions lack (Rahman and Wang, 2016; per item: our choice); and what moving
        the memory leaves wrong."""
        frames, events, dt_us, valid, shares, continues = (
            batch[name].transpose(0, 1) for name in ("frames", "events", "dt_us", "frame_valid", "shares", "continues")
        )
        scores, _, spikes, moves = network(frames, events, dt_us, valid)
        steps, items = events.shape[:2]
        shares = shares.flatten(0, 1)
        scores = scores.float()
        if self.config.loss_stride < 4:
            scores = F.interpolate(scores, scale_factor=4 / self.config.loss_stride, mode="bilinear")
        log_likelihood = F.log_softmax(scores, 1)
        target = shares * self._weights.to(scores.device).view(1, -1, 1, 1)
        per_step = -(target * log_likelihood).sum((1, 2, 3)).view(steps, items)
        area = target.sum((1, 2, 3)).view(steps, items)
        loss = (per_step.sum(0) / area.sum(0).clamp(min=1.0)).mean()
        if self.config.overlap:
            loss = loss + self.config.overlap * (1 - soft_iou(log_likelihood.exp(), shares, items).mean())
        if self.config.motion:
            known = F.avg_pool2d(shares, 8 // self.config.loss_stride).unflatten(0, (steps, items))
            loss = loss + self.config.motion * motion_error(known, moves.unflatten(0, (steps, items)), continues).mean()
        return loss, {f"spikes/{k}": float(layer.detach().mean()) for k, layer in enumerate(spikes)}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """mIoU of the last frame of each validation clip, with all inputs, and (not stills) with two frames lost."""
        clips = range(0, len(self._validation), self.config.validation_stride)
        with_all, without = (np.zeros((self.config.network.classes,) * 2, np.int64) for _ in range(2))
        for index in clips:
            sample = self._validation.sample(index, None)
            for confusion, lost in ((with_all, 0), (without, 2)):
                if lost and self.config.validation.stills:
                    continue
                predicted = run_clip(network, sample, self.config.augment.inputs, lost)
                label = sample.labels[-1]
                known = label < self.config.network.classes
                np.add.at(confusion, (label[known], predicted[known]), 1)
        full, blackout = mean_iou(with_all), mean_iou(without)
        if self.config.validation.stills:
            return {"score": full, "miou": full}
        return {"score": full + blackout, "miou": full, "miou_blackout_2": blackout}

    def _class_weights(self) -> Tensor:
        counts = np.ones(self.config.network.classes)
        if self.config.class_weights:
            for index in range(0, len(self._clips), max(1, len(self._clips) // 60)):
                label = self._clips.sample(index, 0).labels[-1]
                counts += np.bincount(label[label < len(counts)], minlength=len(counts))
        weights = np.maximum(counts / counts.sum(), 1e-3) ** -self.config.class_weights
        return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def soft_iou(predicted: Tensor, shares: Tensor, items: int) -> Tensor:
    """Soft intersection over union of each item, the mean over the classes that occur in it.

    Args:
        predicted: class probabilities ``(T*B, C, h, w)``.
        shares: true shares of the classes, adding up to less than 1 where there is no label, of the same shape.
        items: B.

    Returns:
        ``(B,)``; 1 for an item without any label.
    """
    both = (predicted * shares).sum((2, 3))
    either = (predicted * shares.sum(1, keepdim=True)).sum((2, 3)) + shares.sum((2, 3)) - both
    both, either, present = (one.view(-1, items, one.shape[1]).sum(0) for one in (both, either, shares.sum((2, 3))))
    occurs = (present > 0).float()
    iou = occurs * both / either.clamp(min=1e-6)
    return torch.where(occurs.sum(1) > 0, iou.sum(1) / occurs.sum(1).clamp(min=1), 1.0)


def motion_error(shares: Tensor, moves: Tensor, continues: Tensor) -> Tensor:
    """How far labels that are moved along with the memory miss the present labels.

    Args:
        shares: of the classes at the memory's stride, ``(T, B, C, h, w)``, 0 where there is no label.
        moves: where each cell comes from, ``(T, B, 2, h, w)``, see `training.networks.halsie.warp`.
        continues: 1 where a step goes on from the one before, 0 where it does not, ``(T, B)``.

    Returns:
        ``(B,)``: the mean absolute difference over cells that change or should, times the classes; in steps without a
        label the last ones move on.
    """
    carried, valid = shares[0], (shares[0].sum((1, 2, 3)) > 0).float()
    error, weight = shares.new_zeros(shares.shape[1]), shares.new_zeros(shares.shape[1])
    for now, move, goes_on in zip(shares[1:], moves[1:].float(), continues[1:]):
        before, carried = carried, warp(carried, move)
        labelled = (now.sum((1, 2, 3)) > 0).float()
        both = ((now.sum(1) > 0.99) & (before.sum(1) > 0.99)).float()
        area = ((now - before).abs().sum(1) > 0.02).float() * both
        counts = labelled * valid * goes_on
        error = error + counts * (area * (carried - now).abs().sum(1)).sum((1, 2))
        weight = weight + counts * area.sum((1, 2))
        known = labelled.view(-1, 1, 1, 1)
        carried = known * now + (1 - known) * carried
        valid = torch.maximum(labelled, valid * goes_on)
    return error / weight.clamp(min=1.0)


class FrozenNorms(nn.Module):
    """A network whose batch norms stay in evaluation, whatever mode it is in."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.train()

    def train(self, mode: bool = True) -> FrozenNorms:
        """As `nn.Module.train`, except for the norms."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, *inputs: Any) -> Any:
        """The network's own."""
        return self.network(*inputs)


@torch.no_grad()
def run_clip(network: nn.Module, sample: Any, inputs: tuple[str, ...], lost: int = 0) -> np.ndarray:
    """The mask ``(H, W)`` at a clip's end, stepped as the pipeline does; the last ``lost`` frames do not arrive."""
    device = next(network.parameters()).device
    height, width = sample.labels.shape[1:]
    padded = (-(-height // 32) * 32, -(-width // 32) * 32)
    config = AugmentConfig(cut=0.0)
    network = getattr(network, "network", network)
    bins = network.config.bins
    state: tuple[Tensor | None, ...] = (None,) * 4
    scores = torch.empty(0)
    for start, end, index in cut_windows(sample, config, np.random.default_rng(0), bins * BIN_US):
        events = torch.zeros(1, 2 * bins, *padded)
        if "events" in inputs:
            bin_counts(
                sample.events.between(start, end),
                t0_us=start, bin_us=BIN_US, bins=bins, height=padded[0], width=padded[1], out=events[0].numpy(),
            )  # fmt: skip
        seen = index is not None and index < len(sample) - lost and "frames" in inputs
        image = torch.zeros(1, 3, *padded)
        if seen:
            frame = torch.from_numpy(sample.frames[index])
            frame = frame if frame.ndim == 3 else frame[..., None].expand(-1, -1, 3)
            image = F.pad(
                frame.permute(2, 0, 1)[None].float() / 255, (0, padded[1] - width, 0, padded[0] - height), "replicate"
            )
        scores, state, _, _ = network.step(
            events.to(device),
            torch.tensor([float(end - start)], device=device),
            torch.tensor([float(seen)], device=device),
            network.frame(image.to(device)),
            state,
        )
    full = F.interpolate(scores.float(), scale_factor=4.0, mode="bilinear", align_corners=False)
    return full[0, :, :height, :width].argmax(0).cpu().numpy()


def mean_iou(confusion: np.ndarray) -> float:
    """Mean intersection over union of the classes that occur, from counts ``(C, C)`` [truth, predicted]."""
    both = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - both
    present = confusion.sum(1) > 0
    return float((both[present] / union[present]).mean()) if present.any() else 0.0


def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description="Train a segmentation network.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and curves")
    parser.add_argument("--resume", help="auto, or a checkpoint")
    parser.add_argument("--set", nargs="+", default=[], metavar="PART.NAME=VALUE", help="changes of the recipe")
    args = parser.parse_args(arguments)
    config = SegmentationConfig.load(args.config, args.set)
    train(SegmentationTask(config), config.loop, args.run, resume=args.resume, about=asdict(config))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
