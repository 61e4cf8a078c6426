"""Syntax elements of arithmetic-coded H.264 macroblocks (ITU-T H.264, 9.3.2, 9.3.3.1); see `h264_macroblocks`."""

# numba tells apart what numpy's type hints do not
# mypy: disable-error-code="assignment,arg-type"

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.codecs.cabac import bypass, decide, decision, flip, terminate
from halsie_ros.video.codecs.h264.tables import LAST_8X8, SIGNIFICANT_8X8

PREDICTED, BIPREDICTED, INTRA = 0, 1, 2  # kinds of slices
# Per kind of block (luma DC, luma AC, luma, chroma DC, chroma AC, luma 8 x 8): contexts and number of coefficients.
_SIGNIFICANT_AT = np.array([105, 120, 134, 149, 152, 402], np.int64)
_LAST_AT = np.array([166, 181, 195, 210, 213, 417], np.int64)
_LEVEL_AT = np.array([227, 237, 247, 257, 266, 426], np.int64)
_COUNT = np.array([16, 15, 16, 4, 15, 64], np.int64)


@njit()
def intra_type(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, at: int, step: int) -> int:
    """I macroblock types after their first bin: 25 for PCM, else the type of a 16 x 16 prediction, 1 to 24."""
    if terminate(engine, data):
        return 25
    kind = 1 + 12 * decision(engine, data, contexts, at)
    if decision(engine, data, contexts, at + 1):
        kind += 4 + 4 * decision(engine, data, contexts, at + 1 + step)
    kind += 2 * decision(engine, data, contexts, at + 2 + step)
    return kind + decision(engine, data, contexts, at + 2 + 2 * step)


@njit()
def p_type(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray) -> int:
    """0 to 3 as table 7-13, 5 and more: intra."""
    if decision(engine, data, contexts, 14):
        if not decision(engine, data, contexts, 17):
            return 5
        return 5 + intra_type(engine, data, contexts, 18, 0)
    if decision(engine, data, contexts, 15):
        return 2 - decision(engine, data, contexts, 17)
    return 3 * decision(engine, data, contexts, 16)


@njit()
def b_type(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, increment: int) -> int:
    """0 to 22 as table 7-14, 23 and more: intra."""
    if not decision(engine, data, contexts, 27 + increment):
        return 0
    if not decision(engine, data, contexts, 30):
        return 1 + decision(engine, data, contexts, 32)
    bits = decision(engine, data, contexts, 31) << 3
    bits |= decision(engine, data, contexts, 32) << 2
    bits |= decision(engine, data, contexts, 32) << 1
    bits |= decision(engine, data, contexts, 32)
    if bits < 8:
        return bits + 3
    if bits == 13:
        if not decision(engine, data, contexts, 32):
            return 23
        return 23 + intra_type(engine, data, contexts, 33, 0)
    if bits == 14:
        return 11
    if bits == 15:
        return 22
    return (bits << 1 | decision(engine, data, contexts, 32)) - 4


@njit()
def sub_type(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, kind: int) -> int:
    """Sub-macroblock type: 0 to 3 as table 7-17 of a P macroblock, 0 to 12 as table 7-18 of a B macroblock."""
    if kind == PREDICTED:
        if decision(engine, data, contexts, 21):
            return 0
        if not decision(engine, data, contexts, 22):
            return 1
        return 3 - decision(engine, data, contexts, 23)
    if not decision(engine, data, contexts, 36):
        return 0
    if not decision(engine, data, contexts, 37):
        return 1 + decision(engine, data, contexts, 39)
    value = 3
    if decision(engine, data, contexts, 38):
        if decision(engine, data, contexts, 39):
            return 11 + decision(engine, data, contexts, 39)
        value = 7
    value += 2 * decision(engine, data, contexts, 39)
    return value + decision(engine, data, contexts, 39)


@njit()
def reference_index(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, increment: int) -> int:
    """ref_idx (9.3.3.1.1.6), 32 for one that no stream may hold."""
    value, context = 0, 54 + increment
    while value < 32 and decision(engine, data, contexts, context):
        context = 58 if value == 0 else 59
        value += 1
    return value


@njit()
def vector_difference(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, at: int, around: int) -> int:
    """|mvd| of one component, at most 127 (what contexts need); -1 where it is illegal."""
    if not decision(engine, data, contexts, at + (around > 2) + (around > 32)):
        return 0
    value, context = 1, at + 3
    while value < 9 and decision(engine, data, contexts, context):
        if value < 4:
            context += 1
        value += 1
    if value >= 9:
        order = 3
        while bypass(engine, data):
            value += 1 << order
            order += 1
            if order > 24:
                return -1
        while order:
            order -= 1
            value += bypass(engine, data) << order
    bypass(engine, data)
    return min(value, 127)


@njit()
def levels_of(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, kind: int) -> bool:
    """Coefficients of a block that has some (7.3.5.3.3); False where they are illegal."""
    most = _COUNT[kind]
    significant, last, level = _SIGNIFICANT_AT[kind], _LAST_AT[kind], _LEVEL_AT[kind]
    width, value, due, at = engine[0], engine[1], engine[2], engine[3]
    count, place, is_last = 0, 0, np.int64(0)
    while place < most - 1 and not is_last:
        if kind == 5:
            of_significant, of_last = SIGNIFICANT_8X8[place], LAST_8X8[place]
        elif kind == 3:
            of_significant = of_last = min(place, 2)
        else:
            of_significant = of_last = place
        bit, width, value, due, at = decide(data, contexts, significant + of_significant, width, value, due, at)
        if bit:
            count += 1
            is_last, width, value, due, at = decide(data, contexts, last + of_last, width, value, due, at)
        place += 1
    if not is_last:
        count += 1  # the last one is significant where nothing said so before
    ones, larger, most_larger = 1, 0, 4 - (kind == 3)
    legal = True
    for _ in range(count):
        context = level + (0 if larger else ones)
        bit, width, value, due, at = decide(data, contexts, context, width, value, due, at)
        if bit:
            context = level + 5 + min(most_larger, larger)
            larger += 1
            prefix = 1
            while bit and prefix < 14:
                bit, width, value, due, at = decide(data, contexts, context, width, value, due, at)
                prefix += bit
            if bit:
                order = 0
                while bit and order < 25:
                    bit, width, value, due, at = flip(data, width, value, due, at)
                    order += bit
                legal &= order < 25
                for _ in range(order):
                    bit, width, value, due, at = flip(data, width, value, due, at)
        else:
            ones = min(ones + 1, 4)
        bit, width, value, due, at = flip(data, width, value, due, at)  # the sign
    engine[0] = width
    engine[1] = value
    engine[2] = due
    engine[3] = at
    return legal
