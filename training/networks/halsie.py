"""`HalsieStream`, the segmentation network that is deployed.

A spiking event branch and an analogue frame branch (HALSIE, arXiv 2211.10754): features are joined at several scales,
mixed by dilated convolutions and decoded to class scores at a quarter of the input's size. `unrolled` has the paper's
own shape.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.layers import ConvNorm, DeeperStages, MobileStages, mixing
from training.networks.neurons import LIF, LeakyUnits, full_precision, join, split

EVENT_LAYERS = ("quarter", "eighth", "sixteenth")
"""Names of the spiking layers, by their stride; graph inputs are `state_<name>`, outputs `next_<name>`."""
STATES = (*EVENT_LAYERS, "memory")


@dataclass(frozen=True)
class StreamConfig:
    """What a `HalsieStream` is made of.

    Attributes:
        classes: number of classes.
        bins: time bins of an event grid; it has two channels per bin.
        spiking: False replaces the spiking neurons by analogue leaky units (ablation).
        mixer: False replaces the dilated mixers by plain convolutions (ablation).
        event_channels: channels of the spiking layers at strides 4, 8 and 16.
        memory: channels of the memory at stride 8; as many fused channels are not remembered.
        deep: channels at strides 16 and 32.
        deeper: True lets the frame branch see by MobileNetV2's 64- and 96-channel stages as well, and takes fine edges
            from its 16-channel stage.
        unrolled: True is the paper's own shape in its place (ablation), see `unrolled`; of the above only classes and
            bins apply to it.
    """

    classes: int = 11
    bins: int = 5
    spiking: bool = True
    mixer: bool = True
    event_channels: tuple[int, int, int] = (16, 32, 64)
    memory: int = 32
    deep: tuple[int, int] = (96, 192)
    deeper: bool = False
    unrolled: bool = False


class EventBranch(nn.Module):
    """Three convolutions, each with neurons of its own: event counts in, spikes at strides 4, 8 and 16 out."""

    def __init__(self, inputs: int, channels: tuple[int, int, int], spiking: bool) -> None:
        super().__init__()
        quarter, eighth, sixteenth = channels
        self.currents = nn.ModuleList(
            (
                ConvNorm(inputs, quarter, 4, 4, act="clip", pad=0),
                ConvNorm(quarter, eighth, 3, 2, act="clip"),
                ConvNorm(eighth, sixteenth, 3, 2, act="clip"),
            )
        )
        self.neurons = nn.ModuleList(LIF(c) if spiking else LeakyUnits(c) for c in channels)

    def forward(
        self, events: Tensor | tuple[Tensor, ...], membranes: list[Tensor | None], dt_us: Tensor, steps: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """``(T*B, inputs, H, W)`` counts (or in parts, see `InParts`) to spikes per layer ``(T*B, C, H/s, W/s)`` and
        the last membranes."""
        spikes, after = [], []
        x = events
        for current, neurons, membrane in zip(self.currents, self.neurons, membranes):
            x, last = neurons(current(x), membrane, dt_us, steps)
            spikes.append(x)
            after.append(last)
        return spikes, after


class FrameBranch(nn.Module):
    """Two paths (our choice): what things are, seen at half resolution by MobileNetV2's first stages, which may start
    from ImageNet, and mixers behind them; and where things end, seen at full resolution by a stride-4 patch stem.
    Full-resolution MobileNetV2 stages would take twice the time of everything else together."""

    quarter_channels = 16

    def __init__(self, outputs: int, deep: tuple[int, int], mixer: bool, deeper: bool = False) -> None:
        super().__init__()
        self.things = MobileStages()
        eighth, sixteenth = self.things.channels
        self.edges = nn.Sequential(ConvNorm(3, 16, 8, 4, pad=2), ConvNorm(16, self.quarter_channels, 3))
        self.down = ConvNorm(self.quarter_channels, 32, 3, 2)
        self.wide = ConvNorm(sixteenth, deep[0])
        self.context = DeepMixers(deep, mixer, 2)
        self.narrow = ConvNorm(deep[0], 64)
        self.out = ConvNorm(32 + eighth + 64, outputs, act="none")
        self.deeper: DeeperStages | None = None
        self.fine: ConvNorm | None = None
        self.deepest: ConvNorm | None = None
        if deeper:
            self.deeper = DeeperStages()
            self.fine = ConvNorm(16, self.quarter_channels, act="none")
            self.deepest = ConvNorm(DeeperStages.channels, deep[1], act="none")
            for added in (self.fine, self.deepest):  # a network that is grown begins as what it was
                nn.init.zeros_(typing.cast(nn.BatchNorm2d, added.norm).weight)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, 3, H, W)`` to ``(N, 16, H/4, W/4)`` and ``(N, outputs, H/8, W/8)``."""
        quarter = self.edges(image)
        fine = self.things.fine(F.avg_pool2d(image, 2))
        eighth, sixteenth = self.things.after(fine)
        deepest = None
        if self.deeper is not None and self.fine is not None and self.deepest is not None:
            quarter = F.relu(quarter + self.fine(fine))
            deepest = self.deepest(self.deeper(sixteenth))
        deep = self.narrow(self.context(self.wide(sixteenth), deepest))
        return quarter, self.out(torch.cat((self.down(quarter), eighth, twice(deep)), 1))

    def load_imagenet(self, path: Path) -> None:
        """Starts from a MobileNetV2 checkpoint with torchvision's names."""
        self.things.load_imagenet(path)
        if self.deeper is not None:
            self.deeper.load_imagenet(path)


