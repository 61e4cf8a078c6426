"""Reading the motion of arithmetic-coded H.264 macroblocks, see `h264_macroblocks`."""

# numba tells apart what numpy's type hints do not
# mypy: disable-error-code="assignment,arg-type"

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.codecs.h264.elements import BIPREDICTED, PREDICTED, reference_index, sub_type, vector_difference

# Lists that the two partitions of a B macroblock's types 1 to 21 use (table 7-14): 1 list 0, 2 list 1, 3 both.
_LISTS = np.array(
    [
        [0, 0], [1, 1], [2, 2], [3, 3], [1, 1], [1, 1], [2, 2], [2, 2], [1, 2], [1, 2], [2, 1], [2, 1], [1, 3], [1, 3],
        [2, 3], [2, 3], [3, 1], [3, 1], [3, 2], [3, 2], [3, 3], [3, 3],
    ],
    np.int64,
)  # fmt: skip
# B sub-macroblocks (table 7-18): lists used, and parts: 1 whole, 2 8 x 4, 3 4 x 8, 4 4 x 4.
_SUB_LISTS = np.array([0, 1, 2, 3, 1, 1, 2, 2, 3, 3, 1, 2, 3], np.int64)
_SUB_PARTS = np.array([4, 1, 1, 1, 2, 3, 2, 3, 2, 3, 4, 4, 4], np.int64)


class Grid(NamedTuple):
    """What later macroblocks' contexts depend on, per macroblock of a picture.

    Attributes:
        slices: `(N,) int32` number of the slice, -1 before it came.
        flags: `(N,) uint8`.
        pattern: `(N,) uint8` coded_block_pattern, chroma from bit 4 on.
        chroma: `(N,) uint8` intra_chroma_pred_mode.
        coded: `(N,) int32` coded_block_flag per block.
        moved: `(2, N, 16, 2) uint8` |mvd| per list and 4 x 4 block, at most 127.
        later: `(2, N) uint8` per list, bits of the 8 x 8 blocks with a reference index above 0.
    """

    slices: np.ndarray
    flags: np.ndarray
    pattern: np.ndarray
    chroma: np.ndarray
    coded: np.ndarray
    moved: np.ndarray
    later: np.ndarray

    @classmethod
    def of(cls, count: int) -> Grid:
        """For pictures of `count` macroblocks."""
        return cls(
            np.full(count, -1, np.int32), np.zeros(count, np.uint8), np.zeros(count, np.uint8),
            np.zeros(count, np.uint8), np.zeros(count, np.int32), np.zeros((2, count, 16, 2), np.uint8),
            np.zeros((2, count), np.uint8),
        )  # fmt: skip


@njit()
def read_motion(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, kind: int, form: int, grid: Grid, here: int,
    left: int, above: int, references: tuple[int, int], infers: bool, parts: np.ndarray, lists: np.ndarray,
) -> int:  # fmt: skip
    """Reference indices and vectors of an inter macroblock that is not direct as a whole.

    Args:
        parts, lists: `(4,) int64`, for use here: per 8 x 8 block 0 (part of something larger) or as in _SUB_PARTS, and
            as in _SUB_LISTS.

    Returns:
        0 where they are illegal, 1, or 2 where the 8 x 8 transform may follow.
    """
    large = 2
    if (kind == PREDICTED and form == 3) or (kind == BIPREDICTED and form == 22):
        for block in range(4):
            sub = sub_type(engine, data, contexts, kind)
            if kind == PREDICTED:
                parts[block], lists[block] = sub + 1, 1
            else:
                parts[block], lists[block] = _SUB_PARTS[sub], _SUB_LISTS[sub]
            if lists[block] == 0:
                large = large if infers else 1
            elif parts[block] > 1:
                large = 1
        shape = 3
    else:
        # shape 0: 16 x 16, 1: two of 16 x 8, 2: two of 8 x 16
        shape = form if kind == PREDICTED else (0 if form < 4 else 2 - (form & 1 == 0))
        for block in range(4):
            second = block >> 1 if shape == 1 else block & 1 if shape == 2 else 0
            parts[block] = 0
            lists[block] = 1 if kind == PREDICTED else _LISTS[form, second]
    for which in range(2 if kind == BIPREDICTED else 1):
        if references[which] < 2:
            continue
        later = 0
        outer_left = grid.later[which, left] if left >= 0 else 0
        outer_above = grid.later[which, above] if above >= 0 else 0
        for block in range(4):
            first = shape == 3 or block == 0 or (shape == 1 and block == 2) or (shape == 2 and block == 1)
            if not lists[block] >> which & 1:
                continue
            if first:
                a = later >> (block - 1) & 1 if block & 1 else np.int64(outer_left) >> (block + 1) & 1
                b = later >> (block - 2) & 1 if block >= 2 else np.int64(outer_above) >> (block + 2) & 1
                value = reference_index(engine, data, contexts, a + 2 * b)
                if value >= references[which]:
                    return 0
                if value:
                    later |= 1 << block
                    if shape == 0:
                        later = 15
                    elif shape == 1:
                        later |= 2 << block
                    elif shape == 2:
                        later |= 4 << block
        grid.later[which, here] = later
    for which in range(2 if kind == BIPREDICTED else 1):
        mine = grid.moved[which, here]
        for block in range(4):
            if not lists[block] >> which & 1:
                continue
            x0, y0 = (block & 1) * 2, (block >> 1) * 2
            if shape == 3:
                part = parts[block]
                wide = 2 if part == 1 or part == 2 else 1
                high = 2 if part == 1 or part == 3 else 1
                end_x, end_y = x0 + 2, y0 + 2
            else:
                if (shape == 0 and block) or (shape == 1 and block & 1) or (shape == 2 and block > 1):
                    continue
                wide, high = 4 - 2 * (shape == 2), 4 - 2 * (shape == 1)
                end_x, end_y = x0 + wide, y0 + high
            for y in range(y0, end_y, high):
                for x in range(x0, end_x, wide):
                    for axis in range(2):
                        around = 0
                        if x:
                            around += np.int64(mine[y * 4 + x - 1, axis])
                        elif left >= 0:
                            around += np.int64(grid.moved[which, left, y * 4 + 3, axis])
                        if y:
                            around += np.int64(mine[y * 4 + x - 4, axis])
                        elif above >= 0:
                            around += np.int64(grid.moved[which, above, 12 + x, axis])
                        value = vector_difference(engine, data, contexts, 40 + 7 * axis, around)
                        if value < 0:
                            return 0
                        for row in range(y, y + high):
                            for column in range(x, x + wide):
                                mine[row * 4 + column, axis] = value
    return large
