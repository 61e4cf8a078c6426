"""Residuals and back-traced accumulation, from decoded luma and motion vectors.

FFmpeg exports no residuals, so they are rebuilt: residual(p) = picture(p) - reference(p + vector(p)), with vectors
rounded to whole pixels and places outside the picture clamped to its border, as the codecs do. A cell without a vector
is compared with its own place. The encoder's own residual differs by its sub-pixel filter and by the quantization.

Accumulation follows CoViAR (Wu et al., CVPR 2018, section 3.2): src_0(p) = p; src_t(p) = src_{t-1}(p + vector_t(p));
motion_t(p) = p - src_t(p); residual_t(p) = I_t(p) - I_0(src_t(p)).
"""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.vectors import CELL, MotionField


def residual(luma: np.ndarray, reference: np.ndarray, field: MotionField) -> np.ndarray:
    """The residual of one picture: `(H, W) int16`, grey levels, from two lumas `(H, W) uint8` of the same size."""
    out = np.empty(luma.shape, np.int16)
    _residual(luma, reference, field.vectors, out)
    return out


def without_misfits(field: MotionField, luma: np.ndarray, reference: np.ndarray) -> MotionField:
    """The field without the vectors that predict their cell worse than no motion does.

    With several reference pictures FFmpeg does not say which one a vector refers to. One that refers to another picture
    predicts badly from this one, and is dropped here (its cell becomes still and not coded).
    """
    vectors, coded = field.vectors.copy(), field.coded.copy()
    _drop_misfits(luma, reference, vectors, coded)
    return MotionField(vectors, coded)


class Accumulator:
    """Back-traces every pixel of a GOP to its I-frame.

    Attributes:
        source: `(2, H, W) int16`: x and y of the I-frame pixel that each pixel comes from.
        steps: predicted pictures since the I-frame.
    """

    def __init__(self, intra_luma: np.ndarray) -> None:
        """Starts at an I-frame with luma `(H, W) uint8`."""
        self._intra = intra_luma
        height, width = intra_luma.shape
        self.source = np.empty((2, height, width), np.int16)
        self.source[0] = np.arange(width, dtype=np.int16)
        self.source[1] = np.arange(height, dtype=np.int16)[:, None]
        self._spare = np.empty_like(self.source)
        self.steps = 0

    def push(self, luma: np.ndarray, field: MotionField) -> np.ndarray:
        """Follows one more predicted picture `(H, W) uint8`; returns the residual to the I-frame `(H, W) int16`."""
        out = np.empty(luma.shape, np.int16)
        _accumulate(luma, self._intra, field.vectors, self.source, self._spare, out)
        self.source, self._spare = self._spare, self.source
        self.steps += 1
        return out

    def motion(self) -> np.ndarray:
        """Displacement since the I-frame, p - src(p): `(2, H, W) int16`, pixels."""
        height, width = self._intra.shape
        moved = np.empty_like(self.source)
        np.subtract(np.arange(width, dtype=np.int16), self.source[0], out=moved[0])
        np.subtract(np.arange(height, dtype=np.int16)[:, None], self.source[1], out=moved[1])
        return moved


@njit(inline="always")
def _whole(value: float) -> int:
    return int(np.floor(value + 0.5))


@njit()
def _residual(luma: np.ndarray, reference: np.ndarray, vectors: np.ndarray, out: np.ndarray) -> None:
    height, width = luma.shape
    for row in range(vectors.shape[1]):
        top, bottom = row * CELL, min(row * CELL + CELL, height)
        for column in range(vectors.shape[2]):
            left, right = column * CELL, min(column * CELL + CELL, width)
            dx, dy = _whole(vectors[0, row, column]), _whole(vectors[1, row, column])
            inside = left + dx >= 0 and right + dx <= width
            for y in range(top, bottom):
                from_y = min(max(y + dy, 0), height - 1)
                if inside:
                    for x in range(left, right):
                        out[y, x] = np.int16(luma[y, x]) - np.int16(reference[from_y, x + dx])
                else:
                    for x in range(left, right):
                        from_x = min(max(x + dx, 0), width - 1)
                        out[y, x] = np.int16(luma[y, x]) - np.int16(reference[from_y, from_x])


@njit()
def _drop_misfits(luma: np.ndarray, reference: np.ndarray, vectors: np.ndarray, coded: np.ndarray) -> None:
    height, width = luma.shape
    for row in range(vectors.shape[1]):
        for column in range(vectors.shape[2]):
            dx, dy = _whole(vectors[0, row, column]), _whole(vectors[1, row, column])
            if dx == 0 and dy == 0:
                continue
            moved, still = np.int32(0), np.int32(0)
            for y in range(row * CELL, min(row * CELL + CELL, height)):
                from_y = min(max(y + dy, 0), height - 1)
                for x in range(column * CELL, min(column * CELL + CELL, width)):
                    from_x = min(max(x + dx, 0), width - 1)
                    here = np.int32(luma[y, x])
                    moved += abs(here - np.int32(reference[from_y, from_x]))
                    still += abs(here - np.int32(reference[y, x]))
            if moved > still:
                vectors[0, row, column] = 0
                vectors[1, row, column] = 0
                coded[row, column] = False


@njit()
def _accumulate(
    luma: np.ndarray,
    intra: np.ndarray,
    vectors: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    out: np.ndarray,
) -> None:
    height, width = luma.shape
    for row in range(vectors.shape[1]):
        top, bottom = row * CELL, min(row * CELL + CELL, height)
        for column in range(vectors.shape[2]):
            left, right = column * CELL, min(column * CELL + CELL, width)
            dx, dy = _whole(vectors[0, row, column]), _whole(vectors[1, row, column])
            for y in range(top, bottom):
                from_y = min(max(y + dy, 0), height - 1)
                for x in range(left, right):
                    from_x = min(max(x + dx, 0), width - 1)
                    source_x, source_y = before[0, from_y, from_x], before[1, from_y, from_x]
                    after[0, y, x] = source_x
                    after[1, y, x] = source_y
                    out[y, x] = np.int16(luma[y, x]) - np.int16(intra[source_y, source_x])
