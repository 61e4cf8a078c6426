"""The Spiking Temporal Modulator's steps and their gradients in one pass each, for training on CPUs.

The same numbers as the steps written in torch (:mod:`training.networks.temporal_modulator`, tested), without a tensor
in memory for every operation of every step: a third of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from halsie_ros.kernels import njit

LEAST_THRESHOLD = 0.1


class FusedModulator(torch.autograd.Function):
    """T steps of adaptive leaky integrate-and-fire neurons.

    Inputs: current ``(T, N, C, P)``, membrane and recent firing before ``(N, C, P)``, leak and fade ``(T, N, C)``,
    drive ``(T, N)`` (what a current weighs), threshold and rise ``(C,)``; all float32 on the CPU, contiguous. A step
    whose drive is 0 fires nothing. Outputs: spikes ``(T, N, C, P)``, membrane and recent firing after ``(N, C, P)``.
    """

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, membrane: Tensor, firing: Tensor, leak: Tensor, fade: Tensor, drive: Tensor,
        threshold: Tensor, rise: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """See the class."""
        given = [x.detach().numpy() for x in (current, membrane, firing, leak, fade, drive, threshold, rise)]
        spikes, over, before = (np.empty_like(given[0]) for _ in range(3))
        recent = np.empty_like(given[0])
        after, fired = np.empty_like(given[1]), np.empty_like(given[2])
        all_of_it = [*given, spikes, over, before, recent, after, fired]
        _forward(*all_of_it)
        ctx.save_for_backward(leak, fade, drive, threshold, rise)
        ctx.kept = spikes, over, before, recent
        return torch.from_numpy(spikes), torch.from_numpy(after), torch.from_numpy(fired)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Gradients of current, membrane, firing, leak, fade, threshold and rise; none of drive."""
        spikes, over, before, recent = ctx.kept
        leak, fade, drive, threshold, rise = (x.detach().numpy() for x in ctx.saved_tensors)
        of_spikes, of_membrane, of_firing = (np.ascontiguousarray(g.detach().numpy()) for g in gradients)
        of_membrane, of_firing = of_membrane.copy(), of_firing.copy()
        of_current = np.empty_like(spikes)
        of_leak, of_fade = np.zeros_like(leak), np.zeros_like(fade)
        of_threshold, of_rise = np.zeros_like(threshold), np.zeros_like(rise)
        _backward(
            of_spikes, of_membrane, of_firing, spikes, over, before, recent, leak, fade, drive, threshold, rise,
            of_current, of_leak, of_fade, of_threshold, of_rise,
        )  # fmt: skip
        found = (of_current, of_membrane, of_firing, of_leak, of_fade, None, of_threshold, of_rise)
        return tuple(None if x is None else torch.from_numpy(x) for x in found)  # type: ignore[misc]


@njit(fastmath=True)
def _forward(current, membrane, firing, leak, fade, drive, threshold, rise, spikes, over, before, recent, after, fired):
    """See `FusedModulator`; keeps what lies over the threshold, and membrane and firing before each step."""
    steps, count, channels, places = current.shape
    for n in range(count):
        for c in range(channels):
            for p in range(places):
                after[n, c, p] = membrane[n, c, p]
                fired[n, c, p] = firing[n, c, p]
            for t in range(steps):
                keep, old, weight = leak[t, n, c], fade[t, n, c], drive[t, n]
                there = np.float32(1.0) if weight > 0 else np.float32(0.0)
                for p in range(places):
                    u, a = after[n, c, p], fired[n, c, p]
                    before[t, n, c, p] = u
                    recent[t, n, c, p] = a
                    bar = max(threshold[c] + rise[c] * a, np.float32(LEAST_THRESHOLD))
                    u = keep * u + current[t, n, c, p] * weight
                    s = there if u > bar else np.float32(0.0)
                    over[t, n, c, p] = u - bar
                    spikes[t, n, c, p] = s
                    after[n, c, p] = u - bar * s
                    fired[n, c, p] = old * a + (np.float32(1.0) - old) * s


@njit(fastmath=True)
def _backward(
    of_spikes, of_membrane, of_firing, spikes, over, before, recent, leak, fade, drive, threshold, rise,
    of_current, of_leak, of_fade, of_threshold, of_rise,
):  # fmt: skip
    """Gradients, last step first; the surrogate is snntorch's arctangent with alpha 2: ``1 / (1 + (pi x)^2)``."""
    steps, count, channels, places = spikes.shape
    one, squared = np.float32(1.0), np.float32(np.pi**2)
    for n in range(count):
        for c in range(channels):
            for t in range(steps - 1, -1, -1):
                keep, old, weight = leak[t, n, c], fade[t, n, c], drive[t, n]
                there = one if weight > 0 else np.float32(0.0)
                sum_leak = sum_fade = sum_bar = sum_rise = np.float32(0.0)
                for p in range(places):
                    x, a, s = over[t, n, c, p], recent[t, n, c, p], spikes[t, n, c, p]
                    of_a = of_firing[n, c, p]
                    of_x = (of_spikes[t, n, c, p] + (one - old) * of_a) * there / (one + squared * x * x)
                    of_u = of_membrane[n, c, p] + of_x
                    free = one if threshold[c] + rise[c] * a > np.float32(LEAST_THRESHOLD) else np.float32(0.0)
                    of_bar = -of_x * free
                    of_current[t, n, c, p] = of_u * weight
                    sum_leak += of_u * before[t, n, c, p]
                    sum_fade += of_a * (a - s)
                    sum_bar += of_bar
                    sum_rise += of_bar * a
                    of_membrane[n, c, p] = keep * of_u
                    of_firing[n, c, p] = old * of_a + of_bar * rise[c]
                of_leak[t, n, c] = sum_leak
                of_fade[t, n, c] = sum_fade
                of_threshold[c] += sum_bar
                of_rise[c] += sum_rise
