"""Whether a scene is like those that a model was trained on, from how sure it is of its masks."""

from __future__ import annotations

import numpy as np

SURE = 128
"""Confidence, of 255, from which a pixel counts as known: half."""
UNKNOWN_BELOW = 0.3
"""Share of known pixels below which masks say little (our choice: streets left out of training lie far above)."""
_MEMORY = 15
"""Masks over which the share is averaged, roughly."""


def scene_known(confidence: np.ndarray) -> float:
    """Share of pixels of a confidence image, uint8, whose winning class has at least half of the probability."""
    return float(np.count_nonzero(confidence >= SURE)) / max(confidence.size, 1)


def only_sure(mask: np.ndarray, confidence: np.ndarray, least: float) -> np.ndarray:
    """The mask with 255 where the confidence lies below `least` (0 to 1); the mask itself where `least` is 0."""
    if least <= 0:
        return mask
    return np.where(confidence >= least * 255, mask, np.uint8(255))


class SceneWatch:
    """Follows the share of known pixels from mask to mask.

    Attributes:
        known: running mean of `scene_known`, 0 to 1; None before the first mask.
    """

    def __init__(self) -> None:
        self.known: float | None = None
        self._masks = 0
        self._told = False

    def see(self, confidence: np.ndarray) -> bool:
        """Takes in the confidence of a mask; True once each time that the scene becomes an unknown one."""
        now = scene_known(confidence)
        self._masks += 1
        self.known = now if self.known is None else self.known + (now - self.known) / min(self._masks, _MEMORY)
        unknown = self.known < UNKNOWN_BELOW
        news = unknown and not self._told
        self._told = unknown
        return news


def warning(model: str, known: float) -> str:
    """What people are told of an unknown scene, in one line."""
    return f"scene_known is {known:.2f}: the scene is unlike those that {model} was trained on, its masks say little"
