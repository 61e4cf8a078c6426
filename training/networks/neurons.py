"""Spiking neurons with explicit state, and their analogue stand-in for ablations.

Time comes first and is flattened into the batch: a tensor of T steps of B items has T * B rows, step by step, so that
convolutions run once over all steps and only the neuron itself walks through time.
"""

from __future__ import annotations

import math

import torch
from snntorch import surrogate
from torch import Tensor, nn


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons, one leak and one threshold per channel, reset by subtraction.

    ``u[t] = exp(-dt / tau) u[t-1] + i[t] - threshold * s[t-1]``, ``s[t] = u[t] > threshold``: the equation of
    ``snntorch.Leaky`` with ``beta = exp(-dt / tau)``, where the reset follows one step after the spike. The time
    constant is what is learned, so that one network runs at any step length. The gradient of a spike is
    snntorch's arctangent surrogate; no gradient flows through the reset, as in snntorch.

    Args:
        channels: number of channels C.
        tau_us: first time constants, spread over the channels from ``tau_us / 4`` to ``tau_us * 4`` (our choice:
            fast channels follow motion, slow ones remember).
        threshold: first threshold.
    """

    def __init__(self, channels: int, tau_us: float = 50_000.0, threshold: float = 1.0) -> None:
        super().__init__()
        spread = torch.logspace(-1, 1, channels, base=4.0) if channels > 1 else torch.ones(1)
        self.log_tau = nn.Parameter((tau_us * spread).log())
        self.threshold = nn.Parameter(torch.full((channels,), threshold))
        self._spike = surrogate.atan(alpha=2.0)

    def _fire(self, membrane: Tensor, threshold: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            result: Tensor = self._spike(membrane - threshold)
            return result
        return (membrane > threshold).to(membrane.dtype)  # the same spikes, one pass over the map less

    def leak(self, dt_us: Tensor) -> Tensor:
        """The share of the membrane that is left after ``dt_us (B,)``: ``(B, C, 1, 1)``."""
        return torch.exp(-dt_us.view(-1, 1, 1, 1) * torch.exp(-self.log_tau).view(1, -1, 1, 1))

    def forward(self, current: Tensor, membrane: Tensor | None, dt_us: Tensor, steps: int = 1) -> tuple[Tensor, Tensor]:
        """Runs ``steps`` steps.

        Args:
            current: input current, ``(T*B, C, H, W)``.
            membrane: state before the first step, ``(B, C, H, W)``, or None for a fresh one (zeros).
            dt_us: length of each step in microseconds, ``(T*B,)``.
            steps: T.

        Returns:
            Spikes ``(T*B, C, H, W)``, 0 or 1, and the membrane after the last step ``(B, C, H, W)``.
        """
        current = full_precision(current)
        threshold = self.threshold.view(1, -1, 1, 1)
        if membrane is None:
            membrane = torch.zeros_like(current[: current.shape[0] // steps])
        spikes = []
        for i, dt in zip(split(current, steps), split(dt_us, steps)):
            reset = (membrane > threshold).to(current.dtype)
            membrane = self.leak(dt) * membrane + i - reset * threshold
            spikes.append(self._fire(membrane, threshold))
        return join(spikes), membrane


class LeakyUnits(nn.Module):
    """The analogue stand-in for :class:`LIF` (ablation): same leak and state, a ReLU instead of spikes."""

    def __init__(self, channels: int, tau_us: float = 50_000.0) -> None:
        super().__init__()
        self.log_tau = nn.Parameter(torch.full((channels,), math.log(tau_us)))

    def forward(self, current: Tensor, membrane: Tensor | None, dt_us: Tensor, steps: int = 1) -> tuple[Tensor, Tensor]:
        """As :meth:`LIF.forward`, with activations in place of spikes; the new input weighs ``1 - leak``."""
        current = full_precision(current)
        if membrane is None:
            membrane = torch.zeros_like(current[: current.shape[0] // steps])
        outputs = []
        for i, dt in zip(split(current, steps), split(dt_us, steps)):
            leak = torch.exp(-dt.view(-1, 1, 1, 1) * torch.exp(-self.log_tau).view(1, -1, 1, 1))
            membrane = leak * membrane + (1 - leak) * i
            outputs.append(torch.relu(membrane))
        return join(outputs), membrane


def full_precision(x: Tensor) -> Tensor:
    """float32, also under autocast: a state that adds up over many steps must not be rounded in each."""
    return x if x.dtype == torch.float32 else x.float()


def split(rows: Tensor, steps: int) -> tuple[Tensor, ...]:
    """The T blocks of a tensor whose first axis is T * B; no operation at all where T is 1 (it keeps graphs small)."""
    return (rows,) if steps == 1 else rows.chunk(steps)


def join(blocks: list[Tensor]) -> Tensor:
    """The inverse of :func:`split`."""
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks)
