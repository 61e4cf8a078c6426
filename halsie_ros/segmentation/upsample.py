"""From class scores at a quarter of the size to a mask and its confidence at full size."""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit


def mask_and_confidence(logits: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The most likely class of every pixel and its probability.

    The softmax is taken at the scores' own size and the probabilities are interpolated (bilinear, pixel centres
    aligned, borders repeated): sixteen times fewer exponentials than the other order.

    Args:
        logits: ``(C, h, w) float32``, each cell covering 4x4 pixels from the upper left corner.
        height: rows of the mask, at most ``4 * h``.
        width: columns of the mask, at most ``4 * w``.

    Returns:
        Class ids ``(height, width) uint8`` and probability times 255, rounded, ``(height, width) uint8``.
    """
    shares = np.exp(logits - logits.max(0))
    shares /= shares.sum(0)
    mask = np.empty((height, width), np.uint8)
    confidence = np.empty((height, width), np.uint8)
    _interpolate(np.ascontiguousarray(shares.transpose(1, 0, 2)), mask, confidence)
    return mask, confidence


@njit(fastmath=True)
def _interpolate(shares, mask, confidence):
    """Fills mask and confidence from ``shares (h, C, w)``; the winner of a tie is the lower id."""
    rows, classes, columns = shares.shape
    height, width = mask.shape
    line = np.empty((classes, columns), np.float32)
    best = np.empty(width, np.float32)
    for y in range(height):
        place = min(max((y + 0.5) * 0.25 - 0.5, 0.0), rows - 1.0)
        upper = int(place)
        lower = min(upper + 1, rows - 1)
        share = np.float32(place - upper)
        for c in range(classes):
            for x in range(columns):
                line[c, x] = shares[upper, c, x] + share * (shares[lower, c, x] - shares[upper, c, x])
        for c in range(classes):
            for x in range(width):
                place = min(max((x + 0.5) * 0.25 - 0.5, 0.0), columns - 1.0)
                left = int(place)
                right = min(left + 1, columns - 1)
                value = line[c, left] + np.float32(place - left) * (line[c, right] - line[c, left])
                if c == 0 or value > best[x]:
                    best[x] = value
                    mask[y, x] = c
        for x in range(width):
            confidence[y, x] = np.uint8(best[x] * np.float32(255.0) + np.float32(0.5))
