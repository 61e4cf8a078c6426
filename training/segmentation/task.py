"""Trains a segmentation network.

python -m training.segmentation training/configs/halsie_scene.yaml --run runs/scene --resume auto
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from halsie_ros.classes import CLASS_SETS, IDD_LITE_7, SHARED_10
from training.core.command import TrainingError, command, setting_up
from training.core.loop import train
from training.core.recipes import add_set_argument
from training.networks.frozen import FrozenNorms
from training.networks.halsie import HalsieStream, SegmentationNetwork
from training.networks.layers import channels_last
from training.networks.teacher import StreamTeacher, Teacher
from training.networks.unrolled import network_for
from training.segmentation.config import SegmentationConfig
from training.segmentation.export import BIN_US
from training.segmentation.from_model import grow, network_of, recalibrate_batch_norms
from training.segmentation.items import ClipItem, in_bytes, make_independent_frames, make_item, stacked
from training.segmentation.losses import distillation_loss, motion_error, soft_iou
from training.segmentation.partial import folded, groups_of, label_kinds, with_groups
from training.segmentation.sources import MixedClips
from training.segmentation.validation import Seen, measured

RECALIBRATION_BATCHES = 6
"""Batches on which the batch norms of an exported model are recalibrated."""


class SegmentationTask:
    """A `training.core.loop.Task`: clips in, class shares out."""

    def __init__(self, config: SegmentationConfig) -> None:
        self.config = config
        torch.manual_seed(config.loop.seed)
        self.network = channels_last(self._new_network())
        self._groups = groups_of(CLASS_SETS[config.class_set])
        self._clips = config.train.open()
        self._validation = config.validation.open()
        self._weights = self._class_weights()
        self._teacher: Teacher | StreamTeacher | None = None
        if config.teacher:
            self._teacher = channels_last(self._open_teacher()).eval().requires_grad_(False)
        if config.start.endswith(".yaml"):
            if not isinstance(self.network, HalsieStream):
                raise TrainingError(f"start is {config.start}, an exported model: a teacher starts from a checkpoint")
            grow(self.network, config.start, CLASS_SETS[config.class_set].names)
            recalibrate_batch_norms(self.network, (self._first_batch(k).inputs() for k in range(RECALIBRATION_BATCHES)))
        elif config.start:
            saved = torch.load(config.start, map_location="cpu", weights_only=True)
            self.network.load_state_dict(saved["average"])
        if config.frozen or config.frozen_norms:
            self.network = FrozenNorms(self.network, config.frozen)

    def _new_network(self) -> SegmentationNetwork:
        network = network_for(self.config.network, BIN_US)
        if self.config.imagenet and isinstance(network, HalsieStream):
            network.frame_branch.load_imagenet(Path(self.config.imagenet))
        return network

    def _open_teacher(self) -> Teacher | StreamTeacher:
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

    def _first_batch(self, number: int) -> ClipItem:
        """One of the batches on which the batch norms of an exported model are recalibrated."""
        rng = np.random.default_rng([self.config.loop.seed, 2, number])
        items = [self.item(int(rng.integers(len(self))), rng) for _ in range(self.config.loop.batch)]
        return stacked(items)

    def __len__(self) -> int:
        return len(self._clips)

    def item(self, index: int, rng: np.random.Generator) -> ClipItem:
        """See `training.core.loop.Task`; as `make_item` gives it, but frames and counts in bytes, see `in_bytes`."""
        network, augment = self.config.network, self.config.augment
        if isinstance(self._clips, MixedClips):
            zoom = self._clips.zoom(index)
            augment = replace(augment, scale=(augment.scale[0] * zoom, augment.scale[1] * zoom))
        shape: dict[str, Any] = {
            "classes": label_kinds(CLASS_SETS[self.config.class_set]), "bins": network.bins, "bin_us": BIN_US,
            "cell": self.config.loss_output_stride, "clean": self._teacher is not None,
        }  # fmt: skip
        if augment.independent_frames and rng.random() < augment.independent_frames:
            others = rng.integers(len(self._clips), size=augment.steps - 1)
            pages = [self._clips.still(int(place), int(rng.integers(1 << 30))) for place in (index, *others)]
            return in_bytes(make_independent_frames(pages, augment, rng, **shape))
        sample = self._clips.sample(index, int(rng.integers(1 << 30)))
        return in_bytes(make_item(sample, augment, rng, **shape))

    def loss(self, network: nn.Module, batch: ClipItem) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy against the classes' shares in each cell, averaged over each item's labelled area; what the
        classes' soft intersections over unions lack (Rahman and Wang, 2016; per item: our choice); what the teacher
        says of the undamaged frames, where there is one (Hinton et al., 2015); and what moving the memory leaves wrong.
        """
        shares, continues = batch.shares.transpose(0, 1), batch.continues.transpose(0, 1)
        scores, _, spikes, moves = network(*batch.inputs())
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
            known = shares.shape[1] - bool(self._groups)  # not what is like none of the classes
            overlap = soft_iou(log_likelihood[:, :known].exp(), shares[:, :known], items, self._groups).mean()
            loss = loss + self.config.soft_iou_weight * (1 - overlap)
        if self._teacher is not None:
            loss = loss + self.config.distillation_weight * distillation_loss(
                quarter,
                batch.clean.transpose(0, 1).flatten(0, 1) / 255,
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

    def validate(self, network: SegmentationNetwork) -> dict[str, float]:
        """mIoU of the last frame of each validation clip, with all inputs, and (not stills) with two frames lost."""
        if isinstance(self._validation, MixedClips):
            return self._validate_parts(network, self._validation)
        classes, inputs = self.config.network.classes, self.config.augment.inputs
        stride, stills = self.config.validation_stride, self.config.validation.stills
        views = [Seen(inputs)] if stills else [Seen(inputs), Seen(inputs, 2)]
        full, *blackout = (
            float(np.nan_to_num(one.miou)) for one in measured(network, self._validation, stride, views, classes)
        )
        if not blackout:
            return {"score": full, "miou": full}
        return {"score": full + blackout[0], "miou": full, "miou_blackout_2": blackout[0]}

    def _validate_parts(self, network: SegmentationNetwork, validation: MixedClips) -> dict[str, float]:
        """mIoU on each part of a mix, of the last frame with all inputs, in the classes that its labels share with
        others; the score is their mean."""
        figures, seen = {}, [Seen(self.config.augment.inputs)]
        means = []
        for part, source in zip(self.config.validation.parts, validation.sources):
            target = IDD_LITE_7 if part.dataset == "idd" else SHARED_10
            ids = functools.partial(folded, target=target)
            (found,) = measured(network, source, self.config.validation_stride, seen, len(target), ids)
            name = part.dataset or part.kind
            figures[name] = float(np.nan_to_num(found.miou))
            means.append(figures[name])
            for kind, iou in zip(target.names, np.nan_to_num(found.iou)):
                if kind in ("person", "vehicle", "living things", "vehicles"):
                    figures[f"{name}_{kind.split()[0]}"] = float(iou)
        return {"score": float(np.mean(means)), **figures}

    def _class_weights(self) -> Tensor:
        counts = np.ones(self.config.network.classes)
        if self.config.class_weights:
            for index in range(0, len(self._clips), max(1, len(self._clips) // 60)):
                label = self._clips.sample(index, 0).labels[-1]
                counts += np.bincount(label[label < len(counts)], minlength=len(counts))
        raw = np.maximum(counts / counts.sum(), 1e-3) ** -self.config.class_weights
        weights = [*raw / raw.mean()]
        groups = [np.mean([weights[member] for member in group]) for group in self._groups]
        weights += [*groups, 1.0] if groups else []
        return torch.tensor(weights, dtype=torch.float32)


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
