"""Reading arithmetic-coded H.264 macroblocks for one purpose: to see where a slice's decoding ends.

Arithmetic decoding never fails: damaged bytes turn into other, legal symbols. But they use up other numbers of bits, so
that the last macroblock does not end where the data end. FFmpeg does not look. This follows the syntax of ITU-T H.264,
7.3.4 to 7.3.5.3 with the contexts of 9.3.3.1, for frames (no fields, no MBAFF) of 4:2:0 or grey; nothing is
reconstructed.
"""

# numba tells apart what numpy's type hints do not
# mypy: disable-error-code="assignment,arg-type"

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.codecs.cabac import PADDING, bits_read, decision, is_at_end, start, terminate
from halsie_ros.video.codecs.h264.elements import (
    BIPREDICTED,
    INTRA,
    PREDICTED,
    b_type,
    intra_type,
    levels_of,
    p_type,
)
from halsie_ros.video.codecs.h264.motion import Grid, read_motion

EXACT, OVERRUN, ILLEGAL, INEXACT = 0, 1, 2, 3

# What is kept of a macroblock.
_SKIPPED, _DIRECT, _INTRA, _BLOCKS, _PCM, _LARGE = 1, 2, 4, 8, 16, 32
# Bits of `coded` above the 16 luma blocks: 4 and 4 chroma blocks, then the blocks of DC coefficients.
_CB, _CR, _LUMA_DC, _CHROMA_DC = 16, 20, 24, 25
_ALL_CODED = (1 << 27) - 1
# Per kind of block (luma DC, luma AC, luma, chroma DC, chroma AC, luma 8 x 8): contexts and number of coefficients.
_FLAG_AT = np.array([85, 89, 93, 97, 101, 0], np.int64)
_X = np.array([0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3], np.int64)  # of the 4 x 4 block, in decoding order
_Y = np.array([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3], np.int64)


@njit()
def _pattern(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, grid: Grid, left: int, above: int, chroma: bool
) -> int:
    """coded_block_pattern (9.3.3.1.1.4)."""
    outer_left = np.int64(grid.pattern[left]) if left >= 0 else 15
    outer_above = np.int64(grid.pattern[above]) if above >= 0 else 15
    value = 0
    for block in range(4):
        a = value >> (block - 1) & 1 if block & 1 else outer_left >> (block + 1) & 1
        b = value >> (block - 2) & 1 if block >= 2 else outer_above >> (block + 2) & 1
        value |= decision(engine, data, contexts, 73 + (a ^ 1) + 2 * (b ^ 1)) << block
    if chroma:
        a = np.int64(left >= 0 and outer_left >> 4 > 0)
        b = np.int64(above >= 0 and outer_above >> 4 > 0)
        if decision(engine, data, contexts, 77 + a + 2 * b):
            a = np.int64(left >= 0 and outer_left >> 4 == 2)
            b = np.int64(above >= 0 and outer_above >> 4 == 2)
            value |= (1 + decision(engine, data, contexts, 81 + a + 2 * b)) << 4
    return value


