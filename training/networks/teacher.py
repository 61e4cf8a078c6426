"""A larger network for frames alone, from which a deployed one learns (knowledge distillation, Hinton et al., 2015).

The whole MobileNetV2 may start from ImageNet here, where the deployed frame branch has room for its first stages only.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.halsie import HalsieStream, SegmentationNetwork, StreamConfig, normalised, twice
from training.networks.layers import ConvNorm, InvertedResidual, Mixer, load_imagenet

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""MobileNetV2's stages: expansion, channels, blocks, stride of the first one (Sandler et al., 2018, table 2)."""
TAPPED = (24, 32, 96, 320)
"""Channels of the stages whose outputs are used, at strides 4, 8, 16 and 32."""


class Teacher(SegmentationNetwork):
    """MobileNetV2 and a feature pyramid with mixers at strides 32 and 16 (our choice).

    It takes the place of a `HalsieStream` in training and validation of stills; events and state are ignored.
    """

    size_multiple = 32

    def __init__(self, config: StreamConfig, width: int = 96) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [ConvNorm(3, 32, 3, 2, act="relu6")]
        channels, self._taps = 32, []
        for expand, outputs, blocks, stride in STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, outputs, 1 if block else stride, expand))
                channels = outputs
            if outputs in TAPPED:
                self._taps.append(len(layers) - 1)
        self.stages = nn.ModuleList(layers)
        self.lateral = nn.ModuleList(ConvNorm(inputs, width, act="none") for inputs in TAPPED)
        self.context = nn.ModuleList(
            nn.Sequential(*(Mixer(width, width // 2, (1, 2, 4)) for _ in range(2))) for _ in range(2)
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(ConvNorm(width, width, 3, groups=width), ConvNorm(width, width)) for _ in range(2)
        )
        self.drop = nn.Dropout2d(0.1)
        self.scores = nn.Conv2d(width, config.classes, 1)

    def load_imagenet(self, path: Path) -> None:
        """Starts from a MobileNetV2 checkpoint with torchvision's names."""
        load_imagenet(self.stages, path)

    def frame(self, image: Tensor) -> Tensor:
        """RGB in 0 … 1, ``(N, 3, H, W)``, to scores ``(N, classes, H/4, W/4)``."""
        x, tapped = normalised(image), []
        for place, layer in enumerate(self.stages):
            x = layer(x)
            if place in self._taps:
                tapped.append(x)
        quarter, eighth, sixteenth, deepest = (layer(one) for layer, one in zip(self.lateral, tapped))
        x = self.context[0](F.relu(deepest))
        x = self.context[1](F.relu(sixteenth + twice(x)))
        x = self.smooth[0](F.relu(eighth + twice(x)))
        x = self.smooth[1](F.relu(quarter + twice(x)))
        result: Tensor = self.scores(self.drop(x))
        return result

    def step(
        self,
        events: Tensor,
        dt_us: Tensor,
        frame_valid: Tensor,
        features: Tensor,
        state: tuple[Tensor | None, ...],
        steps: int = 1,
    ) -> tuple[Tensor, tuple[Tensor | None, ...], list[Tensor], None]:
        """What `frame` gave, as `HalsieStream.step` gives it."""
        return features, state, [], None

    def forward(
        self, frames: Tensor, events: Tensor, dt_us: Tensor, frame_valid: Tensor
    ) -> tuple[Tensor, None, list[Tensor], None]:
        """Frames ``(T, B, 3, H, W)`` to scores ``(T*B, classes, H/4, W/4)``, as `HalsieStream` gives them."""
        return self.frame(frames.flatten(0, 1)), None, [], None


class StreamTeacher(nn.Module):
    """A deployed network as a teacher: what it says of single frames without events. Another learns from it to see
    damaged frames as it sees undamaged ones (our choice)."""

    def __init__(self, network: HalsieStream) -> None:
        super().__init__()
        self.network = network

    def frame(self, image: Tensor) -> Tensor:
        """RGB in 0 … 1, ``(N, 3, H, W)``, to scores ``(N, classes, H/4, W/4)``."""
        events = image.new_zeros(len(image), 2 * self.network.config.bins, *image.shape[2:])
        times = image.new_full((len(image),), 50_000.0)
        return self.network.step(events, times, torch.ones_like(times), self.network.frame(image), (None,) * 4)[0]
