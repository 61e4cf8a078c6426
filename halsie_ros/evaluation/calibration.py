"""Whether confidence means what it says: of the pixels with confidence 0.8, eight of ten should be right."""

from __future__ import annotations

import numpy as np

BINS = 15
_LEVELS = 256


class Reliability:
    """Counts of right and all pixels by confidence, over any number of masks."""

    def __init__(self) -> None:
        self._all = np.zeros(_LEVELS, np.int64)
        self._right = np.zeros(_LEVELS, np.int64)

    def add(self, confidence: np.ndarray, right: np.ndarray) -> None:
        """Takes in labelled pixels.

        Args:
            confidence: uint8, the winning class's probability times 255.
            right: bool, of the same shape.
        """
        self._all += np.bincount(confidence.ravel(), minlength=_LEVELS)
        self._right += np.bincount(confidence[right].ravel(), minlength=_LEVELS)

    def expected_error(self) -> float | None:
        """Expected calibration error (Naeini et al., 2015): the mean over pixels of the distance between confidence
        and share of right ones in 15 bins of equal width; None without any pixel."""
        total = self._all.sum()
        if not total:
            return None
        levels = np.arange(_LEVELS) / 255
        bins = np.minimum((levels * BINS).astype(int), BINS - 1)
        said = np.bincount(bins, self._all * levels, BINS)
        right = np.bincount(bins, self._right, BINS)
        return float(np.abs(said - right).sum() / total)

    def sure_share(self) -> float | None:
        """Share of pixels with a confidence of at least one half; None without any pixel."""
        total = self._all.sum()
        return float(self._all[_LEVELS // 2 :].sum() / total) if total else None