@njit()
def _residual(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, grid: Grid, here: int, left: int, above: int,
    sixteen: bool,
) -> bool:  # fmt: skip
    """All blocks of a macroblock (7.3.5.3); False where one is illegal."""
    flags = grid.flags[here]
    pattern = np.int64(grid.pattern[here])
    intra = flags & _INTRA != 0
    outside = _ALL_CODED if intra else 0  # blocks beyond the slice count as coded for intra macroblocks
    by_left = np.int64(grid.coded[left]) if left >= 0 else outside
    by_above = np.int64(grid.coded[above]) if above >= 0 else outside
    coded = 0
    if sixteen:
        around = (by_left >> _LUMA_DC & 1) + 2 * (by_above >> _LUMA_DC & 1)
        if decision(engine, data, contexts, _FLAG_AT[0] + around):
            coded |= 1 << _LUMA_DC
            if not levels_of(engine, data, contexts, 0):
                return False
    for block in range(16):
        if not pattern >> (block >> 2) & 1:
            continue
        x, y = _X[block], _Y[block]
        if flags & _LARGE:
            if block & 3 == 0:
                coded |= 0x33 << (y * 4 + x)
                if not levels_of(engine, data, contexts, 5):
                    return False
            continue
        a = coded >> (y * 4 + x - 1) & 1 if x else by_left >> (y * 4 + 3) & 1
        b = coded >> (y * 4 + x - 4) & 1 if y else by_above >> (12 + x) & 1
        kind = 1 if sixteen else 2
        if decision(engine, data, contexts, _FLAG_AT[kind] + a + 2 * b):
            coded |= 1 << (y * 4 + x)
            if not levels_of(engine, data, contexts, kind):
                return False
    if pattern >> 4:
        for plane in range(2):
            around = (by_left >> (_CHROMA_DC + plane) & 1) + 2 * (by_above >> (_CHROMA_DC + plane) & 1)
            if decision(engine, data, contexts, _FLAG_AT[3] + around):
                coded |= 1 << (_CHROMA_DC + plane)
                if not levels_of(engine, data, contexts, 3):
                    return False
    if pattern >> 4 == 2:
        for plane in range(2):
            base = _CR if plane else _CB
            for block in range(4):
                x, y = block & 1, block >> 1
                a = coded >> (base + block - 1) & 1 if x else by_left >> (base + block + 1) & 1
                b = coded >> (base + block - 2) & 1 if y else by_above >> (base + block + 2) & 1
                if decision(engine, data, contexts, _FLAG_AT[4] + a + 2 * b):
                    coded |= 1 << (base + block)
                    if not levels_of(engine, data, contexts, 4):
                        return False
    grid.coded[here] = coded
    return True


