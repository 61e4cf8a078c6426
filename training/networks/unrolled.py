"""`Halsie`, the paper's shape: one window unrolled over its event bins, for comparison with `HalsieStream`.

`Windows` runs it on clips, so that recipes train it as they train the other (``network: {unrolled: true}``). It is not
exported: it has no state to hand on, and nothing to say of a step that saw neither frame nor events.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.halsie import HalsieStream, SegmentationNetwork, StreamConfig, normalised, twice
from training.networks.layers import ConvNorm, mixing
from training.networks.neurons import LIF


@dataclass(frozen=True)
class HalsieConfig:
    """What a `Halsie` is made of.

    Attributes:
        classes: number of classes.
        bins: event bins, each one time step of the spiking encoder.
        bin_us: length of a bin.
        frame_channels: 1 for grey frames, 3 for RGB.
        channels: of both encoders at strides 2, 4, 8 and 16.
    """

    classes: int = 11
    bins: int = 10
    bin_us: float = 5_000.0
    frame_channels: int = 1
    channels: tuple[int, int, int, int] = (24, 48, 96, 128)


class Halsie(nn.Module):
    """The paper's shape, for comparison: a spiking encoder unrolled over the bins of one window, an analogue encoder
    for the frame, their features concatenated at every scale, a mixer of dilated convolutions, a decoder. Fresh state
    for every window, one mask per window; spikes are averaged over the bins before they meet the frame's features."""

    size_multiple = 16

    def __init__(self, config: HalsieConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.channels
        pairs = list(zip((0, *sizes), sizes))
        self.currents = nn.ModuleList(ConvNorm(i or 2, o, 3, 2, act="clip") for i, o in pairs)
        self.neurons = nn.ModuleList(LIF(o, tau_us=config.bins * config.bin_us) for o in sizes)
        self.frames = nn.ModuleList(
            nn.Sequential(ConvNorm(i or config.frame_channels, o, 3, 2), ConvNorm(o, o, 3)) for i, o in pairs
        )
        self.mixer = nn.Sequential(ConvNorm(2 * sizes[3], sizes[3]), mixing(sizes[3], (1, 2, 4, 8), True))
        self.decoders = nn.ModuleList(
            ConvNorm(deep + 2 * skip, skip, 3) for deep, skip in zip(sizes[:0:-1], sizes[-2::-1])
        )
        self.scores = nn.Conv2d(sizes[0], config.classes, 1)

    def forward(self, events: Tensor, frame: Tensor) -> Tensor:
        """Events ``(B, bins, 2, H, W)``, off then on, and frame ``(B, C, H, W)`` to scores ``(B, classes, H, W)``."""
        items, bins = events.shape[:2]
        spikes = events.transpose(0, 1).flatten(0, 1)
        dt_us = torch.full((items * bins,), self.config.bin_us, device=events.device)
        scales = []
        for current, neurons, layer in zip(self.currents, self.neurons, self.frames):
            spikes, _ = neurons(current(spikes), None, dt_us, bins)
            frame = layer(frame)
            scales.append(torch.cat((frame, spikes.view(bins, items, *spikes.shape[1:]).mean(0)), 1))
        x = self.mixer(scales[-1])
        for decoder, skip in zip(self.decoders, scales[-2::-1]):
            x = decoder(torch.cat((twice(x), skip), 1))
        return twice(self.scores(x))


class Windows(SegmentationNetwork):
    """`Halsie` with the interface of `HalsieStream`: every step is a window of its own, whatever came before.

    Scores are averaged over cells of 4x4, as the stream gives them; there is no state, no displacement, and no layer of
    spikes to be counted. ``dt_us`` is ignored: bins have one length, those after a short step's end are empty.
    """

    size_multiple = Halsie.size_multiple

    def __init__(self, config: StreamConfig, bin_us: float) -> None:
        super().__init__()
        self.config = config
        self.network = Halsie(HalsieConfig(config.classes, config.bins, bin_us, frame_channels=3))

    def frame(self, image: Tensor) -> tuple[Tensor]:
        """RGB in 0 … 1, ``(N, 3, H, W)``, brought to zero mean and unit spread."""
        return (normalised(image),)

    def step(
        self,
        events: Tensor,
        dt_us: Tensor,
        frame_valid: Tensor,
        features: tuple[Tensor, ...],
        state: tuple[Tensor | None, ...],
        steps: int = 1,
    ) -> tuple[Tensor, tuple[Tensor | None, ...], list[Tensor], Tensor]:
        """See `HalsieStream.step`; the state is passed on as it is."""
        windows = events.unflatten(1, (self.config.bins, 2))
        scores = F.avg_pool2d(self.network(windows, features[0] * frame_valid.view(-1, 1, 1, 1)), 4)
        return scores, state, [], events.new_zeros(len(events), 2, events.shape[2] // 8, events.shape[3] // 8)

    def forward(
        self,
        frames: Tensor,
        events: Tensor,
        dt_us: Tensor,
        frame_valid: Tensor,
        state: tuple[Tensor | None, ...] = (None,) * 4,
    ) -> tuple[Tensor, tuple[Tensor | None, ...], list[Tensor], Tensor]:
        """Clips, time first, see `HalsieStream.forward`."""
        features = self.frame(frames.flatten(0, 1))
        return self.step(events.flatten(0, 1), dt_us.flatten(), frame_valid.flatten(), features, state, events.shape[0])


def network_for(config: StreamConfig, bin_us: float) -> HalsieStream | Windows:
    """The network that a recipe asks for, not trained; ``bin_us`` is the length of its event bins."""
    return Windows(config, bin_us) if config.unrolled else HalsieStream(config)
