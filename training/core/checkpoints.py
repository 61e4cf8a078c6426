"""Checkpoints of a training run: written whole or not at all, and read to go on as if nothing had happened."""

from __future__ import annotations

import math
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.core.command import TrainingError


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: steps done.
        best: best score so far.
        losses: loss of each step of this process, for tests and plots.
        waited: share of the time spent waiting for data.
    """

    step: int = 0
    best: float = -math.inf
    losses: list[float] = field(default_factory=list)
    waited: float = 0.0


def resume_file(run: Path, resume: str | None) -> Path | None:
    """The checkpoint to go on from: ``run/last.pt`` for "auto" where there is one, or the path given; None: afresh.

    Raises:
        TrainingError: the path given is no file.
    """
    if resume is None:
        return None
    path = run / "last.pt" if resume == "auto" else Path(resume)
    if path.is_file():
        return path
    if resume == "auto":
        return None
    raise TrainingError(f"{path}: no such checkpoint to resume from; --resume auto starts afresh where none is")


def recipe_in(path: Path) -> dict[str, Any]:
    """The recipe that a checkpoint was trained by, as it was written then.

    Raises:
        TrainingError: the file is no checkpoint with a recipe.
        FileNotFoundError: there is no such file.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):  # what torch.save writes
            raise TrainingError(f"{path}: no checkpoint of a training: give its last.pt or best.pt")
    config = torch.load(path, map_location="cpu", weights_only=True).get("config")
    if not config:
        raise TrainingError(f"{path}: this checkpoint says nothing of its recipe: give the YAML file")
    return dict(config)


def restore(path: Path, network: nn.Module, average: nn.Module, optimizer: Any, progress: Progress) -> None:
    """Puts everything back as ``path`` has it."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(saved["network"])
    average.load_state_dict(saved["average"])
    optimizer.load_state_dict(saved["optimizer"])
    progress.step, progress.best = saved["step"], saved["best"]


def save(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    about: dict[str, Any] | None,
    scores: dict[str, float],
) -> None:
    """Writes a run's checkpoint."""
    content = {
        "step": progress.step,
        "best": progress.best,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "config": about or {},
        "scores": scores,
    }
    write(path, content)


def write(path: Path, content: dict[str, Any]) -> None:
    """Writes a file that `torch.load` reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(content, temporary)
    temporary.replace(path)
