"""What the action network eats: motion and residual on a small grid, per frame and accumulated, and small I-frames.

The format, whatever the codec and the size of the stream (`FeatureFormat` has the sizes; defaults in brackets):

- `image` `(3, ih, iw) uint8` [3, 112, 112], RGB 0..255: the I-frame, squeezed to the size (aspect not kept). Only at
  I-frames.
- `motion` `(2, gh, gw) float32` [2, 14, 14]: mean of dx, dy over the grid cell, as a fraction of the picture's width
  (dx) and height (dy), **per frame** of the stream (divided by the number of frames between picture and reference).
  Codec convention: from the picture to its reference, so content moving right has negative dx. 0 where intra coded or
  without vectors.
- `residual` `(gh*k, gw*k) float32` [56, 56]: mean of |residual| over the residual cell, fraction of full scale (grey
  levels / 255).
- `accumulated_motion` `(2, gh, gw) float32`: mean of src(p) - p back to the GOP's I-frame, fraction of width and height
  (the same sign as `motion`; not divided by the number of frames).
- `accumulated_residual` `(gh*k, gw*k) float32`: mean of |I_t(p) - I_0(src(p))| / 255.

At an I-frame the four are zero. Axis 0 of motion is (x, y), then rows from the top, columns from the left. All cells
are means over a lattice of 4 x 4 points per residual cell (our choice: the cost does not grow with the picture);
vectors are read at the point and rounded to whole pixels. The mean is of absolute residuals (our choice: signed ones
cancel in a cell).

`FeatureExtractor.push(frame)` gives `FrameFeatures` for trusted I- and P-frames, None otherwise (untrusted, B-frames).
Codecs without vectors (HEVC, VP9, AV1) give motion 0 and plain differences as residual; `compensated` says which. A GOP
that goes on for more than `max_steps` P-frames is cut: the frame's decoded picture starts a new one (endless GOP), as
does the first trusted P-frame of a stream that recovers by intra refresh. Such features have type "I" too. Where
I-frame follows I-frame (a GOP of 1), only every twelfth starts a GOP; the others are P-frames without vectors.
`stack(features)` makes the arrays of one GOP: image, and motion/residual/... with a leading time axis.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halsie_ros.errors import VideoError
from halsie_ros.kernels import njit
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.vectors import CELL

_INTRA_GOP = 12  # I-frames that make a GOP where there is nothing else (our choice: as long as a usual one)
_POINTS = 4  # lattice points per residual cell and axis


@dataclass(frozen=True)
class FeatureFormat:
    """Sizes of the features.

    Attributes:
        grid: rows and columns of the motion grid.
        residual_scale: residual cells per motion cell and axis.
        image: height and width of the I-frame image.
        max_steps: P-frames per GOP at most.
    """

    grid: tuple[int, int] = (14, 14)
    residual_scale: int = 4
    image: tuple[int, int] = (112, 112)
    max_steps: int = 250

    def __post_init__(self) -> None:
        for name, value in (
            ("grid", min(self.grid)),
            ("residual_scale", self.residual_scale),
            ("image", min(self.image)),
        ):
            if value < 1:
                raise VideoError(f"feature format: {name} is {getattr(self, name)}, it must be at least 1")

    @property
    def residual(self) -> tuple[int, int]:
        """Rows and columns of the residual grid."""
        return self.grid[0] * self.residual_scale, self.grid[1] * self.residual_scale


@dataclass(frozen=True)
class FrameFeatures:
    """Features of one trusted frame; shapes and units in the module's docstring.

    Attributes:
        type: "I" (starts a GOP, has `image`) or "P".
        stamp_ns, pts: of the frame.
        gop: count of GOPs, from 0, also counting cuts of endless GOPs.
        step: P-frames since the I-frame, 0 at the I-frame.
        compensated: the residual is motion compensated (False: plain difference, or an I-frame).
    """

    type: str
    stamp_ns: int
    pts: int | None
    gop: int
    step: int
    compensated: bool
    motion: np.ndarray
    residual: np.ndarray
    accumulated_motion: np.ndarray
    accumulated_residual: np.ndarray
    image: np.ndarray | None = None


@dataclass(frozen=True)
class GopFeatures:
    """One GOP: `image` `(3, ih, iw) uint8` and its P-frames, `(T, ...)` each."""

    image: np.ndarray
    motion: np.ndarray
    residual: np.ndarray
    accumulated_motion: np.ndarray
    accumulated_residual: np.ndarray


class FeatureExtractor:
    """Turns `VideoFrame`s into `FrameFeatures`; holds the back-traced lattice of the running GOP."""

    def __init__(self, form: FeatureFormat | None = None) -> None:
        self.form = form or FeatureFormat()
        rows, columns = self.form.residual
        self._lattice = (rows * _POINTS, columns * _POINTS)
        self._moved = np.zeros((2, *self._lattice), np.float32)
        self._spare = np.zeros_like(self._moved)
        self._intra: np.ndarray | None = None
        self._gop = -1
        self._step = 0
        self._frames_since_reference = 0
        self._after_intra = False

    def copy(self) -> FeatureExtractor:
        """Another one at the same place of the stream; pushing to either leaves the other as it is."""
        other = copy.copy(
            self
        )  # arrays that stand for the past are read, never written: `_start` and `_follow` replace
        other._spare = np.empty_like(self._spare)
        return other

    def reset(self) -> None:
        """Forgets the running GOP; the next features start at an I-frame. GOPs go on counting."""
        self._intra = None
        self._after_intra = False

    def push(self, frame: VideoFrame) -> FrameFeatures | None:
        """Features of a trusted I- or P-frame; None for B-frames and untrusted frames."""
        if not frame.trusted:
            self.reset()
            return None
        self._frames_since_reference += 1
        if frame.type == "B":
            return None
        distance, self._frames_since_reference = self._frames_since_reference, 0
        changed = self._intra is not None and self._intra.shape != frame.luma.shape
        cut = changed or self._step >= self.form.max_steps
        starts = frame.type == "I" and not (self._after_intra and self._step < _INTRA_GOP - 1)
        self._after_intra = frame.type == "I"
        if starts or self._intra is None or frame.reference_luma is None or cut:
            return self._start(frame)
        return self._follow(frame, self._intra, frame.reference_luma, distance)

    def _start(self, frame: VideoFrame) -> FrameFeatures:
        self._intra = frame.luma
        self._moved = np.zeros_like(self._moved)
        self._gop += 1
        self._step = 0
        motion, residual = self._empty()
        image = np.ascontiguousarray(frame.rgb(*self.form.image).transpose(2, 0, 1))
        return FrameFeatures(
            "I", frame.stamp_ns, frame.pts, self._gop, 0, False, motion, residual, motion, residual, image
        )

    def _follow(self, frame: VideoFrame, intra: np.ndarray, reference: np.ndarray, distance: int) -> FrameFeatures:
        motion, residual = self._empty()
        accumulated_motion, accumulated_residual = self._empty()
        _lattice_pass(
            frame.luma, reference, intra, frame.motion.vectors, self._moved, self._spare,
            self.form.residual_scale * _POINTS, _POINTS, motion, residual, accumulated_motion, accumulated_residual,
        )  # fmt: skip
        self._moved, self._spare = self._spare, self._moved
        self._step += 1
        motion /= distance
        return FrameFeatures(
            "P", frame.stamp_ns, frame.pts, self._gop, self._step, frame.vectors_use != "none",
            motion, residual, accumulated_motion, accumulated_residual,
        )  # fmt: skip

    def _empty(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((2, *self.form.grid), np.float32), np.zeros(self.form.residual, np.float32)


def stack(features: Sequence[FrameFeatures]) -> GopFeatures:
    """The arrays of one GOP from its features, the I-frame first.

    Raises:
        VideoError: the first is no I-frame, or another GOP's features are among them.
    """
    if not features or features[0].image is None or any(f.gop != features[0].gop for f in features):
        raise VideoError(f"{len(features)} features do not make one GOP: give an I-frame and its own P-frames")
    predicted = features[1:]
    names = ("motion", "residual", "accumulated_motion", "accumulated_residual")
    arrays = []
    for name in names:
        empty = np.zeros((0, *getattr(features[0], name).shape), np.float32)
        arrays.append(np.stack([getattr(f, name) for f in predicted]) if predicted else empty)
    return GopFeatures(features[0].image, *arrays)


@njit()
def _lattice_pass(
    luma: np.ndarray,
    reference: np.ndarray,
    intra: np.ndarray,
    vectors: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    per_motion_cell: int,
    per_residual_cell: int,
    motion: np.ndarray,
    residual: np.ndarray,
    accumulated_motion: np.ndarray,
    accumulated_residual: np.ndarray,
) -> None:
    """One picture's pass over the lattice: src_t(p) - p by CoViAR's recursion, at lattice points."""
    height, width = luma.shape
    rows, columns = before.shape[1], before.shape[2]
    pitch_y, pitch_x = height / rows, width / columns
    # divisions cost more than all else here: whatever depends on one axis alone comes from a table
    near_rows, near_columns = np.empty(height, np.uintp), np.empty(width, np.uintp)
    for y in range(height):
        near_rows[y] = int(y / pitch_y)
    for x in range(width):
        near_columns[x] = int(x / pitch_x)
    xs = np.empty(columns, np.int32)
    residual_columns, motion_columns = np.empty(columns, np.uintp), np.empty(columns, np.uintp)
    for column in range(columns):
        xs[column] = int((column + 0.5) * pitch_x)
        residual_columns[column] = column // per_residual_cell
        motion_columns[column] = column // per_motion_cell
    for row in range(rows):
        y = int((row + 0.5) * pitch_y)
        vectors_x, vectors_y = vectors[0, y // CELL], vectors[1, y // CELL]
        after_x, after_y, here_row = after[0, row], after[1, row], luma[y]
        residual_row = residual[row // per_residual_cell]
        accumulated_row = accumulated_residual[row // per_residual_cell]
        motion_x, motion_y = motion[0, row // per_motion_cell], motion[1, row // per_motion_cell]
        back_x = accumulated_motion[0, row // per_motion_cell]
        back_y = accumulated_motion[1, row // per_motion_cell]
        for column in range(columns):
            x = xs[column]
            dx, dy = vectors_x[x // CELL], vectors_y[x // CELL]
            from_x, from_y = x, y
            if dx != 0 or dy != 0:
                from_x = min(max(int(np.floor(x + dx + 0.5)), 0), width - 1)
                from_y = min(max(int(np.floor(y + dy + 0.5)), 0), height - 1)
            near_row, near_column = near_rows[from_y], near_columns[from_x]
            moved_x = np.float32(from_x - x) + before[0, near_row, near_column]
            moved_y = np.float32(from_y - y) + before[1, near_row, near_column]
            after_x[column] = moved_x
            after_y[column] = moved_y
            origin_x = min(max(x + int(moved_x), 0), width - 1)
            origin_y = min(max(y + int(moved_y), 0), height - 1)
            here = np.int32(here_row[x])
            cell = residual_columns[column]
            residual_row[cell] += abs(here - np.int32(reference[from_y, from_x]))
            accumulated_row[cell] += abs(here - np.int32(intra[origin_y, origin_x]))
            cell = motion_columns[column]
            motion_x[cell] += dx
            motion_y[cell] += dy
            back_x[cell] += moved_x
            back_y[cell] += moved_y
    per_motion, per_residual = per_motion_cell**2, per_residual_cell**2
    for grid in (motion, accumulated_motion):
        grid[0] /= per_motion * width
        grid[1] /= per_motion * height
    for cells in (residual, accumulated_residual):
        cells /= per_residual * 255
