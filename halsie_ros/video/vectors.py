"""Motion vectors: FFmpeg's list of blocks, and the dense grid made from it.

Axes: x runs right, y runs down. A vector points from a block to where its content is found in the reference picture:
source = destination + vector. Vectors are in pixels, fractions (half and quarter pixel) kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.sidedata.motionvectors import MotionVectors

from halsie_ros.kernels import njit

CELL = 8  # pixels: the smallest block that FFmpeg exports

# FFmpeg's AVMotionVector. `source` < 0: an earlier picture, > 0: a later one.
BLOCK = np.dtype(
    [
        ("source", np.int32),
        ("w", np.uint8),
        ("h", np.uint8),
        ("src_x", np.int16),
        ("src_y", np.int16),
        ("dst_x", np.int16),
        ("dst_y", np.int16),
        ("flags", np.uint64),
        ("motion_x", np.int32),
        ("motion_y", np.int32),
        ("motion_scale", np.uint16),
    ],
    align=True,
)
NO_BLOCKS = np.empty(0, BLOCK)
# The columns of a reference table, see `as_table`.
TABLE = ("source", "w", "h", "src_x", "src_y", "dst_x", "dst_y", "motion_x", "motion_y", "motion_scale")


@dataclass(frozen=True)
class MotionField:
    """The vectors of one picture on a grid of cells of `CELL` x `CELL` pixels.

    Attributes:
        vectors: `(2, rows, columns) float32`, pixels: dx, dy to the reference; 0 where a cell has no vector.
        coded: `(rows, columns) bool`: the cell is predicted from an earlier picture (False: intra, or only from a later
            one).
    """

    vectors: np.ndarray
    coded: np.ndarray

    @classmethod
    def of(cls, blocks: np.ndarray, height: int, width: int, *, later: bool = False) -> MotionField:
        """Rasterizes the blocks `(N,) BLOCK` that refer to an earlier picture (to a later one with `later`).

        Blocks may reach beyond the picture (coded size is a multiple of 16); what lies outside is cut off.
        """
        rows, columns = -(-height // CELL), -(-width // CELL)
        vectors = np.zeros((2, rows, columns), np.float32)
        coded = np.zeros((rows, columns), np.bool_)
        if len(blocks):
            _rasterize(np.ascontiguousarray(blocks), 1 if later else -1, vectors, coded)
        return cls(vectors, coded)

    @classmethod
    def still(cls, height: int, width: int) -> MotionField:
        """A field without vectors: every cell is compared with its own place."""
        return cls.of(NO_BLOCKS, height, width)


def blocks_of(picture: Any) -> np.ndarray:
    """The motion vectors `(N,) BLOCK` that FFmpeg exported with PyAV's frame; empty where there are none."""
    for side in picture.side_data:
        if isinstance(side, MotionVectors):
            result: np.ndarray = np.frombuffer(side, BLOCK)  # type: ignore[call-overload]
            return result
    return NO_BLOCKS


def turned_blocks(blocks: np.ndarray, quarter_turns: int, height: int, width: int) -> np.ndarray:
    """Blocks `(N,) BLOCK` as they are in a picture that was turned anticlockwise.

    Args:
        blocks: of the picture as it lay; centres are continuous, so that x becomes width - x under half a turn.
        quarter_turns: of 90 degrees.
        height, width: of the turned picture, pixels.
    """
    out = blocks.copy()
    for _ in range(quarter_turns % 4):
        before = out.copy()
        # Undone turns alternate between the two sides; after the last one the height is the turned picture's.
        quarter_turns -= 1
        side = height if quarter_turns % 2 == 0 else width
        for x, y in (("dst_x", "dst_y"), ("src_x", "src_y")):
            out[x], out[y] = before[y], side - before[x]
        out["motion_x"], out["motion_y"] = before["motion_y"], -before["motion_x"]
        out["w"], out["h"] = before["h"], before["w"]
    out.flags.writeable = False  # as the decoder's own are: kernels are compiled for one kind of array
    return out


def as_table(blocks: np.ndarray) -> np.ndarray:
    """Blocks `(N,) BLOCK` as `(N, 10) int32`, columns `TABLE`."""
    table = np.empty((len(blocks), len(TABLE)), np.int32)
    for column, name in enumerate(TABLE):
        table[:, column] = blocks[name]
    return table


@njit()
def _rasterize(blocks: np.ndarray, direction: int, vectors: np.ndarray, coded: np.ndarray) -> None:
    rows, columns = coded.shape
    for index in range(blocks.shape[0]):
        block = blocks[index]
        if block.source * direction <= 0 or block.motion_scale == 0:
            continue
        dx = np.float32(block.motion_x) / np.float32(block.motion_scale)
        dy = np.float32(block.motion_y) / np.float32(block.motion_scale)
        left, top = np.int64(block.dst_x) - block.w // 2, np.int64(block.dst_y) - block.h // 2
        for row in range(max(top // CELL, 0), min((top + block.h + CELL - 1) // CELL, rows)):
            for column in range(max(left // CELL, 0), min((left + block.w + CELL - 1) // CELL, columns)):
                vectors[0, row, column] = dx
                vectors[1, row, column] = dy
                coded[row, column] = True
