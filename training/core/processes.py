"""The processes that share each batch of a training, as `torchrun` starts them; one process alone is a group of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as distributed
from torch import Tensor

from training.core.command import TrainingError

PATIENCE = timedelta(hours=6)
"""How long processes wait for one another, e.g. while the first one validates; NCCL would give up in 10 minutes."""


@dataclass(frozen=True)
class Processes:
    """The group, and this process's place in it.

    Attributes:
        rank: of this process, 0 for the first one, which validates, prints and writes.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def of_environment(cls) -> Processes:
        """As `torchrun`'s variables RANK and WORLD_SIZE say; alone without them."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))

    def share(self, batch: int) -> int:
        """How many of a batch's items are this process's.

        Raises:
            TrainingError: they do not divide among the processes.
        """
        if batch % self.world:
            raise TrainingError(f"loop.batch is {batch}, for {self.world} processes: give a multiple of {self.world}")
        return batch // self.world

    def join(self, backend: str) -> None:
        """Meets the others by torch's ``backend``, once.

        After a restart the launcher's store still holds the addresses of the dead processes, and gloo would now and
        then wait for those; keys of each attempt are therefore kept apart.
        """
        if self.world == 1 or distributed.is_initialized():
            return
        store, rank, world = next(distributed.rendezvous("env://", self.rank, self.world))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        distributed.init_process_group(
            backend,
            store=distributed.PrefixStore(f"attempt {attempt}", store),
            rank=rank,
            world_size=world,
            timeout=PATIENCE,
        )

    def agree(self, step: int | None, run: Path) -> None:
        """Makes sure that all go on from the same step of ``run``; None: the file to resume from is missing.

        Raises:
            TrainingError: in every process, where they do not: they would wait for one another without an end.
        """
        steps = [step] * self.world
        if self.world > 1:
            distributed.all_gather_object(steps, step)
        if len(set(steps)) > 1:
            raise TrainingError(
                f"{run}: processes 0 to {self.world - 1} would go on from steps {', '.join(map(str, steps))}: "
                "give a run folder that all nodes share"
            )

    def mean(self, value: Tensor) -> float:
        """The mean of a scalar over all processes; ``value`` is changed."""
        if self.world > 1:
            distributed.all_reduce(value)
            value = value / self.world
        return float(value)

    def wait(self) -> None:
        """Waits for the others."""
        if self.world > 1:
            distributed.barrier()


def choose_device() -> torch.device:
    """This process's GPU where there is one, else the CPU; the GPU becomes torch's current one, as NCCL needs it."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device
