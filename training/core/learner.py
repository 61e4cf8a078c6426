"""One optimizer step of a training: what a batch changes in the network and in the moving average of its weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from training.core.loop_config import LoopConfig
from training.core.processes import Processes

Batch = TypeVar("Batch", contravariant=True)
Net = TypeVar("Net", bound=nn.Module)
Loss = Callable[[nn.Module, Batch], tuple[Tensor, dict[str, float]]]
"""The mean loss of a batch, with which ``network(...)`` is called once, and figures to log."""


class Learner(Generic[Net]):
    """A network on its device, the exponential moving average (EMA) of its weights, and their optimizer.

    Attributes:
        network: what is trained.
        ema: its average, which is validated and exported.
        optimizer: AdamW.
    """

    def __init__(self, network: Net, config: LoopConfig, device: torch.device, processes: Processes) -> None:
        """Moves the network there; batch norms are synchronised among processes on GPUs."""
        network = network.to(device)
        if processes.world > 1 and device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        self._config, self._device, self._processes = config, device, processes
        self._mixed = config.mixed_precision and fast_bfloat16(device)
        self._parallel: nn.Module | None = None
        self.network = network
        self.ema: Net = copy.deepcopy(network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(parameter_groups(network, config.weight_decay), lr=config.learning_rate)
        if config.mixed_precision and not self._mixed and processes.rank == 0:
            print("loop.mixed_precision: this processor has no fast bfloat16, training in float32", flush=True)

    def step(self, loss: Loss[Batch], batch: Batch, number: int) -> tuple[Tensor, dict[str, float]]:
        """Learns from one batch, which lies on the device; all random numbers of the network follow from ``number``.

        Returns:
            The loss, a scalar without gradient, and the figures of ``loss``.
        """
        if self._parallel is None:
            shared = self._processes.world > 1
            self._parallel = nn.parallel.DistributedDataParallel(self.network) if shared else self.network
        torch.manual_seed(self._config.seed * 1_000_003 + number)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self._config, number)
        self.network.train()
        with torch.autocast(self._device.type, torch.bfloat16) if self._mixed else nullcontext():
            value, figures = loss(self._parallel, batch)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self._config.clip_norm)
        self.optimizer.step()
        update_ema(self.ema, self.network, self._config.ema_decay, number)
        return value.detach(), figures


def learning_rate(config: LoopConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 by itself; where it does not, a step takes six times as long."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return any(there is True for name, there in torch.cpu.get_capabilities().items() if "bf16" in name)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for weights; none for biases, norms, leaks and thresholds."""
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [one for one in learned if one.ndim > 1], "weight_decay": weight_decay},
        {"params": [one for one in learned if one.ndim <= 1], "weight_decay": 0.0},
    ]


def update_ema(ema: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """``ema = decay * ema + (1 - decay) * network``; quicker in the first steps, counters are copied."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mine, theirs in zip(ema.state_dict().values(), network.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)
