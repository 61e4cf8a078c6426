"""From class scores at a quarter of the size to a mask and its confidence at full size."""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit

_LOG2_E = 1.4426950408889634
_ROUNDS = 12582912.0 + 127
"""1.5 * 2**23 and the bias of exponents: a float32 added to it is rounded to an integer n, and the last bits of the sum
are those of n + 127, which moved to the exponent's place are ``2 ** n``."""


def mask_and_confidence(logits: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The most likely class of every pixel and its probability.

    The scores are enlarged (bilinear, pixel centres aligned, borders repeated), then comes the softmax: the mask is
    the largest score of each pixel, the confidence is within 1/255 of that score's probability.

    Args:
        logits: ``(C, h, w) float32``, each cell covering 4x4 pixels from the upper left corner.
        height: rows of the mask, at most ``4 * h``.
        width: columns of the mask, at most ``4 * w``.

    Returns:
        Class ids ``(height, width) uint8`` (of a tie the lower one) and probability times 255, rounded,
        ``(height, width) uint8``.
    """
    mask = np.empty((height, width), np.uint8)
    confidence = np.empty((height, width), np.uint8)
    _enlarge(np.ascontiguousarray(logits, np.float32), mask, confidence)
    return mask, confidence


# Sums must not be reordered: rounding by `_ROUNDS` lives by it.
@njit(fastmath={"nnan", "ninf", "nsz", "arcp", "contract"})
def _enlarge(logits, mask, confidence):
    """Fills mask and confidence, a row at a time in loops that the compiler turns into vector instructions.

    Columns 4g - 2 to 4g + 1 lie between the centres of cells g - 1 and g, at 1/8, 3/8, 5/8 and 7/8 of the way: for one
    of these four a whole row is the same sum of neighbours. Scores are kept as logarithms to the base 2.
    """
    classes, rows, columns = logits.shape
    height, width = mask.shape
    groups = columns + 1
    line = np.empty((classes, columns + 2), np.float32)
    values = np.empty((classes, groups), np.float32)
    best, total = np.empty(groups, np.float32), np.empty(groups, np.float32)
    winner = np.empty(groups, np.int32)
    power = np.empty(groups, np.float32)
    bits = power.view(np.int32)
    ids, shares = np.empty((groups, 4), np.uint8), np.empty((groups, 4), np.uint8)
    flat_ids, flat_shares = ids.reshape(-1), shares.reshape(-1)
    log2_e, rounds, lowest = np.float32(_LOG2_E), np.float32(_ROUNDS), np.float32(-126)
    one = np.float32(1)
    for y in range(height):
        upper = max(y - 2, 0) // 4
        lower = min((y + 2) // 4, rows - 1)
        part = np.float32((y + 2) % 4 * 0.25 + 0.125)
        for c in range(classes):
            for x in range(columns):
                above = logits[c, upper, x]
                line[c, x + 1] = (above + part * (logits[c, lower, x] - above)) * log2_e
            line[c, 0] = line[c, 1]
            line[c, columns + 1] = line[c, columns]
        for k in range(4):
            part = np.float32(k * 0.25 + 0.125)
            for x in range(groups):
                value = line[0, x] + part * (line[0, x + 1] - line[0, x])
                values[0, x], best[x], winner[x], total[x] = value, value, 0, 0
            for c in range(1, classes):
                for x in range(groups):
                    value = line[c, x] + part * (line[c, x + 1] - line[c, x])
                    values[c, x] = value
                    winner[x] = c if value > best[x] else winner[x]
                    best[x] = max(value, best[x])
            for c in range(classes):
                for x in range(groups):
                    # 2 ** (whole + rest), rest within half of 0: Taylor's first four terms, wrong by 0.0006 at most.
                    exponent = max(values[c, x] - best[x], lowest)
                    whole = exponent + rounds
                    rest = exponent - (whole - rounds)
                    power[x] = whole
                    bits[x] <<= np.int32(23)
                    series = np.float32(0.240227) + rest * np.float32(0.0555041)
                    total[x] += power[x] * (one + rest * (np.float32(0.6931472) + rest * series))
            for x in range(groups):
                ids[x, k] = np.uint8(winner[x])
                shares[x, k] = np.uint8(np.float32(255) / total[x] + np.float32(0.5))
        for x in range(width):
            mask[y, x] = flat_ids[x + 2]
            confidence[y, x] = flat_shares[x + 2]
