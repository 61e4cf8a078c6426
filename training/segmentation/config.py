"""Recipes of segmentation networks: YAML files to dataclasses; what does not fit together is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halsie_ros.classes import CLASS_SETS
from training.core import recipes
from training.core.command import TrainingError
from training.core.loop import LoopConfig
from training.networks.halsie import StreamConfig
from training.segmentation.augment import AugmentConfig
from training.segmentation.sources import SourceConfig


@dataclass(frozen=True)
class SegmentationConfig:
    """A training recipe.

    Attributes:
        class_set: name in `halsie_ros.classes`.
        network: see `StreamConfig`.
        train: clips to train on.
        validation: clips to validate on.
        validation_stride: one validation clip in so many is used.
        augment: see `AugmentConfig`.
        loop: see `LoopConfig`.
        card: the model card's data, licence, commercial_use, recipe and inputs.
        imagenet: MobileNetV2 weights to start the frame branch from, "" for none.
        start: checkpoint whose average the network starts from, or card (.yaml) of an exported model, "" for none.
        class_weights: classes weigh ``share ** -class_weights`` (0: all the same), by their share of `train`.
        soft_iou_weight: weight of ``1 - soft IoU``, the mean over each item's classes, beside the cross entropy.
        teacher: checkpoint of `training.segmentation.teacher`, or card (.yaml) of an exported model, "" for none.
        distillation_weight: weight of the divergence from the teacher's scores of undamaged frames (knowledge
            distillation); 0 without a teacher.
        distillation_frames: at most so many frames of a batch are shown to the teacher, 0 for all.
        motion_weight: weight of the difference between each step's labels and the last ones moved as the memory is
            moved.
        loss_output_stride: of the scores that the losses compare with labels: in cells of 4x4 pixels, or of 2x2 or 1x1
            after the scores were brought to that size as deployment does: what is thinner than half a cell never wins
            a cell.
        frozen: parts of the network (names of modules) that keep their weights and norms.
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
    soft_iou_weight: float = 0.0
    teacher: str = ""
    distillation_weight: float = 0.0
    distillation_frames: int = 0
    motion_weight: float = 0.0
    loss_output_stride: int = 4
    frozen: tuple[str, ...] = ()
    frozen_norms: bool = False

    def __post_init__(self) -> None:
        if self.class_set not in CLASS_SETS:
            raise TrainingError(f"class_set is {self.class_set!r}: give one of {', '.join(CLASS_SETS)}")
        if self.network.classes != len(CLASS_SETS[self.class_set]):
            raise TrainingError(
                f"network.classes is {self.network.classes}, {self.class_set} has {len(CLASS_SETS[self.class_set])}"
            )
        if self.network.unrolled and (self.imagenet or self.start or self.motion_weight):
            raise TrainingError(
                "network.unrolled has neither MobileNetV2's stages nor a memory: leave imagenet, start, motion_weight"
            )
        if self.network.unrolled and not (self.network.spiking and self.network.mixer):
            raise TrainingError("network.unrolled is spiking and has a mixer: leave both true")
        if self.imagenet and self.start and not self.start.endswith(".yaml"):
            raise TrainingError("imagenet and start both give first weights: keep one")
        if self.validation_stride < 1 or not 0 <= self.class_weights <= 1:
            raise TrainingError("validation_stride must be at least 1 and class_weights between 0 and 1")
        if self.soft_iou_weight < 0 or self.motion_weight < 0:
            raise TrainingError(
                f"soft_iou_weight is {self.soft_iou_weight}, motion_weight {self.motion_weight}: give 0 (none) or more"
            )
        if (self.distillation_weight > 0) != bool(self.teacher):
            raise TrainingError(
                f"teacher is {self.teacher!r}, distillation_weight {self.distillation_weight}: give both, or neither"
            )
        if self.distillation_frames < 0 or (self.distillation_frames and not self.teacher):
            raise TrainingError(
                f"distillation_frames is {self.distillation_frames}, teacher {self.teacher!r}: give 0, or both"
            )
        if self.loss_output_stride not in (1, 2, 4):
            raise TrainingError(f"loss_output_stride is {self.loss_output_stride}: give 1, 2 or 4")
        if type(self.frozen_norms) is not bool:
            raise TrainingError(f"frozen_norms is {self.frozen_norms!r}: give true or false")
        missing = {"data", "licence", "commercial_use", "recipe", "inputs"} - set(self.card)
        if missing:
            raise TrainingError(f"card lacks {', '.join(sorted(missing))}")
        if tuple(self.card["inputs"]) != self.augment.inputs:
            raise TrainingError(f"card.inputs is {self.card['inputs']}, augment.inputs {list(self.augment.inputs)}")

    @classmethod
    def load(cls, path: Path, changes: Sequence[str] = ()) -> SegmentationConfig:
        """Reads a recipe, with changes like "loop.steps=6000"; see `training.core.recipes.load`."""
        return recipes.load(cls, path, changes)
