"""Sizes and switches of the action network."""

from __future__ import annotations

from dataclasses import dataclass

from training.core.command import TrainingError

MODALITIES = ("image", "motion", "residual")
PLACES = 4  # tokens per modality and GOP: 2 x 2 places of the picture


@dataclass(frozen=True)
class ActionConfig:
    """Sizes and switches of the network.

    Attributes:
        classes: number of classes.
        width: token width D.
        channels: channels of the P encoders' first layer; the second has twice as many.
        image_channels: channels of the I encoder's first stage; the last has twice as many.
        layers, heads: of the transformer.
        gops: K, tokens of so many GOPs go into the head.
        neuron: "stm", "lif" (fixed threshold) or "analogue" (no spikes): the ablation's switch.
        attention: "unified", or "separate" (each modality attends to itself only).
        mixer: False replaces the mixer by a mean over tokens.
        difference: the I encoder sees what changed since the I-frame before, too (our choice).
        camera: the head is told of each GOP how much of the picture moves with the camera, and how fast (our choice).
        dropout: within transformer and head.
    """

    classes: int
    width: int = 96
    channels: int = 24
    image_channels: int = 48
    layers: int = 2
    heads: int = 4
    gops: int = 8
    neuron: str = "stm"
    attention: str = "unified"
    mixer: bool = True
    difference: bool = False
    camera: bool = False
    dropout: float = 0.1

    @classmethod
    def size(cls, name: str, classes: int) -> ActionConfig:
        """ "small", the deployed size, or "base"."""
        if name == "small":
            return cls(classes)
        if name == "base":
            return cls(classes, width=256, channels=48, image_channels=96, layers=6, heads=8)
        raise TrainingError(f"size is {name!r}, choose small or base")