class DeepMixers(nn.Module):
    """Mixers at strides 16 and 32: stride 16 in, stride 16 out, with the context of a wide view."""

    def __init__(self, channels: tuple[int, int], mixer: bool, lower_mixers: int) -> None:
        super().__init__()
        upper, lower = channels
        self.upper = mixing(upper, (1, 2, 4), mixer)
        self.lower = nn.Sequential(
            ConvNorm(upper, lower, 2, 2, pad=0), *(mixing(lower, (1, 2, 4, 8), mixer) for _ in range(lower_mixers))
        )
        self.back = ConvNorm(lower, upper, act="none")

    def forward(self, x: Tensor, more: Tensor | None = None) -> Tensor:
        """``(N, C, H, W)`` to the same shape; H and W even. `more`, ``(N, lower, H/2, W/2)``, is added at stride 32."""
        x = self.upper(x)
        lower = self.lower[0](x)
        lower = self.lower[1:](lower if more is None else F.relu(lower + more))
        return F.relu(x + twice(self.back(lower)))


class Decoder(nn.Module):
    """Light decoder: stride 16 to 8 and 4, adding what each scale knows."""

    def __init__(self, deep: int, eighth: int, quarter: int, classes: int, width: int = 32) -> None:
        super().__init__()
        self.deep = ConvNorm(deep, width, act="none")
        self.eighth = ConvNorm(eighth, width, act="none")
        self.quarter = ConvNorm(quarter, width, act="none")
        self.smooth = ConvNorm(width, width, 3, groups=width)
        self.mix = ConvNorm(width, width)
        self.scores = nn.Conv2d(width, classes, 1)

    def forward(self, deep: Tensor, eighth: Tensor, quarter: Tensor) -> Tensor:
        """Features at strides 16, 8 and 4 to scores ``(N, classes, H/4, W/4)``."""
        x = F.relu(self.eighth(eighth) + twice(self.deep(deep)))
        x = F.relu(self.quarter(quarter) + twice(x))
        result: Tensor = self.scores(self.mix(self.smooth(x)))
        return result


class SegmentationNetwork(nn.Module):
    """What training and validation ask of a network, whichever it is.

    Attributes:
        config: what it is made of.
        size_multiple: of the sides of pictures that it takes.
    """

    config: StreamConfig
    size_multiple: int

    def frame(self, image: Tensor) -> Any:
        """RGB in 0 … 1, ``(N, 3, H, W)``, to the features that `step` takes."""
        raise NotImplementedError

    def step(
        self,
        events: Any,
        dt_us: Tensor,
        frame_valid: Tensor,
        features: Any,
        state: tuple[Tensor | None, ...],
        steps: int = 1,
    ) -> tuple[Tensor, tuple[Tensor | None, ...], list[Tensor], Tensor | None]:
        """See `HalsieStream.step`; there may be no displacement of a memory."""
        raise NotImplementedError


