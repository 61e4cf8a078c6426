"""The dual encoder of compressed video: an analogue network for I-frames, a spiking one for what P-frames carry.

After arXiv 2503.13724; sizes and layers are our choice. All state is explicit: None is a fresh one (zeros).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.action_config import ActionConfig
from training.networks.neurons import split
from training.networks.temporal_modulator import SpikingTemporalModulator


class PEncoder(nn.Module):
    """Spiking encoder of one P-frame modality: two strided convolutions, an STM after each, and a leaky readout.

    The readout adds up the last layer's spikes with a time constant per channel (learnable); it does not spike. State:
    two STMs' (membrane, firing) and the readout, five tensors.

    Args:
        inputs: input channels.
        stride: of the first convolution, so that it ends at 12 x 16.
        config: sizes.
    """

    def __init__(self, inputs: int, stride: int, config: ActionConfig) -> None:
        super().__init__()
        wide = config.channels * 2
        self.conv1 = nn.Conv2d(inputs, config.channels, stride + 2, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(config.channels)
        self.stm1 = SpikingTemporalModulator(config.channels, config.neuron)
        self.conv2 = nn.Conv2d(config.channels, wide, 3, 2, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.stm2 = SpikingTemporalModulator(wide, config.neuron)
        self.log_tau = nn.Parameter((300_000.0 * torch.logspace(-1, 1, wide, base=6.0)).log())
        self.tokens = nn.Conv2d(wide, config.width, (3, 4), (3, 4))

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...] | None, dt_us: Tensor, steps: int = 1
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, Tensor]]:
        """``x (T*N, inputs, H, W)`` to the state after T steps and each layer's spikes summed per step, ``(T*N,)``."""
        s1, s2, readout = (None, None, None) if state is None else (state[:2], state[2:4], state[4])
        spikes1, s1 = self.stm1(self.norm1(self.conv1(x)), s1, dt_us, steps)
        spikes2, s2 = self.stm2(self.norm2(self.conv2(spikes1)), s2, dt_us, steps)
        for spike, dt in zip(split(spikes2, steps), split(dt_us, steps)):
            keep = torch.exp(-dt.view(-1, 1, 1, 1) * torch.exp(-self.log_tau).view(1, -1, 1, 1))
            readout = spike if readout is None else keep * readout + spike
        assert readout is not None and s1 is not None and s2 is not None
        return (*s1, *s2, readout), (spikes1.sum((1, 2, 3)), spikes2.sum((1, 2, 3)))

    def read(self, readout: Tensor) -> Tensor:
        """``(N, 2C, 6, 8)`` to tokens ``(N, PLACES, D)``."""
        result: Tensor = self.tokens(readout * 0.5).flatten(2).transpose(1, 2)
        return result


class Separable(nn.Module):
    """3x3 per channel, then 1x1, norm and ReLU each; added to its input where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        y = self.body(x)
        return F.relu(x + y if self.same else y)


class IEncoder(nn.Module):
    """Analogue encoder of the I-frame: patches of 8 x 8, separable convolutions, 2 x 2 places.

    With `difference` it sees the I-frame less the one before it, too: there a still background vanishes.
    """

    def __init__(self, config: ActionConfig) -> None:
        super().__init__()
        width, self.difference = config.image_channels, config.difference
        self.stem = nn.Sequential(
            nn.Conv2d(6 if config.difference else 3, width, 8, 8, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stages = nn.Sequential(Separable(width, width), Separable(width, width), Separable(width, width * 2, 2))
        self.tokens = nn.Conv2d(width * 2, config.width, (3, 4), (3, 4))

    def forward(self, image: Tensor, before: Tensor | None = None) -> Tensor:
        """``(N, 3, 96, 128)`` RGB 0..1 and, with `difference`, the I-frame before to tokens ``(N, PLACES, D)``.

        Brightness and contrast are normalised per picture. Where no I-frame came before, `before` is the same one.
        """
        centred = image - image.mean((1, 2, 3), keepdim=True)
        spread = (centred.square().mean((1, 2, 3), keepdim=True) + 1e-3).sqrt()
        seen = centred / spread
        if before is not None and self.difference:
            seen = torch.cat([seen, (image - before) * (2 / spread)], 1)
        result: Tensor = self.tokens(self.stages(self.stem(seen))).flatten(2).transpose(1, 2)
        return result
