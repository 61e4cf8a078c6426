"""Reading HEVC coding tree units for one purpose: to see where a slice segment's decoding ends.

See `h264_macroblocks` for why. This follows the syntax of ITU-T H.265, 7.3.8, with the contexts of 9.3.4.2, without
tiles and without the extensions of version 2; nothing is reconstructed but the intra modes, which choose the scan of
coefficients.
"""

# numba tells apart what numpy's type hints do not
# mypy: disable-error-code="assignment,arg-type"

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.codecs.cabac import PADDING, bits_read, bypass, decision, is_at_end, start, terminate
from halsie_ros.video.codecs.hevc.elements import (
    DC,
    INTRA,
    NEVER,
    PLANAR,
    VERTICAL,
    Form,
    Grid,
    bits_of,
    luma_mode,
    merge_index,
    read_offsets,
    read_prediction,
)
from halsie_ros.video.codecs.hevc.tables import AT
from halsie_ros.video.codecs.hevc.transforms import read_transforms

EXACT, OVERRUN, ILLEGAL, INEXACT = 0, 1, 2, 3
_BYPASS, _SPLIT = AT["bypass"], AT["split"]
_SKIP, _MODE, _PARTS, _LUMA_MODE = AT["skip"], AT["mode"], AT["parts"], AT["intra_luma"]
_CHROMA_MODE, _HAS_RESIDUAL = AT["intra_chroma"], AT["has_residual"]
_OF_422 = np.array(
    [
        0, 1, 2, 2, 2, 2, 3, 5, 7, 8, 10, 11, 13, 15, 16, 18, 19, 20, 21, 22, 23, 23, 24, 24, 25, 25, 26, 27, 27, 28,
        28, 29, 29, 30, 31,
    ],
    np.int64,
)  # fmt: skip  # chroma modes of 4:2:2 (table 8-3)


@njit()
def _intra_modes(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, form: Form, grid: Grid, state: np.ndarray, x: int,
    y: int, log2: int, four: bool, has_left: bool, has_above: bool,
) -> None:  # fmt: skip
    """Luma and chroma modes of an intra unit, into the grid and `state`."""
    count, side = (4 if four else 1), (1 << log2) >> (1 if four else 0)
    known = np.empty(4, np.int64)
    for part in range(count):
        known[part] = decision(engine, data, contexts, _LUMA_MODE)
    for part in range(count):
        choice, rest = -1, 0
        if known[part]:
            choice = bypass(engine, data)
            if choice:
                choice += bypass(engine, data)
        else:
            rest = bits_of(engine, data, 5)
        left, top = x + (part & 1) * side, y + (part >> 1) * side
        mode = luma_mode(
            grid, form, left, top, has_left or part & 1 == 1, has_above or part > 1, choice, rest
        )  # fmt: skip
        state[1 + part] = mode
        grid.modes[top >> 2 : (top + side) >> 2, left >> 2 : (left + side) >> 2] = mode
    for part in range(count, 4):
        state[1 + part] = state[1]
    for part in range(0 if not form.chroma_format else count if form.chroma_format == 3 else 1):
        choice = 4
        if decision(engine, data, contexts, _CHROMA_MODE):
            choice = bits_of(engine, data, 2)
        luma = state[1 + part]
        mode = luma
        if choice < 4:
            mode = PLANAR if choice == 0 else VERTICAL if choice == 1 else 10 if choice == 2 else DC
            if mode == luma:
                mode = 34
        state[5 + part] = _OF_422[mode] if form.chroma_format == 2 else mode
    for part in range(count if form.chroma_format == 3 else 1, 4):
        state[5 + part] = state[5]


@njit()
def _unit(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, form: Form, grid: Grid, state: np.ndarray, x: int,
    y: int, log2: int, depth: int, has_left: bool, has_above: bool, length: int,
) -> bool:  # fmt: skip
    """A coding unit (7.3.8.5)."""
    size = 1 << log2
    lossless = form.bypass and decision(engine, data, contexts, _BYPASS) == 1
    grid.depth[y >> 3 : (y + size) >> 3, x >> 3 : (x + size) >> 3] = depth
    skipped = False
    if form.kind != INTRA:
        increment = (1 if has_left and grid.skipped[y >> 3, (x >> 3) - 1] else 0) + (
            1 if has_above and grid.skipped[(y >> 3) - 1, x >> 3] else 0
        )
        skipped = decision(engine, data, contexts, _SKIP + increment) == 1
    grid.skipped[y >> 3 : (y + size) >> 3, x >> 3 : (x + size) >> 3] = skipped
    grid.modes[y >> 2 : (y + size) >> 2, x >> 2 : (x + size) >> 2] = DC
    if skipped:
        merge_index(engine, data, contexts, form.candidates)
        return True
    intra = form.kind == INTRA or decision(engine, data, contexts, _MODE) == 1
    smallest = log2 == form.min_block_log2
    parts = 0  # 0: one, 1: rows, 2: columns, 3: four; 4, 5: unequal rows, 6, 7: unequal columns
    if intra:
        if smallest and not decision(engine, data, contexts, _PARTS):
            parts = 3
    elif not decision(engine, data, contexts, _PARTS):
        rows = decision(engine, data, contexts, _PARTS + 1)
        parts = 1 if rows else 2
        if smallest:
            if not rows and log2 > 3 and not decision(engine, data, contexts, _PARTS + 2):
                parts = 3
        elif form.asymmetric and not decision(engine, data, contexts, _PARTS + 3):
            parts = (4 if rows else 6) + bypass(engine, data)
    merged = 0
    if intra:
        if parts == 0 and form.pcm_from <= log2 <= form.pcm_to and terminate(engine, data):
            chroma = (0, 2, 4, 8)[form.chroma_format]
            count = size * size * form.pcm_luma_bits + size * size * chroma * form.pcm_chroma_bits // 4
            after = (bits_read(engine) + 7) // 8 + count // 8
            if after > length:
                return False
            start(engine, data, after)
            return True
        _intra_modes(engine, data, contexts, form, grid, state, x, y, log2, parts == 3, has_left, has_above)
    else:
        for part in range(1 if parts == 0 else 4 if parts == 3 else 2):
            wide, high = size, size
            if parts == 3:
                wide, high = size // 2, size // 2
            elif parts == 1:
                high = size // 2
            elif parts == 2:
                wide = size // 2
            elif parts < 6 and parts:
                high = size // 4 if part == parts - 4 else size * 3 // 4
            elif parts:
                wide = size // 4 if part == parts - 6 else size * 3 // 4
            merged = read_prediction(engine, data, contexts, form, wide, high, depth)
            if merged < 0:
                return False
        if not (parts == 0 and merged) and not decision(engine, data, contexts, _HAS_RESIDUAL):
            return True
    most = form.depth_intra + (parts == 3) if intra else form.depth_inter
    return read_transforms(engine, data, contexts, form, state, log2, intra, parts > 0, most, lossless)


