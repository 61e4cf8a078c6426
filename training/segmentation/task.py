"""Trains a segmentation network.

python -m training.segmentation training/configs/halsie_scene.yaml --run runs/scene --resume auto
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from halsie_ros.classes import CLASS_SETS, IDD_LITE_7, SHARED_10
from halsie_ros.events import Events
from halsie_ros.events.voxel import bin_counts
from halsie_ros.segmentation.restoration import carry, restore
from training.core.command import TrainingError, command, setting_up
from training.core.loop import train
from training.core.recipes import add_set_argument
from training.networks.teacher import StreamTeacher, Teacher
from training.networks.unrolled import network_for
from training.segmentation.augment import AugmentConfig, cut_windows, make_independent_frames, make_item
from training.segmentation.clips import MixedClips
from training.segmentation.config import SegmentationConfig
from training.segmentation.export import BIN_US
from training.segmentation.from_model import grow, network_of, recalibrate_batch_norms
from training.segmentation.losses import distillation_loss, motion_error, soft_iou
from training.segmentation.partial import folded, groups_of, with_groups

RECALIBRATION_BATCHES = 6
"""Batches on which the batch norms of an exported model are recalibrated."""


class SegmentationTask:
    """A `training.core.loop.Task`: clips in, class shares out."""

    def __init__(self, config: SegmentationConfig) -> None:
        self.config = config
        torch.manual_seed(config.loop.seed)
        self.network: nn.Module = self._new_network().to(memory_format=torch.channels_last)
        self._groups = groups_of(CLASS_SETS[config.class_set])
        self._clips = config.train.open()
        self._validation = config.validation.open()
        self._weights = self._class_weights()
        self._teacher: nn.Module | None = None
        if config.teacher:
            self._teacher = self._open_teacher().to(memory_format=torch.channels_last).eval().requires_grad_(False)
        if config.start.endswith(".yaml"):
            grow(self.network, config.start, CLASS_SETS[config.class_set].names)
            recalibrate_batch_norms(
                self.network, (self._inputs(self._first_batch(k)) for k in range(RECALIBRATION_BATCHES))
            )
        elif config.start:
            saved = torch.load(config.start, map_location="cpu", weights_only=True)
            self.network.load_state_dict(saved["average"])
        if config.frozen or config.frozen_norms:
            self.network = FrozenNorms(self.network, config.frozen)

    def _new_network(self) -> nn.Module:
        network = network_for(self.config.network, BIN_US)
        if self.config.imagenet:
            stages = network.frame_branch
            for one in (stages.things, stages.deeper):
                if one is not None:
                    one.load_imagenet(Path(self.config.imagenet))
        return network

    def _open_teacher(self) -> nn.Module:
        if self.config.teacher.endswith(".yaml"):
            network = network_of(self.config.teacher)
            if network.config.classes != self.config.network.classes:
                raise TrainingError(
                    f"teacher {self.config.teacher} has {network.config.classes} classes, the network "
                    f"{self.config.network.classes}: give one of the same class set"
                )
            return StreamTeacher(network)
        teacher = Teacher(self.config.network)
        saved = torch.load(self.config.teacher, map_location="cpu", weights_only=True)
        teacher.load_state_dict(saved["average"])
        return teacher

    def _first_batch(self, number: int) -> dict[str, Tensor]:
        """One of the batches on which the batch norms of an exported model are recalibrated."""
        rng = np.random.default_rng([self.config.loop.seed, 2, number])
        items = [self.item(int(rng.integers(len(self))), rng) for _ in range(self.config.loop.batch)]
        return {name: torch.stack([item[name] for item in items]) for name in items[0]}

    @staticmethod
    def _inputs(batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """What the network takes, time first, in float32."""
        names = ("frames", "events", "dt_us", "frame_valid")
        frames, events, dt_us, valid = (batch[name].transpose(0, 1) for name in names)
        return frames / 255, events.float(), dt_us, valid

    def __len__(self) -> int:
        return len(self._clips)

    def item(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """See `training.core.loop.Task`; as `make_item` gives it, but frames and counts in bytes, see `in_bytes`."""
        network, augment = self.config.network, self.config.augment
        if isinstance(self._clips, MixedClips):
            zoom = self._clips.zoom(index)
            augment = replace(augment, scale=(augment.scale[0] * zoom, augment.scale[1] * zoom))
        shape = {
            "classes": network.classes + len(self._groups), "bins": network.bins, "bin_us": BIN_US,
            "cell": self.config.loss_output_stride, "clean": self._teacher is not None,
        }  # fmt: skip
        if augment.independent_frames and rng.random() < augment.independent_frames:
            others = rng.integers(len(self._clips), size=augment.steps - 1)
            pages = [self._clips.still(int(place), int(rng.integers(1 << 30))) for place in (index, *others)]
            return in_bytes(make_independent_frames(pages, augment, rng, **shape))
        sample = self._clips.sample(index, int(rng.integers(1 << 30)))
        return in_bytes(make_item(sample, augment, rng, **shape))

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy against the classes' shares in each cell, averaged over each item's labelled area; what the
        classes' soft intersections over unions lack (Rahman and Wang, 2016; per item: our choice); what the teacher
        says of the undamaged frames, where there is one (Hinton et al., 2015); and what moving the memory leaves wrong.
        """
        inputs = self._inputs(batch)
        shares, continues = batch["shares"].transpose(0, 1), batch["continues"].transpose(0, 1)
        scores, _, spikes, moves = network(*inputs)
        steps, items = shares.shape[:2]
        shares = shares.flatten(0, 1)
        scores = scores.float()
        quarter = scores
        if self.config.loss_output_stride < 4:
            scores = F.interpolate(scores, scale_factor=4 / self.config.loss_output_stride, mode="bilinear")
        log_likelihood = with_groups(F.log_softmax(scores, 1), self._groups)
        target = shares * self._weights.to(scores.device).view(1, -1, 1, 1)
        per_step = -(target * log_likelihood).sum((1, 2, 3)).view(steps, items)
        area = target.sum((1, 2, 3)).view(steps, items)
        loss = (per_step.sum(0) / area.sum(0).clamp(min=1.0)).mean()
        if self.config.soft_iou_weight:
            overlap = soft_iou(log_likelihood.exp(), shares, items, self._groups).mean()
            loss = loss + self.config.soft_iou_weight * (1 - overlap)
        if self._teacher is not None:
            loss = loss + self.config.distillation_weight * distillation_loss(
                quarter,
                batch["clean"].transpose(0, 1).flatten(0, 1) / 255,
                self._teacher.to(scores.device),
                self.config.distillation_frames,
            )
        if self.config.motion_weight:
            classes = shares[:, : self.config.network.classes]
            known = F.avg_pool2d(classes, 8 // self.config.loss_output_stride).unflatten(0, (steps, items))
            loss = (
                loss
                + self.config.motion_weight * motion_error(known, moves.unflatten(0, (steps, items)), continues).mean()
            )
        return loss, {f"spikes/{k}": float(layer.detach().mean()) for k, layer in enumerate(spikes)}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """mIoU of the last frame of each validation clip, with all inputs, and (not stills) with two frames lost."""
        if isinstance(self._validation, MixedClips):
            return self._validate_parts(network, self._validation)
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

    def _validate_parts(self, network: nn.Module, validation: MixedClips) -> dict[str, float]:
        """mIoU on each part of a mix, of the last frame with all inputs, in the classes that its labels share with
        others; the score is their mean."""
        figures = {}
        for part, source in zip(self.config.validation.parts, validation.sources):
            target = IDD_LITE_7 if part.dataset == "idd" else SHARED_10
            confusion = np.zeros((len(target),) * 2, np.int64)
            for index in range(0, len(source), self.config.validation_stride):
                sample = source.sample(index, None)
                predicted = folded(run_clip(network, sample, self.config.augment.inputs), target)
                label = folded(sample.labels[-1], target)
                known = label < len(target)
                np.add.at(confusion, (label[known], predicted[known]), 1)
            name = part.dataset or part.kind
            figures[name] = mean_iou(confusion)
            for kind, iou in zip(target.names, class_ious(confusion)):
                if kind in ("person", "vehicle", "living things", "vehicles"):
                    figures[f"{name}_{kind.split()[0]}"] = iou
        return {"score": float(np.mean([figures[part.dataset or part.kind] for part in self.config.validation.parts])),
                **figures}  # fmt: skip

    def _class_weights(self) -> Tensor:
        counts = np.ones(self.config.network.classes)
        if self.config.class_weights:
            for index in range(0, len(self._clips), max(1, len(self._clips) // 60)):
                label = self._clips.sample(index, 0).labels[-1]
                counts += np.bincount(label[label < len(counts)], minlength=len(counts))
        weights = np.maximum(counts / counts.sum(), 1e-3) ** -self.config.class_weights
        weights = [*weights / weights.mean()]
        weights += [np.mean([weights[member] for member in group]) for group in self._groups]
        return torch.tensor(weights, dtype=torch.float32)


def in_bytes(item: dict[str, Tensor]) -> dict[str, Tensor]:
    """An item of `make_item` in a quarter of the memory: frames are multiples of 1/255 and become uint8 without loss,
    and so do counts up to 255; larger ones become 255."""
    pictures = {name: (item[name] * 255).round().to(torch.uint8) for name in ("frames", "clean") if name in item}
    return {**item, **pictures, "events": item["events"].clamp(max=255).to(torch.uint8)}


class FrozenNorms(nn.Module):
    """A network whose batch norms stay in evaluation, whatever mode it is in; checkpoints name its parts as without.

    Args:
        network: the network.
        parts: names of those whose norms stay, and whose weights stay as well; none: the norms of all.
    """

    def __init__(self, network: nn.Module, parts: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.network = network
        self._still = [network.get_submodule(name) for name in parts] or [network]
        for name in parts:
            network.get_submodule(name).requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> FrozenNorms:
        """As `nn.Module.train`, except for the norms."""
        super().train(mode)
        for module in (module for part in self._still for module in part.modules()):
            if isinstance(module, nn.modules.batchnorm._BatchNorm):  # synchronised ones, too
                module.eval()
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own."""
        return self.network.load_state_dict(*args, **kwargs)

    def forward(self, *inputs: Any) -> Any:
        """The network's own."""
        return self.network(*inputs)


@torch.no_grad()
def run_clip(network: nn.Module, sample: Any, inputs: tuple[str, ...], lost: int = 0) -> np.ndarray:
    """The mask ``(H, W)`` at a clip's end, stepped as the pipeline does; the last ``lost`` frames do not come."""
    device = next(network.parameters()).device
    height, width = sample.labels.shape[1:]
    padded = (-(-height // 32) * 32, -(-width // 32) * 32)
    config = AugmentConfig(window_split=0.0)
    network = network.network if isinstance(network, FrozenNorms) else network
    bins = network.config.bins
    state: tuple[Tensor | None, ...] = (None,) * 4
    scores, known = torch.empty(0), None
    for start, end, index in cut_windows(sample, config, np.random.default_rng(0), bins * BIN_US):
        events = torch.zeros(1, 2 * bins, *padded)
        now = sample.events.between(start, end) if "events" in inputs else Events.empty()
        grid = {"t0_us": start, "bin_us": BIN_US, "bins": bins, "height": padded[0], "width": padded[1]}
        bin_counts(now, **grid, out=events[0].numpy())
        known = carry(known, now)
        seen = index is not None and index < len(sample) - lost and "frames" in inputs
        image = torch.zeros(1, 3, *padded)
        if seen:
            known = restore(sample.frames[index], known, end)
            frame = torch.from_numpy(known.image)[None]
            image = F.pad(frame, (0, padded[1] - width, 0, padded[0] - height), "replicate")
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
    present = confusion.sum(1) > 0
    return float(np.mean(class_ious(confusion)[present])) if present.any() else 0.0


def class_ious(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, from counts ``(C, C)`` [truth, predicted]; 0 for one that is nowhere."""
    both = np.diag(confusion)
    return both / np.maximum(confusion.sum(0) + confusion.sum(1) - both, 1)


@command
def run_command(task: type[SegmentationTask], description: str, arguments: list[str] | None) -> int:
    """The command that trains a task's network by a recipe."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("config", type=Path)
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and curves")
    parser.add_argument("--resume", help="auto, or a checkpoint")
    add_set_argument(parser)
    args = parser.parse_args(arguments)
    with setting_up():
        config = SegmentationConfig.load(args.config, args.set)
        learned = task(config)
    train(learned, config.loop, args.run, resume=args.resume, about=asdict(config))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text."""
    return run_command(SegmentationTask, "Train a segmentation network.", arguments)


if __name__ == "__main__":
    raise SystemExit(main())
