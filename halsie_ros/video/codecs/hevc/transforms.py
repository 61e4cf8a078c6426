"""Reading HEVC transform trees, see `hevc_units`."""

# numba tells apart what numpy's type hints do not
# mypy: disable-error-code="assignment,arg-type"

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.codecs.cabac import bypass, decision
from halsie_ros.video.codecs.hevc.elements import NEVER, Form, chroma_coded, scan_of, skip_golomb
from halsie_ros.video.codecs.hevc.residual import read_block
from halsie_ros.video.codecs.hevc.tables import AT

_SPLIT_TRANSFORM, _CODED_LUMA, _QP = AT["split_transform"], AT["coded_luma"], AT["qp"]


@njit()
def read_transforms(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, form: Form, state: np.ndarray, log2: int, intra: bool,
    in_parts: bool, most: int, lossless: bool,
) -> bool:  # fmt: skip
    """A transform tree (7.3.8.8) and its units; False where something is illegal.

    Args:
        state: `(9,) int64`: whether the quantizer change of the group has come, then the intra modes of the four parts
            for luma and for chroma.
        log2: of the whole block.
        in_parts: prediction has several parts.
        most: largest depth.
    """
    four, chroma_format = in_parts and intra, form.chroma_format
    # log2, depth, number of the quarter, cb and cr of the tree above, part of the block (numba cannot cache recursion)
    stack = np.empty((24, 6), np.int64)
    stack[0, 0] = log2
    stack[0, 1:] = 0
    top = 1
    while top:
        top -= 1
        log2, depth, number, cb, cr, part = (
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3], stack[top, 4], stack[top, 5],
        )  # fmt: skip
        may_split = form.min_transform_log2 < log2 <= form.max_transform_log2
        if may_split and depth < most and not (four and depth == 0):
            split = decision(engine, data, contexts, _SPLIT_TRANSFORM + 5 - log2) == 1
        else:
            spread = form.depth_inter == 0 and not intra and in_parts and depth == 0
            split = log2 > form.max_transform_log2 or (four and depth == 0) or spread
        if (log2 > 2 and chroma_format) or chroma_format == 3:
            second = chroma_format == 2 and (not split or log2 == 3)
            cb = chroma_coded(engine, data, contexts, cb, depth, second)
            cr = chroma_coded(engine, data, contexts, cr, depth, second)
        if split:
            for quarter in range(3, -1, -1):
                stack[top, 0] = log2 - 1
                stack[top, 1] = depth + 1
                stack[top, 2] = quarter
                stack[top, 3] = cb
                stack[top, 4] = cr
                stack[top, 5] = quarter if four and depth == 0 else part
                top += 1
            continue
        coded = 1
        if intra or depth or cb or cr:
            coded = decision(engine, data, contexts, _CODED_LUMA + (depth == 0))
        if (coded or cb or cr) and not _transform_unit(
            engine, data, contexts, form, state, log2, number, coded, cb, cr, part, intra, lossless
        ):
            return False
    return True


@njit()
def _transform_unit(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, form: Form, state: np.ndarray, log2: int, number: int,
    coded: int, cb: int, cr: int, part: int, intra: bool, lossless: bool,
) -> bool:  # fmt: skip
    """A transform unit (7.3.8.10) that codes something."""
    if form.qp_log2 < NEVER and not state[0]:
        state[0] = 1
        size = 0
        while size < 5 and decision(engine, data, contexts, _QP + (size > 0)):
            size += 1
        if size == 5 and not skip_golomb(engine, data, 0, 15):
            return False
        if size:
            bypass(engine, data)
    hides, skips = form.hides_signs and not lossless, form.transform_skip and not lossless
    if coded:
        order = scan_of(state[1 + part]) if intra and log2 < 4 else 0
        if not read_block(engine, data, contexts, log2, 0, order, skips, hides):
            return False
    if not form.chroma_format or (log2 == 2 and form.chroma_format != 3 and number != 3):
        return True
    size = log2 if form.chroma_format == 3 else max(2, log2 - 1)
    order = 0
    if intra and (size == 2 or (size == 3 and form.chroma_format == 3)):
        order = scan_of(state[5 + (part if form.chroma_format == 3 else 0)])
    for plane in (cb, cr):
        for half in range(2):
            if plane >> half & 1 and not read_block(engine, data, contexts, size, 1, order, skips, hides):
                return False
    return True
