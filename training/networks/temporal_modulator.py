"""The Spiking Temporal Modulator of arXiv 2503.13724: leaky integrate-and-fire with a threshold that adapts.

How it adapts is our choice, as its docstring says. Time comes first and is flattened into the batch, as in
:mod:`training.networks.neurons`.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from snntorch import surrogate
from torch import Tensor, nn

from halsie_ros.action.inputs import STEP_US
from training.networks.fused_modulator import LEAST_THRESHOLD, FusedModulator
from training.networks.neurons import join, split


class SpikingTemporalModulator(nn.Module):
    """Leaky integrate-and-fire with a learnable leak and a threshold that rises with recent firing.

    ``u[t] = leak u[t-1] + dt/STEP i[t]``; ``s[t] = u[t] > theta[t]``; ``theta[t] = theta0 + rise a[t-1]``;
    ``a[t] = fade a[t-1] + (1 - fade) s[t]``; reset by subtraction, ``u[t] -= theta[t] s[t]``. leak = exp(-dt/tau) and
    fade = exp(-dt/tau_a) per channel. A GOP whose P-frames repeat each other raises its own thresholds and falls
    silent. The gradient of a spike is snntorch's arctangent surrogate; none flows through the reset.

    Args:
        channels: number of channels C.
        kind: "stm"; "lif": rise is fixed at 0; "analogue": a leaky average with ReLU, no spikes.
    """

    def __init__(self, channels: int, kind: str = "stm") -> None:
        super().__init__()
        spread = torch.logspace(-1, 1, channels, base=3.0)
        self.kind = kind
        self.log_tau = nn.Parameter((150_000.0 * spread).log())
        self.log_fade_tau = nn.Parameter((200_000.0 * torch.ones(channels)).log(), requires_grad=kind == "stm")
        self.threshold = nn.Parameter(torch.full((channels,), 1.0))
        self.rise = nn.Parameter(torch.full((channels,), 1.0 if kind == "stm" else 0.0), requires_grad=kind == "stm")
        self._surrogate = surrogate.atan(alpha=2.0)

    def forward(
        self, current: Tensor, state: tuple[Tensor, Tensor] | None, dt_us: Tensor, steps: int = 1
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Runs `steps` steps.

        Args:
            current: ``(T*N, C, H, W)``.
            state: membrane and recent firing, ``(N, C, H, W)`` each, or None.
            dt_us: ``(T*N,)``; a step of 0 µs leaves the state and fires nothing (padding).
            steps: T.

        Returns:
            Spikes ``(T*N, C, H, W)`` (activations where analogue) and the state after the last step.
        """
        if state is None:
            zero = torch.zeros_like(current[: current.shape[0] // steps])
            state = (zero, zero)
        if self.kind != "analogue" and self.training and _plain(current, dt_us, *state):
            return self._fused(current, state, dt_us, steps)
        membrane, firing = state
        shape = (1, -1, 1, 1)
        outputs = []
        for i, dt in zip(split(current, steps), split(dt_us, steps)):
            dt = dt.view(-1, 1, 1, 1)
            leak = torch.exp(-dt * torch.exp(-self.log_tau).view(shape))
            if self.kind == "analogue":
                membrane = leak * membrane + (1 - leak) * i
                outputs.append(torch.relu(membrane))
                continue
            membrane = leak * membrane + i * (dt / STEP_US)
            threshold = (self.threshold.view(shape) + self.rise.abs().view(shape) * firing).clamp_min(LEAST_THRESHOLD)
            over = membrane - threshold
            spike = (self._surrogate(over) if self.training else (over > 0).to(over.dtype)) * (dt > 0).to(over.dtype)
            membrane = membrane - (threshold * spike).detach()
            fade = torch.exp(-dt * torch.exp(-self.log_fade_tau).view(shape))
            firing = fade * firing + (1 - fade) * spike
            outputs.append(spike)
        return join(outputs), (membrane, firing)

    def _fused(
        self, current: Tensor, state: tuple[Tensor, Tensor], dt_us: Tensor, steps: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The same in one pass; see :mod:`training.networks.fused_modulator`."""
        rows, channels, *places = current.shape
        dt = dt_us.view(-1, 1)
        leak, fade = (torch.exp(-dt * torch.exp(-tau)) for tau in (self.log_tau, self.log_fade_tau))
        shape = (steps, rows // steps, channels)
        spikes, membrane, firing = cast(Any, FusedModulator).apply(
            current.reshape(*shape, -1).contiguous(),
            *(x.reshape(*shape[1:], -1).contiguous() for x in state),
            leak.view(shape),
            fade.view(shape),
            (dt_us / STEP_US).view(shape[:2]),
            self.threshold,
            self.rise.abs(),
        )
        after = (rows // steps, channels, *places)
        return spikes.view(current.shape), (membrane.view(after), firing.view(after))


def _plain(*tensors: Tensor) -> bool:
    """Whether these lie in the CPU's memory as float32."""
    return all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)
