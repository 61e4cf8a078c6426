"""Building blocks of the segmentation networks: convolution with norm, MobileNetV2's first stages, the mixer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.core.command import TrainingError

N = TypeVar("N", bound=nn.Module)
_Pair = tuple[int, int]


class ConvNorm(nn.Module):
    """Convolution, batch norm and an activation; ``fuse()`` folds the norm into the convolution for deployment.

    Args:
        inputs, outputs: channels.
        kernel, stride, dilation, groups: of the convolution; padded to keep ``size / stride``.
        act: "relu", "relu6", "none", or "clip" (to -4 … 4, for currents: a hot pixel cannot drive a membrane away).
        pad: padding, by default ``dilation * (kernel // 2)``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        act: str = "relu",
        pad: int | None = None,
    ) -> None:
        super().__init__()
        pad = dilation * (kernel // 2) if pad is None else pad
        self.conv: nn.Module = nn.Conv2d(inputs, outputs, kernel, stride, pad, dilation, groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        x = self.norm(self.conv(x))
        if self.act == "relu":
            return F.relu(x)
        if self.act == "relu6":
            return F.relu6(x)
        if self.act == "clip":
            return torch.clamp(x, -4.0, 4.0)
        return x

    def fuse(self) -> None:
        """Folds the norm, as it is in evaluation, into the convolution's weight and bias."""
        if isinstance(self.norm, nn.BatchNorm2d) and isinstance(self.conv, nn.Conv2d):
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


class InParts(nn.Module):
    """A convolution that takes its input channels in consecutive parts, each a tensor of its own; the same sums.

    onnxruntime convolves inputs of less than eight channels directly on any CPU, of more only with AVX-512, else by
    way of a copy per filter position at two and a half times the time.
    """

    def __init__(self, whole: nn.Conv2d, parts: tuple[int, ...]) -> None:
        super().__init__()
        self._channels = parts
        kernel, stride = cast(_Pair, whole.kernel_size), cast(_Pair, whole.stride)
        padding = cast(_Pair, whole.padding)
        made = [
            nn.Conv2d(channels, whole.out_channels, kernel, stride, padding, bias=index == 0)
            for index, channels in enumerate(parts)
        ]
        for part, weight in zip(made, whole.weight.split(parts, 1)):
            part.weight.data.copy_(weight)
        cast(Tensor, made[0].bias).data.copy_(cast(Tensor, whole.bias))
        self.parts = nn.ModuleList(made)

    def forward(self, x: Tensor | tuple[Tensor, ...]) -> Tensor:
        """Parts ``(N, C_k, H, W)``, or all in one, to ``(N, outputs, H', W')``."""
        inputs = x.split(self._channels, 1) if isinstance(x, Tensor) else x
        first, *rest = (convolution(part) for convolution, part in zip(self.parts, inputs))
        for one in rest:
            first = first + one
        result: Tensor = first
        return result


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen by 1x1, filter by 3x3 per channel, narrow by 1x1 without activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.skip = stride == 1 and inputs == outputs
        widen = [ConvNorm(inputs, hidden, act="relu6")] if expand > 1 else []
        self.layers = nn.Sequential(
            *widen,
            ConvNorm(hidden, hidden, 3, stride, groups=hidden, act="relu6"),
            ConvNorm(hidden, outputs, act="none"),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        result: Tensor = x + self.layers(x) if self.skip else self.layers(x)
        return result


class MobileStages(nn.Module):
    """MobileNetV2 up to its 32-channel stage (Sandler et al., 2018): strides 4 and 8."""

    channels = (24, 32)

    def __init__(self) -> None:
        super().__init__()
        self.quarter = nn.Sequential(
            ConvNorm(3, 32, 3, 2, act="relu6"),
            InvertedResidual(32, 16, 1, 1),
            InvertedResidual(16, 24, 2, 6),
            InvertedResidual(24, 24, 1, 6),
        )
        self.eighth = nn.Sequential(
            InvertedResidual(24, 32, 2, 6), InvertedResidual(32, 32, 1, 6), InvertedResidual(32, 32, 1, 6)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, 3, H, W)`` to ``(N, 24, H/4, W/4)`` and ``(N, 32, H/8, W/8)``."""
        return self.after(self.fine(image))

    def fine(self, image: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, 16, H/2, W/2)``."""
        result: Tensor = self.quarter[:2](image)
        return result

    def after(self, fine: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, from what `fine` gave."""
        quarter = self.quarter[2:](fine)
        return quarter, self.eighth(quarter)

    def load_imagenet(self, path: Path) -> None:
        """Starts from a MobileNetV2 checkpoint with torchvision's names."""
        load_imagenet(self, path)


class DeeperStages(nn.Module):
    """MobileNetV2's 64- and 96-channel stages, which go on from `MobileStages`: stride 16."""

    channels = 96

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            InvertedResidual(32, 64, 2, 6),
            *(InvertedResidual(64, 64, 1, 6) for _ in range(3)),
            InvertedResidual(64, 96, 1, 6),
            *(InvertedResidual(96, 96, 1, 6) for _ in range(2)),
        )

    def forward(self, eighth: Tensor) -> Tensor:
        """``(N, 32, H/8, W/8)`` to ``(N, 96, H/16, W/16)``."""
        result: Tensor = self.layers(eighth)
        return result

    def load_imagenet(self, path: Path) -> None:
        """Starts from a MobileNetV2 checkpoint with torchvision's names."""
        load_imagenet(self.layers, path, after=len(MobileStages().state_dict()))


def load_imagenet(stages: nn.Module, path: Path, after: int = 0) -> None:
    """Copies stages from a MobileNetV2 checkpoint with torchvision's names (any float type).

    Both lists name the same layers in the same order, so that tensors pair by position, those of the checkpoint from
    tensor `after` on.

    Raises:
        TrainingError: a tensor's shape differs.
    """
    source = torch.load(path, map_location="cpu", weights_only=True)
    ours = stages.state_dict()
    names = [name for name in source if name.startswith("features.")][after : after + len(ours)]
    for mine, theirs in zip(ours, names):
        if ours[mine].shape != source[theirs].shape:
            raise TrainingError(
                f"{path}: {theirs} has shape {tuple(source[theirs].shape)}, {mine} needs "
                f"{tuple(ours[mine].shape)}: give torchvision's MobileNetV2 weights"
            )
    stages.load_state_dict({mine: source[theirs].to(ours[mine].dtype) for mine, theirs in zip(ours, names)})


class Mixer(nn.Module):
    """Multi-scale mixing: dilated 3x3 convolutions side by side, and the mean of the whole map, added to the input."""

    def __init__(self, channels: int, inner: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        branch = channels // len(dilations)
        self.reduce = ConvNorm(channels, inner)
        self.branches = nn.ModuleList(ConvNorm(inner, branch, 3, dilation=d) for d in dilations)
        self.context = nn.Conv2d(inner, channels, 1)
        self.merge = ConvNorm(branch * len(dilations), channels, act="none")

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        y = self.reduce(x)
        context = self.context(y.mean((2, 3), keepdim=True))
        return F.relu(x + self.merge(torch.cat([branch(y) for branch in self.branches], 1)) + context)


class PlainBlock(nn.Module):
    """What stands in for a mixer in the ablation: one 3x3 convolution of the same cost, no dilation, no mean."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvNorm(channels, inner), ConvNorm(inner, channels, 3), ConvNorm(channels, channels, act="none")
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        return F.relu(x + self.layers(x))


def mixing(channels: int, dilations: tuple[int, ...], mixer: bool) -> nn.Module:
    """A mixer, or where ``mixer`` is False the plain block in its place."""
    return Mixer(channels, channels // 3, dilations) if mixer else PlainBlock(channels, channels // 3)


def channels_last(network: N) -> N:
    """The network with its weights in the order in which CPUs and GPUs convolve fastest."""
    return cast(N, cast(Any, network).to(memory_format=torch.channels_last))  # torch's hints lack the argument


def fuse_norms(network: nn.Module) -> None:
    """Folds every norm of the network into its convolution, in place; the network must be in evaluation."""
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fuse()
