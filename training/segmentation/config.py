"""Recipes of segmentation networks: YAML files to dataclasses; what does not fit together is refused."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from halsie_ros.classes import CLASS_SETS
from training.core.loop import LoopConfig
from training.networks.halsie import StreamConfig
from training.segmentation.augment import AugmentConfig
from training.segmentation.clips import SourceConfig


@dataclass(frozen=True)
class SegmentationConfig:
    """A training recipe.

    Attributes:
        class_set: name in `halsie_ros.classes`.
        network: see `StreamConfig`.
        train: clips to train on.
        validation: clips to validate on.
        validation_stride: every how manyth validation clip is used.
        augment: see `AugmentConfig`.
        loop: see `LoopConfig`.
        card: the model card's data, licence, commercial_use, recipe and inputs.
        imagenet: MobileNetV2 weights to start the frame branch from, "" for none.
        start: checkpoint whose average the network starts from, or card (.yaml) of an exported model, "" for none.
        class_weights: classes weigh ``share ** -class_weights`` (0: all the same), by their share of `train`.
        overlap: weight of ``1 - soft IoU``, the mean over each item's classes, beside the cross entropy.
        teacher: checkpoint of `training.segmentation.teacher`, or card (.yaml) of an exported model, "" for none.
        lesson: weight of the difference from the teacher's scores of undamaged frames; 0 without a teacher.
        lesson_frames: at most so many frames of a batch are shown to the teacher, 0 for all.
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
    teacher: str = ""
    lesson: float = 0.0
    lesson_frames: int = 0
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
        if self.network.unrolled and (self.imagenet or self.start or self.motion):
            raise ValueError(
                "network.unrolled has neither MobileNetV2's stages nor a memory: leave imagenet, start, motion"
            )
        if self.network.unrolled and not (self.network.spiking and self.network.mixer):
            raise ValueError("network.unrolled is spiking and has a mixer: leave both true")
        if self.imagenet and self.start:
            raise ValueError("imagenet and start both give first weights: keep one")
        if self.validation_stride < 1 or not 0 <= self.class_weights <= 1:
            raise ValueError("validation_stride must be at least 1 and class_weights between 0 and 1")
        if self.overlap < 0 or self.motion < 0:
            raise ValueError(f"overlap is {self.overlap}, motion {self.motion}: give 0 for none or more")
        if (self.lesson > 0) != bool(self.teacher):
            raise ValueError(f"teacher is {self.teacher!r}, lesson {self.lesson}: give both, or neither")
        if self.lesson_frames < 0 or (self.lesson_frames and not self.teacher):
            raise ValueError(f"lesson_frames is {self.lesson_frames}, teacher {self.teacher!r}: give 0, or both")
        if self.loss_stride not in (1, 2, 4):
            raise ValueError(f"loss_stride is {self.loss_stride}: give 1, 2 or 4")
        if type(self.frozen_norms) is not bool:
            raise ValueError(f"frozen_norms is {self.frozen_norms!r}: give true or false")
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


def add_set_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--set PART.NAME=VALUE …`, once or several times; see `SegmentationConfig.load`."""
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="PART.NAME=VALUE", help="changes of the recipe"
    )


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
