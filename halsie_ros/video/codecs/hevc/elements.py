"""Single syntax elements of HEVC coding units (ITU-T H.265, 7.3.8 and 9.3.4.2); see `hevc_units`."""

# numba tells apart what numpy's type hints do not
# mypy: disable-error-code="assignment,arg-type"

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.codecs.cabac import bypass, decision
from halsie_ros.video.codecs.hevc.tables import AT

_DIRECTION, _REFERENCE, _DIFFERENCE = AT["direction"], AT["reference"], AT["difference"]
PREDICTED, BIPREDICTED, INTRA = 1, 0, 2  # slice_type
DC, PLANAR, VERTICAL = 1, 0, 26
NEVER = 99  # as a logarithm of a size: no block is so large
_MERGES_OFFSETS, _OFFSETS_KIND = AT["merges_offsets"], AT["offsets_kind"]
_MERGE, _MERGE_INDEX, _PREDICTOR, _CODED_CHROMA = AT["merge"], AT["merge_index"], AT["predictor"], AT["coded_chroma"]


class Form(NamedTuple):
    """What the parameter sets and the slice's head say; fields as in `hevc_headers`."""

    width: int
    height: int
    tree_log2: int
    min_block_log2: int
    min_transform_log2: int
    max_transform_log2: int
    depth_inter: int
    depth_intra: int
    chroma_format: int
    asymmetric: bool
    pcm_from: int  # log2 of the smallest block, NEVER without
    pcm_to: int
    pcm_luma_bits: int
    pcm_chroma_bits: int
    luma_bits: int
    chroma_bits: int
    bypass: bool
    hides_signs: bool
    transform_skip: bool
    qp_log2: int  # of quantization groups, NEVER without changes
    synchronized: bool
    kind: int
    luma_offsets: bool
    chroma_offsets: bool
    references_0: int
    references_1: int
    zero_l1: bool
    candidates: int


class Grid(NamedTuple):
    """What later units' contexts depend on.

    Attributes:
        slices: `(trees,) int32` address of the slice, -1 before it came.
        skipped, depth: `(rows, columns) uint8` per 8 x 8 pixels.
        modes: `(rows, columns) uint8` intra modes per 4 x 4 pixels, DC where not intra.
    """

    slices: np.ndarray
    skipped: np.ndarray
    depth: np.ndarray
    modes: np.ndarray

    @classmethod
    def of(cls, width: int, height: int, tree_log2: int) -> Grid:
        """For pictures of this size in pixels."""
        trees = -(-width >> tree_log2) * -(-height >> tree_log2)
        eights, fours = (height + 64 >> 3, width + 64 >> 3), (height + 64 >> 2, width + 64 >> 2)
        return cls(
            np.full(trees, -1, np.int32), np.zeros(eights, np.uint8), np.zeros(eights, np.uint8),
            np.full(fours, DC, np.uint8),
        )  # fmt: skip


@njit()
def bits_of(engine: np.ndarray, data: np.ndarray, count: int) -> int:
    """An unsigned number of `count` bypass bins."""
    value = 0
    for _ in range(count):
        value = value << 1 | bypass(engine, data)
    return value


@njit()
def read_offsets(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, form: Form, left: bool, above: bool
) -> None:  # fmt: skip
    """Sample adaptive offsets (7.3.8.3); `left`, `above`: that tree lies in the slice."""
    if left and decision(engine, data, contexts, _MERGES_OFFSETS):
        return
    if above and decision(engine, data, contexts, _MERGES_OFFSETS):
        return
    kind = 0
    for plane in range(3 if form.chroma_format else 1):
        if not (form.chroma_offsets if plane else form.luma_offsets):
            continue
        if plane < 2:
            kind = 0
            if decision(engine, data, contexts, _OFFSETS_KIND):
                kind = 1 + bypass(engine, data)
        if not kind:
            continue
        most = (1 << (min(form.chroma_bits if plane else form.luma_bits, 10) - 5)) - 1
        signs = 0
        for _ in range(4):
            value = 0
            while value < most and bypass(engine, data):
                value += 1
            signs += value > 0
        if kind == 1:
            bits_of(engine, data, signs + 5)
        elif plane < 2:
            bits_of(engine, data, 2)