@njit()
def _tree(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, form: Form, grid: Grid, state: np.ndarray, x: int,
    y: int, left: bool, above: bool, length: int,
) -> bool:  # fmt: skip
    """A coding quadtree (7.3.8.4); `left`, `above`: the tree there lies in the slice."""
    side = (1 << form.tree_log2) - 1
    stack = np.empty((16, 4), np.int64)  # x, y, log2, depth (numba cannot cache recursion)
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = x, y, form.tree_log2, 0
    top = 1
    while top:
        top -= 1
        x, y, log2, depth = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        size = 1 << log2
        has_left, has_above = left or x & side != 0, above or y & side != 0
        split = log2 > form.min_block_log2
        if split and x + size <= form.width and y + size <= form.height:
            increment = (1 if has_left and grid.depth[y >> 3, (x >> 3) - 1] > depth else 0) + (
                1 if has_above and grid.depth[(y >> 3) - 1, x >> 3] > depth else 0
            )
            split = decision(engine, data, contexts, _SPLIT + increment) == 1
        if form.qp_log2 < NEVER and log2 >= form.qp_log2:
            state[0] = 0
        if not split:
            if not _unit(engine, data, contexts, form, grid, state, x, y, log2, depth, has_left, has_above, length):
                return False
            continue
        half = size >> 1
        for quarter in range(3, -1, -1):
            inner_x, inner_y = x + (quarter & 1) * half, y + (quarter >> 1) * half
            if inner_x < form.width and inner_y < form.height:
                stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = inner_x, inner_y, log2 - 1, depth + 1
                top += 1
    return True


@njit()
def read_segment(
    data: np.ndarray, length: int, at: int, contexts: np.ndarray, fresh: np.ndarray, of_row: np.ndarray, form: Form,
    grid: Grid, first: int, slice_address: int,
) -> tuple[int, int]:  # fmt: skip
    """Reads the coding tree units of one slice segment.

    Args:
        data: the segment's RBSP, `length` bytes, padded (`cabac.padded`).
        at: byte where the units start.
        contexts: `(N,) uint8`, what the segment starts with; changed: what a dependent one goes on with.
        fresh: `(N,) uint8`, what a slice starts with.
        of_row: `(N,) uint8`, changed: the contexts that the next row starts with, for wavefronts.
        form, grid: of the picture; the grid is changed.
        first: address of the first unit.
        slice_address: of the slice's first unit.

    Returns:
        As `h264_macroblocks.read_slice`: the end's kind, and the address after the last unit.
    """
    engine, state = np.empty(4, np.int64), np.zeros(9, np.int64)
    columns = -(-form.width >> form.tree_log2)
    here, count = first, len(grid.slices)
    start(engine, data, at)
    while here < count:
        column = here % columns
        grid.slices[here] = slice_address
        left = column > 0 and grid.slices[here - 1] == slice_address
        above = here >= columns and grid.slices[here - columns] == slice_address
        if form.synchronized and column == 0 and here != slice_address:
            known = columns > 1 and here >= columns and grid.slices[here - columns + 1] == slice_address
            contexts[:] = of_row if known else fresh
        if form.luma_offsets or form.chroma_offsets:
            read_offsets(engine, data, contexts, form, left, above)
        x, y = column << form.tree_log2, here // columns << form.tree_log2
        if not _tree(engine, data, contexts, form, grid, state, x, y, left, above, length):
            return ILLEGAL, here
        here += 1
        if engine[3] > length + PADDING // 4:
            return OVERRUN, here
        if form.synchronized and (column == 1 or columns == 1):
            of_row[:] = contexts
        if terminate(engine, data):
            return (EXACT if is_at_end(engine, data, length) else INEXACT), here
        if bits_read(engine) > length * 8:
            return OVERRUN, here
        if form.synchronized and here % columns == 0:
            if not terminate(engine, data):
                return ILLEGAL, here
            start(engine, data, (bits_read(engine) + 7) // 8)
    return ILLEGAL, here
