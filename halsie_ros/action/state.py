"""What a stream leaves behind, what is said of it, and a clip's tokens: the action pipeline's values."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from halsie_ros.action.gops import Segmenter


@dataclass(frozen=True, eq=False)
class Tokens:
    """A segment as the head sees it.

    Attributes:
        end_ns: stamp of its last frame.
        image: ``(PLACES, D) float32``.
        motion_and_residual: ``(2 * PLACES, D) float32``.
        maps: its steps' motion maps, ``(10, 24, 32) float32`` each; none where the model has no use for them.
        camera: of its steps, ``(2,) float32`` each; see :mod:`halsie_ros.action.inputs`.
    """

    end_ns: int
    image: np.ndarray
    motion_and_residual: np.ndarray
    maps: tuple[np.ndarray, ...]
    camera: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True, eq=False)
class ActionState:
    """What one stream has left behind: a value, handed to the next step, which leaves it as it is.

    Attributes:
        segmenter: cuts the stream into segments; every step goes on with a copy.
        membranes: the P encoder's state by name; None at a segment's start.
        image: the running segment's I-frame, ``(3, 96, 128) uint8``; None before the first.
        image_tokens: of that I-frame; None where it cannot be used.
        finished: tokens of finished segments, oldest first, at most K.
        running: tokens of the running segment; None before its first step.
        last_ns: stamp of the last frame.
        scored_ns: stamp of the last scores; None before the first.
    """

    segmenter: Segmenter
    membranes: dict[str, np.ndarray] | None = None
    image: np.ndarray | None = None
    image_tokens: np.ndarray | None = None
    finished: tuple[Tokens, ...] = ()
    running: Tokens | None = None
    last_ns: int | None = None
    scored_ns: int | None = None


@dataclass(frozen=True, eq=False)
class ActionScores:
    """What is happening.

    Attributes:
        stamp_ns: of the frame that brought it.
        label: a class name, or "unknown".
        scores: a probability per class, "none" among them where the model has it, ``(C,) float32``; all 0 where nothing
            can be said.
        reason: why it is unknown; "" otherwise.
        spikes: share of the neurons that fired in the stream's last step, per spiking layer.
    """

    stamp_ns: int
    label: str
    scores: np.ndarray
    reason: str = ""
    spikes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Encoded:
    """An encoded clip, and what it took.

    Attributes:
        tokens: of each segment, oldest first.
        images: I-frames looked at.
        steps: steps of the P encoder.
        spikes: mean share of neurons firing per step, per spiking layer.
    """

    tokens: tuple[Tokens, ...]
    images: int
    steps: int
    spikes: dict[str, float]
