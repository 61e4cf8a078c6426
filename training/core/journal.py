"""What a training says while it runs: lines on the screen, and curves for TensorBoard where that is installed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from training.core.checkpoints import Progress
from training.core.learner import learning_rate
from training.core.loop_config import LoopConfig

T = TypeVar("T")


class Stopwatch:
    """Time since a training began, and how much of it was spent waiting for data.

    Attributes:
        first: step at which it began.
        waited_s: seconds spent in `next`.
    """

    def __init__(self, first: int) -> None:
        self.first, self.waited_s = first, 0.0
        self._began = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds since it began."""
        return max(time.monotonic() - self._began, 1e-9)

    def next(self, items: Iterator[T]) -> T:
        """The next item; the wait for it is counted."""
        asked = time.monotonic()
        item = next(items)
        self.waited_s += time.monotonic() - asked
        return item


class Journal:
    """Writes what the first process has to say.

    Args:
        run: folder for TensorBoard's files.
        config: of the training.
    """

    def __init__(self, run: Path, config: LoopConfig) -> None:
        self._config, self._curves = config, _curves(run)

    def step(self, progress: Progress, figures: dict[str, float], watch: Stopwatch) -> None:
        """After each step: its loss and figures; every tenth is printed, and the last."""
        self._draw({"loss": progress.losses[-1], **figures}, progress.step)
        if progress.step % 10 == 0 or progress.step == self._config.steps:
            print(line(progress, self._config, watch), flush=True)

    def validated(self, progress: Progress, scores: dict[str, float]) -> None:
        """After a validation."""
        print(f"step {progress.step}: " + " ".join(f"{k} {v:.4f}" for k, v in scores.items()), flush=True)
        self._draw({f"validation/{name}": value for name, value in scores.items()}, progress.step)

    def close(self) -> None:
        """Ends the curves."""
        if self._curves is not None:
            self._curves.close()

    def _draw(self, values: dict[str, float], step: int) -> None:
        if self._curves is not None:
            for name, value in values.items():
                self._curves.add_scalar(name, value, step)


def line(progress: Progress, config: LoopConfig, watch: Stopwatch) -> str:
    """Step, loss (mean of ten), rate, share of time spent waiting for data, and the time left."""
    left_s = watch.spent_s / (progress.step - watch.first) * (config.steps - progress.step)
    return (
        f"step {progress.step}/{config.steps} loss {float(np.mean(progress.losses[-10:])):.4f} "
        f"rate {learning_rate(config, progress.step - 1):.2e} "
        f"waiting for data {watch.waited_s / watch.spent_s:.0%} left {left_s / 60:.1f} min"
    )


def _curves(run: Path) -> Any:
    """TensorBoard's writer; None where tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("TensorBoard is not installed: no curves, the figures are printed", flush=True)
        return None
    return SummaryWriter(str(run))
