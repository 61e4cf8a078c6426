"""The training loop, for every task of this package: one process or many, stopped and continued at will.

What happens in step k depends on the seed and k alone: the items of its batch, their random augmentation and every
random number of the network. A run that is stopped and resumed is therefore, on a CPU, bit for bit the run that was
never stopped, and processes that share a batch see the same items as one process would.

    torchrun --standalone --nproc-per-node 2 --max-restarts 3 -m training.segmentation CONFIG --run DIR --resume auto
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from training.core.allocator import keep_memory
from training.core.checkpoints import Progress, restore, resume_file, save
from training.core.command import TrainingError
from training.core.journal import Journal, Stopwatch
from training.core.learner import Learner, fast_bfloat16, learning_rate
from training.core.loop_config import LoopConfig
from training.core.processes import Processes, choose_device

__all__ = ["LoopConfig", "Task", "batches", "fast_bfloat16", "learning_rate", "train"]

Item = TypeVar("Item", bound="dict[str, Tensor] | tuple[Tensor, ...]")
"""Tensors by name: a dict, or a NamedTuple. A batch is the same, each tensor with the items along its first axis."""


Net = TypeVar("Net", bound=nn.Module)


class Task(Protocol[Item, Net]):
    """What the loop trains."""

    network: Net

    def __len__(self) -> int:
        """Number of training items."""

    def item(self, index: int, rng: np.random.Generator) -> Item:
        """One training item, augmented by ``rng``; equal shapes for all."""

    def loss(self, network: nn.Module, batch: Item) -> tuple[Tensor, dict[str, float]]:
        """The mean loss of a batch, each item weighing the same, and figures to log. Calls ``network(...)`` once."""

    def validate(self, network: Net) -> dict[str, float]:
        """Figures of merit in evaluation; ``score``, the higher the better, chooses the best checkpoint."""


class _Slots(Dataset[Item]):
    """Item k of a run, k = step * batch + place: a shuffled pass over the data, again and again."""

    def __init__(self, task: Task[Item, Any], config: LoopConfig) -> None:
        self.task, self.config = task, config
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def __getitem__(self, slot: int) -> Item:
        epoch, place = divmod(slot, len(self.task))
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.config.seed, epoch]).permutation(len(self.task)))
        return self.task.item(int(self._order[1][place]), np.random.default_rng([self.config.seed, 1, slot]))


def batches(
    task: Task[Item, Any], config: LoopConfig, first: int = 0, rank: int = 0, world: int = 1, *, pinned: bool = False
) -> Iterator[Item]:
    """This process's share of each batch, from step ``first`` on; ``pinned`` memory is copied to a GPU meanwhile."""
    share = config.batch // world
    slots = [
        [step * config.batch + rank * share + place for place in range(share)] for step in range(first, config.steps)
    ]
    return iter(DataLoader(_Slots(task, config), batch_sampler=slots, num_workers=config.workers, pin_memory=pinned))


def on_device(batch: Item, device: torch.device) -> Item:
    """The same batch, its tensors on a device."""
    if isinstance(batch, dict):
        return cast(Item, {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()})
    return type(batch)(*(tensor.to(device, non_blocking=True) for tensor in batch))


def train(
    task: Task[Item, Net],
    config: LoopConfig,
    run: Path,
    *,
    resume: str | None = None,
    about: dict[str, Any] | None = None,
) -> Progress:
    """Trains until ``config.steps``.

    Args:
        task: network, data and loss.
        config: see `LoopConfig`.
        run: folder for `last.pt`, `best.pt` and TensorBoard's files.
        resume: "auto" continues from ``run/last.pt`` where there is one, a path continues from that file.
        about: kept in the checkpoints as ``config``.

    Raises:
        TrainingError: the batch does not divide among the processes, the file to resume from is missing, or processes
            would go on from different steps.
    """
    processes = Processes.of_environment()
    processes.share(config.batch)
    keep_memory()
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    device = choose_device()
    processes.join("nccl" if device.type == "cuda" else "gloo")
    learner = Learner(task.network, config, device, processes)
    progress = _where_it_stands(learner, run, resume, processes)
    journal = Journal(run, config) if processes.rank == 0 else None
    shares = batches(task, config, progress.step, processes.rank, processes.world, pinned=device.type == "cuda")
    watch = Stopwatch(progress.step)
    while progress.step < config.steps:
        batch = on_device(watch.next(shares), device)
        loss, figures = learner.step(task.loss, batch, progress.step)
        progress.step += 1
        progress.losses.append(processes.mean(loss))
        progress.waited = watch.waited_s / watch.spent_s
        if journal is not None:
            journal.step(progress, figures, watch)
            _check_and_save(task, config, run, learner, progress, journal, about)
        if progress.step % config.validate_every == 0:
            processes.wait()
    if journal is not None:
        journal.close()
    return progress


def _where_it_stands(learner: Learner[Net], run: Path, resume: str | None, processes: Processes) -> Progress:
    """Puts the learner back to where the run was, if it is resumed; see `train`."""
    progress = Progress()
    try:
        start = resume_file(run, resume)
    except TrainingError:
        processes.agree(None, run)
        raise
    if start is not None:
        restore(start, learner.network, learner.ema, learner.optimizer, progress)
    processes.agree(progress.step, run)
    return progress


def _check_and_save(
    task: Task[Item, Net],
    config: LoopConfig,
    run: Path,
    learner: Learner[Net],
    progress: Progress,
    journal: Journal,
    about: dict[str, Any] | None,
) -> None:
    """Validates and writes checkpoints where it is time for them, and after the last step."""
    done = progress.step == config.steps
    state = learner.network, learner.ema, learner.optimizer
    if progress.step % config.validate_every == 0 or done:
        scores = task.validate(learner.ema.eval())
        journal.validated(progress, scores)
        if scores["score"] > progress.best:
            progress.best = scores["score"]
            save(run / "best.pt", *state, progress, about, scores)
    if progress.step % config.save_every == 0 or done:
        save(run / "last.pt", *state, progress, about, {})
