"""The training loop, for every task of this package: one process or many, stopped and continued at will.

What happens in step k depends on the seed and k alone: the items of its batch, their random augmentation and every
random number of the network. A run that is stopped and resumed is therefore, on a CPU, bit for bit the run that was
never stopped, and processes that share a batch see the same items as one process would.

    torchrun --standalone --nproc-per-node 2 --max-restarts 3 -m training.segmentation CONFIG --run DIR --resume auto
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from training.core.allocator import keep_memory
from training.core.checkpoints import Progress, restore, resume_file, save
from training.core.command import TrainingError

PATIENCE = timedelta(hours=6)
"""So long processes wait for one another, e.g. while the first one validates; NCCL would give up in 10 minutes."""


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


class Task(Protocol):
    """What the loop trains."""

    network: nn.Module

    def __len__(self) -> int:
        """Number of training items."""

    def item(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """One training item, augmented by ``rng``; equal shapes for all."""

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """The mean loss of a batch, each item weighing the same, and figures to log. Calls ``network(...)`` once."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures of merit in evaluation; ``score``, the higher the better, chooses the best checkpoint."""


class _Slots(Dataset):
    """Item k of a run, k = step * batch + place: a shuffled pass over the data, again and again."""

    def __init__(self, task: Task, config: LoopConfig) -> None:
        self.task, self.config = task, config
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def __getitem__(self, slot: int) -> dict[str, Tensor]:
        epoch, place = divmod(slot, len(self.task))
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.config.seed, epoch]).permutation(len(self.task)))
        return self.task.item(int(self._order[1][place]), np.random.default_rng([self.config.seed, 1, slot]))


def batches(
    task: Task, config: LoopConfig, first: int = 0, rank: int = 0, world: int = 1, *, pinned: bool = False
) -> Iterator[dict[str, Tensor]]:
    """This process's share of each batch, from step ``first`` on; ``pinned`` memory is copied to a GPU meanwhile."""
    share = config.batch // world
    slots = [
        [step * config.batch + rank * share + place for place in range(share)] for step in range(first, config.steps)
    ]
    return iter(
        DataLoader(_Slots(task, config), batch_sampler=slots, num_workers=config.workers, pin_memory=pinned)  # type: ignore[arg-type]
    )