@njit()
def read_slice(
    data: np.ndarray, length: int, at: int, contexts: np.ndarray, kind: int, first: int, number: int, columns: int,
    references: tuple[int, int], may_be_large: bool, infers: bool, chroma: bool, grid: Grid,
) -> tuple[int, int]:  # fmt: skip
    """Reads the macroblocks of one slice.

    Args:
        data: the slice's RBSP, `length` bytes, padded (`cabac.padded`).
        at: byte where the macroblocks start.
        contexts: `(460,) uint8`, changed.
        kind: PREDICTED, BIPREDICTED or INTRA.
        first: its first macroblock.
        number: of the slice, another one for each slice of a picture.
        columns: macroblocks in a row.
        references: active reference pictures per list.
        may_be_large: transform_8x8_mode_flag.
        infers: direct_8x8_inference_flag.
        chroma: 4:2:0, not grey.
        grid: of the picture, changed.

    Returns:
        EXACT, OVERRUN (more data needed than there are), ILLEGAL (a value out of range) or INEXACT (the slice says that
        it ends where its data do not), and the macroblock after the last one.
    """
    engine, parts, lists = np.empty(4, np.int64), np.empty(4, np.int64), np.empty(4, np.int64)
    start(engine, data, at)
    here, count, changed = first, len(grid.slices), 0
    while True:
        if here >= count:
            return ILLEGAL, here
        left = here - 1 if here % columns and grid.slices[here - 1] == number else -1
        above = here - columns if here >= columns and grid.slices[here - columns] == number else -1
        flags, pattern, chroma_mode, sixteen, known = 0, 0, 0, False, False
        grid.coded[here] = 0
        grid.later[0, here] = 0
        grid.later[1, here] = 0
        if kind != INTRA:
            for block in range(16):
                grid.moved[0, here, block, 0] = 0
                grid.moved[0, here, block, 1] = 0
                grid.moved[1, here, block, 0] = 0
                grid.moved[1, here, block, 1] = 0
        left_flags = np.int64(grid.flags[left]) if left >= 0 else _SKIPPED | _DIRECT | _BLOCKS
        above_flags = np.int64(grid.flags[above]) if above >= 0 else _SKIPPED | _DIRECT | _BLOCKS
        if kind != INTRA:
            increment = (left_flags & _SKIPPED == 0) + (above_flags & _SKIPPED == 0)
            if decision(engine, data, contexts, (24 if kind == BIPREDICTED else 11) + increment):
                flags = _SKIPPED | _DIRECT
        if not flags:
            form, intra = 0, -1
            if kind == INTRA:
                increment = (left_flags & _BLOCKS == 0) + (above_flags & _BLOCKS == 0)
                intra = 0
                if decision(engine, data, contexts, 3 + increment):
                    intra = intra_type(engine, data, contexts, 6, 1)
            elif kind == PREDICTED:
                form = p_type(engine, data, contexts)
                intra = form - 5
            else:
                increment = (left_flags & _DIRECT == 0) + (above_flags & _DIRECT == 0)
                form = b_type(engine, data, contexts, increment)
                intra = form - 23
            if intra == 25:
                flags, pattern, known = _INTRA | _PCM, 0x2F, True
                after = (bits_read(engine) + 7) // 8 + (384 if chroma else 256)
                if after + 2 > length:
                    return OVERRUN, here
                start(engine, data, after)
                grid.coded[here] = _ALL_CODED
                changed = 0
            elif intra >= 0:
                flags = _INTRA
                sixteen = intra > 0
                if not sixteen:
                    flags |= _BLOCKS
                    if may_be_large:
                        increment = (left_flags & _LARGE != 0) + (above_flags & _LARGE != 0)
                        if decision(engine, data, contexts, 399 + increment):
                            flags |= _LARGE
                    for _ in range(4 if flags & _LARGE else 16):
                        if not decision(engine, data, contexts, 68):
                            for _ in range(3):
                                decision(engine, data, contexts, 69)
                if chroma:
                    increment = (left >= 0 and grid.chroma[left] != 0) + (above >= 0 and grid.chroma[above] != 0)
                    if decision(engine, data, contexts, 64 + increment):
                        chroma_mode = 1
                        if decision(engine, data, contexts, 67):
                            decision(engine, data, contexts, 67)
            large = 1
            if intra < 0:
                if kind == BIPREDICTED and form == 0:
                    flags = _DIRECT
                    large = 2 if infers else 1
                else:
                    large = read_motion(
                        engine, data, contexts, kind, form, grid, here, left, above, references, infers, parts,
                        lists,
                    )  # fmt: skip
                    if not large:
                        return ILLEGAL, here
            if sixteen:
                pattern = (15 if intra > 12 else 0) | ((intra - 1) // 4 % 3) << 4
            elif not known:
                pattern = _pattern(engine, data, contexts, grid, left, above, chroma)
                if intra < 0 and may_be_large and large == 2 and pattern & 15:
                    increment = (left_flags & _LARGE != 0) + (above_flags & _LARGE != 0)
                    if decision(engine, data, contexts, 399 + increment):
                        flags |= _LARGE
            grid.flags[here] = flags
            grid.pattern[here] = pattern
            if not known and (pattern or sixteen):
                steps = 0
                if decision(engine, data, contexts, 60 + (changed != 0)):
                    steps = 1
                    context = 62
                    while decision(engine, data, contexts, context):
                        context = 63
                        steps += 1
                        if steps > 255:
                            return ILLEGAL, here
                changed = steps
                if not _residual(engine, data, contexts, grid, here, left, above, sixteen):
                    return ILLEGAL, here
            else:
                changed = 0
        else:
            changed = 0
        grid.slices[here] = number
        grid.flags[here] = flags
        grid.pattern[here] = pattern
        grid.chroma[here] = chroma_mode
        here += 1
        if engine[3] > length + PADDING // 4:
            return OVERRUN, here
        if terminate(engine, data):
            return (EXACT if is_at_end(engine, data, length) else INEXACT), here
        if bits_read(engine) > length * 8:
            return OVERRUN, here