class HalsieStream(SegmentationNetwork):
    """One step per call: state goes in and comes out, so that masks keep coming between frames.

    A step takes the events of ``(t - dt, t]``, a frame or none, and the state: the membranes of three spiking layers
    and a memory of fused features at stride 8. The memory moves with the scene: a displacement field is read from the
    spikes and the old memory is sampled along it before frame and events update it through a gate (our choice; the
    paper stops at the spiking state, which forgets what stands still). A step without a frame therefore needs no
    stale frame features, only the memory.
    """

    size_multiple = 32

    def __init__(self, config: StreamConfig) -> None:
        super().__init__()
        self.config = config
        quarter, eighth, sixteenth = config.event_channels
        memory, deep = config.memory, config.deep
        self.frame_branch = FrameBranch(3 * memory, deep, config.mixer, config.deeper)
        self.event_branch = EventBranch(2 * config.bins, config.event_channels, config.spiking)
        move = nn.Conv2d(32, 2, 3, padding=1)
        self.flow = nn.Sequential(ConvNorm(quarter + eighth + sixteenth, 32, 3), move)
        self.update = nn.Conv2d(memory + eighth, 3 * memory, 1)
        self.down = ConvNorm(2 * memory, deep[0], 2, 2, act="none", pad=0)
        self.deep_events = ConvNorm(sixteenth, deep[0], act="none")
        self.context = DeepMixers(deep, config.mixer, 1)
        self.decoder = Decoder(deep[0], 2 * memory, FrameBranch.quarter_channels + quarter, config.classes)
        nn.init.zeros_(move.weight)
        nn.init.zeros_(typing.cast(Tensor, move.bias))

    def frame(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The frame graph: RGB in 0 … 1, ``(N, 3, H, W)``, to features at strides 4 and 8."""
        result: tuple[Tensor, Tensor] = self.frame_branch(normalised(image))
        return result

    def step(
        self,
        events: Tensor | tuple[Tensor, ...],
        dt_us: Tensor,
        frame_valid: Tensor,
        features: tuple[Tensor, Tensor],
        state: tuple[Tensor | None, ...],
        steps: int = 1,
    ) -> tuple[Tensor, tuple[Tensor, ...], list[Tensor], Tensor]:
        """The step graph, for T steps of B items.

        Args:
            events: counts per polarity and bin, ``(T*B, 2*bins, H, W)``; or in parts, see `InParts`.
            dt_us: length of each step, ``(T*B,)``.
            frame_valid: 1 where a frame came with the step, else 0 and its features are ignored, ``(T*B,)``.
            features: what :meth:`frame` gave, ``(T*B, 16, H/4, W/4)`` and ``(T*B, 3*memory, H/8, W/8)``.
            state: membranes and memory in the order of `STATES`, each ``(B, C, H/s, W/s)`` or None (fresh).
            steps: T.

        Returns:
            Scores ``(T*B, classes, H/4, W/4)``, the next state, the spikes per layer ``(T*B, C, H/s, W/s)``, and where
            each cell of the memory came from, ``(T*B, 2, H/8, W/8)``, see :func:`warp`.
        """
        spikes, membranes = self.event_branch(events, list(state[:3]), dt_us, steps)
        return self._fuse(spikes, membranes, frame_valid, features, state[3], steps)

    def _fuse(
        self,
        spikes: list[Tensor],
        membranes: list[Tensor],
        frame_valid: Tensor,
        features: tuple[Tensor, Tensor],
        memory: Tensor | None,
        steps: int,
    ) -> tuple[Tensor, tuple[Tensor, ...], list[Tensor], Tensor]:
        """What :meth:`step` does once the spikes are there."""
        valid = frame_valid.view(-1, 1, 1, 1)
        quarter, eighth, sixteenth = spikes
        seen = features[1] * valid
        flow = self.displacement(spikes)
        if memory is None:
            memory = torch.zeros_like(seen[: seen.shape[0] // steps, : self.config.memory])
        parts = []
        for frame, event, move in zip(split(seen, steps), split(eighth, steps), split(flow, steps)):
            moved = warp(memory, move)
            update = full_precision(frame + self.update(torch.cat((moved, event), 1)))
            gate, content, passing = update.chunk(3, 1)
            memory = moved + torch.sigmoid(gate) * (F.relu(content) - moved)
            parts.append(torch.cat((memory, F.relu(passing)), 1))
        fused = join(parts)
        deep = self.context(F.relu(self.down(fused) + self.deep_events(sixteenth)))
        scores = self.decoder(deep, fused, torch.cat((features[0] * valid, quarter), 1))
        return scores, (*membranes, memory), spikes, flow

    def displacement(self, spikes: list[Tensor]) -> Tensor:
        """Where each cell of the memory comes from, ``(N, 2, H/8, W/8)``, from the spikes of the three layers."""
        quarter, eighth, sixteenth = spikes
        rates = torch.cat((F.avg_pool2d(quarter, 4), F.avg_pool2d(eighth, 2), sixteenth), 1)
        return torch.tanh(twice(full_precision(self.flow(rates))))

    def forward(
        self,
        frames: Tensor,
        events: Tensor,
        dt_us: Tensor,
        frame_valid: Tensor,
        state: tuple[Tensor | None, ...] = (None,) * 4,
    ) -> tuple[Tensor, tuple[Tensor, ...], list[Tensor], Tensor]:
        """Clips, for training: frames ``(T, B, 3, H, W)``, events ``(T, B, 2*bins, H, W)``, the rest ``(T, B)``."""
        steps = events.shape[0]
        features = self._features(frames.flatten(0, 1), frame_valid.flatten())
        if steps == 1 and all(one is None for one in state) and not events.any() and (dt_us == dt_us[0, 0]).all():
            # pictures alone: what the event branch says of nothing is the same for all of them, and asked once
            spikes, membranes = self.event_branch(events[0, :1], [None] * 3, dt_us[0, :1], 1)
            spikes, membranes = (
                [one.expand(len(frames[0]), -1, -1, -1) for one in many] for many in (spikes, membranes)
            )
            return self._fuse(spikes, membranes, frame_valid.flatten(), features, None, 1)
        return self.step(events.flatten(0, 1), dt_us.flatten(), frame_valid.flatten(), features, state, steps)

    def _features(self, frames: Tensor, frame_valid: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the frames that came, zeros for the others, which neither cost time nor disturb the norms."""
        rows = frame_valid.nonzero().flatten()
        if len(rows) == len(frames):
            return self.frame(frames)
        if len(rows) == 0:
            rows = rows.new_zeros(1)  # every parameter takes part in every step, as DDP wants it
        quarter, eighth = self.frame(frames[rows])
        return (
            quarter.new_zeros(len(frames), *quarter.shape[1:]).index_copy(0, rows, quarter),
            eighth.new_zeros(len(frames), *eighth.shape[1:]).index_copy(0, rows, eighth),
        )


def normalised(image: Tensor) -> Tensor:
    """``(N, 3, H, W)`` brought to zero mean and unit spread by each picture's own statistics (of every 8th pixel).

    A dark or over-exposed frame meets the same features as a good one (our choice; ImageNet's constants would not do
    that).
    """
    sample = image[:, :, ::8, ::8]
    mean = sample.mean((1, 2, 3), keepdim=True)
    spread = ((sample - mean) ** 2).mean((1, 2, 3), keepdim=True).sqrt()
    return (image - mean) * (1.0 / (spread + 0.01))


def warp(features: Tensor, move: Tensor) -> Tensor:
    """Samples ``features (B, C, h, w)`` at each cell plus ``move (B, 2, h, w)``: x then y, in cells, -1 to 1.

    Linear interpolation along x, then along y, between a cell and its neighbours, the borders repeated: additions
    and products only, a fifth of the time of a general grid sampling.
    """
    for axis, step in ((3, move[:, :1]), (2, move[:, 1:])):
        size = features.shape[axis]
        first, last = features.narrow(axis, 0, 1), features.narrow(axis, size - 1, 1)
        before = torch.cat((first, features.narrow(axis, 0, size - 1)), axis)
        after = torch.cat((features.narrow(axis, 1, size - 1), last), axis)
        forward = (step.abs() + step) / 2
        features = features + forward * (after - features) + (forward - step) * (before - features)
    return features


def twice(x: Tensor) -> Tensor:
    """``(N, C, H, W)`` to ``(N, C, 2H, 2W)``, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
