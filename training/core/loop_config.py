"""How to train, whatever is trained: the `loop` part of every recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.core.command import TrainingError


@dataclass(frozen=True)
class LoopConfig:
    """How to train, whatever is trained.

    Attributes:
        steps: optimizer steps.
        batch: items per step, over all processes together.
        learning_rate: highest rate of AdamW; a cosine leads it to 1 % at the end.
        weight_decay: of AdamW, for tensors of two or more dimensions.
        warmup_steps: steps of linear growth to the highest rate.
        ema_decay: decay of the exponential moving average of the weights, which is what is validated and exported.
        clip_norm: largest norm of the gradient.
        seed: of everything random.
        validate_every: steps between validations.
        save_every: steps between checkpoints.
        workers: loading processes per training process; 0 loads in the training process.
        threads: torch threads per process.
        mixed_precision: bfloat16 autocast where it helps, on GPUs and CPUs with AVX512-BF16 or AMX; others, which it
            would slow down six times, train in float32.
    """

    steps: int
    batch: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 0
    ema_decay: float = 0.99
    clip_norm: float = 5.0
    seed: int = 0
    validate_every: int = 100
    save_every: int = 50
    workers: int = 0
    threads: int = 1
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        least = dict.fromkeys(("steps", "batch", "validate_every", "save_every", "threads"), 1)
        for name, lowest in {**least, "workers": 0, "seed": 0, "warmup_steps": 0}.items():
            value = getattr(self, name)
            if type(value) is not int or value < lowest:
                raise TrainingError(f"loop.{name} is {value!r}: give a whole number, at least {lowest}")
        for name in ("learning_rate", "weight_decay", "ema_decay", "clip_norm"):
            if type(getattr(self, name)) not in (int, float):
                raise TrainingError(f"loop.{name} is {getattr(self, name)!r}: give a number, in YAML like 1.0e-3")
        if not 0 <= self.ema_decay < 1:
            raise TrainingError(f"loop.ema_decay is {self.ema_decay}: give 0 (none) to below 1")
        if self.warmup_steps >= self.steps:
            raise TrainingError(f"loop.warmup_steps is {self.warmup_steps}, of {self.steps} steps: give fewer")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise TrainingError(f"loop.{name} is {getattr(self, name)}: give more than 0")
        if not 0 <= self.weight_decay < math.inf:
            raise TrainingError(f"loop.weight_decay is {self.weight_decay}: give 0 (none) or more")
        if type(self.mixed_precision) is not bool:
            raise TrainingError(f"loop.mixed_precision is {self.mixed_precision!r}: give true or false")