@njit()
def skip_golomb(engine: np.ndarray, data: np.ndarray, order: int, most: int) -> bool:
    """Reads over a bypass-coded Exp-Golomb value of that order (9.3.3.5); False where its prefix goes beyond `most`."""
    while bypass(engine, data):
        order += 1
        if order > most:
            return False
    bits_of(engine, data, order)
    return True


@njit()
def vector_difference(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray) -> bool:
    """A motion vector difference (7.3.8.9)."""
    x = decision(engine, data, contexts, _DIFFERENCE)
    y = decision(engine, data, contexts, _DIFFERENCE)
    if x:
        x += decision(engine, data, contexts, _DIFFERENCE + 1)
    if y:
        y += decision(engine, data, contexts, _DIFFERENCE + 1)
    for size in (x, y):
        if size == 2 and not skip_golomb(engine, data, 1, 31):
            return False
        if size:
            bypass(engine, data)
    return True


@njit()
def reference_index(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, count: int) -> None:
    """Reads over ref_idx of a list of `count` pictures."""
    value = 0
    while value < count - 1:
        if not (decision(engine, data, contexts, _REFERENCE + value) if value < 2 else bypass(engine, data)):
            break
        value += 1


@njit()
def merge_index(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, candidates: int) -> None:
    """Reads over merge_idx."""
    if candidates > 1 and decision(engine, data, contexts, _MERGE_INDEX):
        value = 1
        while value < candidates - 1 and bypass(engine, data):
            value += 1


@njit()
def read_prediction(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, form: Form, wide: int, high: int, depth: int
) -> int:  # fmt: skip
    """A prediction unit (7.3.8.6): 1 merged, 0 not, -1 illegal."""
    if decision(engine, data, contexts, _MERGE):
        merge_index(engine, data, contexts, form.candidates)
        return 1
    direction = 0  # list 0, list 1, both
    if form.kind == BIPREDICTED:
        if wide + high != 12 and decision(engine, data, contexts, _DIRECTION + depth):
            direction = 2
        else:
            direction = decision(engine, data, contexts, _DIRECTION + 4)
    if direction != 1:
        if form.references_0 > 1:
            reference_index(engine, data, contexts, form.references_0)
        if not vector_difference(engine, data, contexts):
            return -1
        decision(engine, data, contexts, _PREDICTOR)
    if direction:
        if form.references_1 > 1:
            reference_index(engine, data, contexts, form.references_1)
        if not (form.zero_l1 and direction == 2) and not vector_difference(engine, data, contexts):
            return -1
        decision(engine, data, contexts, _PREDICTOR)
    return 0


@njit()
def luma_mode(
    grid: Grid, form: Form, x: int, y: int, has_left: bool, has_above: bool, choice: int, rest: int
) -> int:  # fmt: skip
    """The intra mode (8.4.2) of the block at x, y from mpm_idx `choice`, or from rem_intra_luma_pred_mode `rest`."""
    a = np.int64(grid.modes[y >> 2, (x >> 2) - 1]) if has_left else DC
    b = np.int64(grid.modes[(y >> 2) - 1, x >> 2]) if has_above and y & ((1 << form.tree_log2) - 1) else DC
    if a == b:
        if a < 2:
            first, second, third = PLANAR, DC, VERTICAL
        else:
            first, second, third = a, 2 + ((a + 29) & 31), 2 + ((a - 1) & 31)
    else:
        first, second = a, b
        third = PLANAR if PLANAR not in (a, b) else DC if DC not in (a, b) else VERTICAL
    if choice >= 0:
        return first if choice == 0 else second if choice == 1 else third
    low, high = min(first, second, third), max(first, second, third)
    middle = first + second + third - low - high
    mode = rest
    mode += mode >= low
    mode += mode >= middle
    mode += mode >= high
    return mode


@njit()
def scan_of(mode: int) -> int:
    """The scan of coefficients (7.4.9.11) for an intra mode: 0 diagonal, 1 horizontal, 2 vertical."""
    return 2 if 6 <= mode <= 14 else 1 if 22 <= mode <= 30 else 0


@njit()
def chroma_coded(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, above: int, depth: int, second: bool
) -> int:
    """cbf_cb or cbf_cr: bit 0, and bit 1 for the lower block of 4:2:2."""
    if depth and not above:
        return 0
    coded = decision(engine, data, contexts, _CODED_CHROMA + depth)
    return coded | decision(engine, data, contexts, _CODED_CHROMA + depth) << 1 if second else coded