def learning_rate(config: LoopConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def train(
    task: Task, config: LoopConfig, run: Path, *, resume: str | None = None, about: dict[str, Any] | None = None
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
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch % world:
        raise TrainingError(f"loop.batch is {config.batch}, for {world} processes: give a multiple of {world}")
    keep_memory()
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)  # what NCCL's barrier runs on
    network = task.network.to(device)
    if world > 1 and not distributed.is_initialized():
        _join_processes("nccl" if gpu else "gloo", rank, world)
    if world > 1 and gpu:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(_groups(network, config), lr=config.learning_rate)
    progress = Progress()
    try:
        start = resume_file(run, resume)
    except TrainingError:
        _agree(None, run, world)
        raise
    if start is not None:
        restore(start, network, average, optimizer, progress)
    _agree(progress.step, run, world)
    parallel = nn.parallel.DistributedDataParallel(network) if world > 1 else network
    writer = _writer(run) if rank == 0 else None
    mixed = config.mixed_precision and fast_bfloat16(device)
    if config.mixed_precision and not mixed and rank == 0:
        print("loop.mixed_precision: this processor has no fast bfloat16, training in float32", flush=True)
    shares = batches(task, config, progress.step, rank, world, pinned=gpu)
    began, waited, first = time.monotonic(), 0.0, progress.step
    while progress.step < config.steps:
        step = progress.step
        asked = time.monotonic()
        batch = {name: tensor.to(device, non_blocking=True) for name, tensor in next(shares).items()}
        waited += time.monotonic() - asked
        torch.manual_seed(config.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        network.train()
        with torch.autocast(device.type, torch.bfloat16) if mixed else nullcontext():
            loss, figures = task.loss(parallel, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
        optimizer.step()
        _update_average(average, network, config.ema_decay, step)
        progress.step = step + 1
        progress.losses.append(_mean_over_processes(loss.detach(), world))
        progress.waited = waited / max(time.monotonic() - began, 1e-9)
        if rank == 0:
            done = progress.step == config.steps
            if writer is not None:
                writer.add_scalar("loss", progress.losses[-1], progress.step)
                for name, value in figures.items():
                    writer.add_scalar(name, value, progress.step)
            if progress.step % 10 == 0 or done:
                _report(progress, config, began, first, waited)
            if progress.step % config.validate_every == 0 or done:
                scores = task.validate(average.eval())
                print(f"step {progress.step}: " + " ".join(f"{k} {v:.4f}" for k, v in scores.items()), flush=True)
                if writer is not None:
                    for name, value in scores.items():
                        writer.add_scalar(f"validation/{name}", value, progress.step)
                if scores["score"] > progress.best:
                    progress.best = scores["score"]
                    save(run / "best.pt", network, average, optimizer, progress, about, scores)
            if progress.step % config.save_every == 0 or done:
                save(run / "last.pt", network, average, optimizer, progress, about, {})
        if world > 1 and progress.step % config.validate_every == 0:
            distributed.barrier()
    if writer is not None:
        writer.close()
    return progress


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 by itself; where it does not, a step takes six times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(there is True for name, there in torch.cpu.get_capabilities().items() if "bf16" in name)


def _join_processes(backend: str, rank: int, world: int) -> None:
    """Meets the other processes that torchrun started.

    After a restart the launcher's store still holds the addresses of the dead processes, and gloo would now and then
    wait for those; keys of each attempt are therefore kept apart.
    """
    store, rank, world = next(distributed.rendezvous("env://", rank, world))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    distributed.init_process_group(
        backend,
        store=distributed.PrefixStore(f"attempt {attempt}", store),
        rank=rank,
        world_size=world,
        timeout=PATIENCE,
    )


def _agree(step: int | None, run: Path, world: int) -> None:
    """Raises TrainingError, in every process, where processes go on from different steps (None: the file is missing):
    they would wait for one another without an end."""
    steps = [step] * world
    if world > 1:
        distributed.all_gather_object(steps, step)
    if len(set(steps)) > 1:
        raise TrainingError(
            f"{run}: processes 0 to {world - 1} would go on from steps {', '.join(map(str, steps))}: "
            "give a run folder that all nodes share"
        )


def _groups(network: nn.Module, config: LoopConfig) -> list[dict[str, Any]]:
    """Weight decay for weights; none for biases, norms, leaks and thresholds."""
    wide = [parameter for parameter in network.parameters() if parameter.requires_grad and parameter.ndim > 1]
    thin = [parameter for parameter in network.parameters() if parameter.requires_grad and parameter.ndim <= 1]
    return [{"params": wide, "weight_decay": config.weight_decay}, {"params": thin, "weight_decay": 0.0}]


def _update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """``average = decay * average + (1 - decay) * network``; quicker in the first steps, counters are copied."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), network.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def _mean_over_processes(loss: Tensor, world: int) -> float:
    if world > 1:
        distributed.all_reduce(loss)
        loss = loss / world
    return float(loss)


def _report(progress: Progress, config: LoopConfig, began: float, first: int, waited: float) -> None:
    spent = time.monotonic() - began
    left = spent / (progress.step - first) * (config.steps - progress.step)
    loss = float(np.mean(progress.losses[-10:]))
    print(
        f"step {progress.step}/{config.steps} loss {loss:.4f} rate {learning_rate(config, progress.step - 1):.2e} "
        f"waiting for data {waited / spent:.0%} left {left / 60:.1f} min",
        flush=True,
    )


def _writer(run: Path) -> Any:
    """TensorBoard's writer; None where tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("TensorBoard is not installed: no curves, the figures are printed", flush=True)
        return None
    return SummaryWriter(str(run))
