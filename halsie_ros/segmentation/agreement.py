"""Whether events and frames fit together: measured on every frame, so that wrong events restore nothing.

An event changes a pixel's code c as ``c + OFFSET`` is multiplied (see `OFFSET`). What the events since the last frame
predict of each pixel is compared with how the frame did change: in cells of 8x8 pixels, which blur touches less, and
against the same prediction moved by a cell, which must not fit better; pixel by pixel, which tells the contrast that an
event stands for; and pixel by pixel in noisy frames, where only the part that goes along with the events says anything.
All of it is sums over frames, older ones fading, and only frames in which something happened count: a minute
of standing still changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from halsie_ros.kernels import njit

GAMMA, OFFSET = 2.4, 0.055
"""Codes c of sRGB light L (IEC 61966-2-1): ``c + OFFSET`` grows as ``L ** (1 / GAMMA)``, so an event multiplies it."""
CONTRAST = 0.22
"""Natural logarithm of the light ratio that an event stands for, until frames say better (our choice)."""
EXPLAINED = (0.04, 0.10)
"""Share of the changes of 8x8 cells that events must explain to be believed a little, and wholly (our choice: CamVid
with simulated events has 0.7 from clean frames, 0.11 to 0.45 from blurred ones in slow motion, 0.3 to 0.7 in fast)."""
PLACED = (0.95, 1.08)
"""How much better the events must fit in their place than moved by a cell of 8 pixels (our choice, on the same: 1.4 and
more from clean frames, 1.0 to 1.8 from blurred ones, below 0.93 where events lie 8 pixels off)."""
FOLLOWED = (0.1, 0.25)
"""Share of what the events say that noisy frames must follow to be believed a little, and wholly (our choice: CamVid in
the dark has 0.4 and more, below 0.05 where events lie a few pixels off)."""
SHARP = 0.38
"""Share of the changes of pixels that events must explain in a frame for it to tell their contrast (a real DAVIS
recording has 0.4 to 0.5, blurred frames up to 0.33)."""
PLAUSIBLE = (0.04, 1.5)
"""Contrasts that are believed; cameras without gamma correction seem to have up to `GAMMA` times their sensor's."""
MOST_EVENTS = 24
"""A pixel with more events since the last frame is a broken one."""
FADES = 0.9
"""What a frame's sums count once one more frame has come."""
QUIET_PREDICTED, QUIET_CHANGED = 2e-4, 1e-5
"""Frames in which cells are predicted to change less, and do change less (squared), do not count; noisy ones change
always."""
_MOVES = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


class Sums(NamedTuple):
    """What frames in a row say of predictions by events, summed over places; older frames fade.

    Attributes:
        together: change of brightness times prediction (for a contrast of 1).
        predicted: prediction squared.
        changed: change squared; 0 where it is not asked for.
    """

    together: float
    predicted: float
    changed: float = 0.0

    def after(self, newer: Sums) -> Sums:
        """The sums with one more frame."""
        return Sums(*(FADES * before + now for before, now in zip(self, newer, strict=True)))


# About a frame's worth that events of `CONTRAST` explain wholly.
_CELLS_AT_FIRST = Sums(CONTRAST * 0.004, 0.004, CONTRAST**2 * 0.004)
_PIXELS_AT_FIRST = Sums(CONTRAST * 0.01, 0.01)
_NOISY_AT_FIRST = Sums(CONTRAST * 0.002, 0.002)


@dataclass(frozen=True)
class Agreement:
    """What is known of how events and frames fit together: a value.

    Attributes:
        cells: of cells of 8x8 pixels.
        moved: `together` of cells with the prediction moved by a cell in each of 8 directions.
        pixels: of single pixels, from frames that the events explain well.
        noisy: of single pixels, from noisy frames.
    """

    cells: Sums = _CELLS_AT_FIRST
    moved: tuple[float, ...] = (0.0,) * len(_MOVES)
    pixels: Sums = _PIXELS_AT_FIRST
    noisy: Sums = _NOISY_AT_FIRST

    @property
    def contrast(self) -> float:
        """Natural logarithm of the light ratio that an event stands for, as frames and events together say."""
        return self.pixels.together / self.pixels.predicted

    @property
    def explained(self) -> float:
        """Share of the changes of cells that the events explain, 0 to 1."""
        together, predicted, changed = self.cells
        return max(together, 0.0) ** 2 / max(predicted * changed, 1e-12)

    @property
    def placed(self) -> float:
        """How much better the events explain the cells in their place than moved to the best cell beside it."""
        return self.cells.together / max(*self.moved, 1e-12)

    @property
    def followed(self) -> float:
        """Share of what the events say that noisy frames follow; 1 for all."""
        return self.noisy.together / max(self.noisy.predicted, 1e-12) / self.contrast

    def belief(self, noisy: bool) -> float:
        """How far a prediction from events is to be believed, 0 to 1, for a noisy frame or another."""
        belief = min(ramp(self.explained, *EXPLAINED), ramp(self.placed, *PLACED))
        return belief * ramp(self.followed, *FOLLOWED) if noisy else belief

    def after(self, now: np.ndarray, was: np.ndarray, change: np.ndarray, noisy: bool) -> Agreement:
        """The agreement with one more frame.

        Args:
            now: its brightness, see `brightness`.
            was: that of the frame before; for a noisy frame, of what was made of it.
            change: events in between, on minus off, ``(H, W) int16``.
            noisy: whether the frame is.
        """
        of_cells, of_moved, of_pixels = (values.tolist() for values in _compare(now, was, change))
        cells, (together, predicted, changed) = Sums(*of_cells), of_pixels
        pixels = Sums(together, predicted)
        if cells.predicted < QUIET_PREDICTED and (noisy or cells.changed < QUIET_CHANGED):
            return self
        if noisy:
            return replace(self, noisy=self.noisy.after(pixels))
        moved = tuple(FADES * before + now for before, now in zip(self.moved, of_moved, strict=True))
        known = replace(self, cells=self.cells.after(cells), moved=moved)
        low, high = PLAUSIBLE
        # A blurred frame changes less than events say, and that the more, the finer one looks.
        explained = together**2 > SHARP * predicted * changed
        sharp = explained and together * cells.predicted > 0.75 * cells.together * predicted
        if sharp and low * predicted < together < high * predicted:
            known = replace(known, pixels=self.pixels.after(pixels))
        return known


def ramp(value: float, zero: float, one: float) -> float:
    """0 up to `zero`, 1 from `one` on, a straight line in between; `one` may be the smaller."""
    return min(max((value - zero) / (one - zero), 0.0), 1.0)


@njit(fastmath=True, inline="always")
def luma(frame, y, x):
    """Brightness of a pixel of ``(H, W, C) uint8`` in codes, weighted as ITU-R BT.709 weighs light."""
    if frame.shape[2] == 1:
        return np.float32(frame[y, x, 0])
    return (
        np.float32(0.2126) * frame[y, x, 0] + np.float32(0.7152) * frame[y, x, 1] + np.float32(0.0722) * frame[y, x, 2]
    )


def brightness(picture: np.ndarray) -> np.ndarray:
    """Codes 0 … 1 of every other pixel of every other row: ``(H, W, C) uint8``, or ``(3, H, W) float32`` of codes, to
    ``(ceil(H / 2), ceil(W / 2)) float32``."""
    if picture.dtype == np.uint8:
        return _brightness(picture[::2, ::2], np.float32(1 / 255))
    return _brightness(picture[:, ::2, ::2].transpose(1, 2, 0), np.float32(1))


@njit(fastmath=True)
def _brightness(picture, scale):
    height, width = picture.shape[:2]
    plane = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            plane[y, x] = luma(picture, y, x) * scale
    return plane


@njit(fastmath=True)
def _compare(now, was, change):
    """Means over cells of 8x8 pixels of change times prediction, prediction squared and change squared, what all cells
    have in common taken out (lights, exposure); of change times the prediction of each neighbour; and means over
    pixels. Every other pixel and row is looked at; white pixels and broken ones are left out."""
    rows, columns = now.shape[0] // 4, now.shape[1] // 4
    changes, predictions = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    pixels = np.zeros(3)
    for row in range(rows):
        for column in range(columns):
            change_sum, prediction_sum = np.float32(0), np.float32(0)
            for y in range(4 * row, 4 * row + 4):
                for x in range(4 * column, 4 * column + 4):
                    events = change[2 * y, 2 * x]
                    if now[y, x] > np.float32(0.97) or was[y, x] > np.float32(0.97) or abs(events) > MOST_EVENTS:
                        continue
                    changed = now[y, x] - was[y, x]
                    prediction = (was[y, x] + np.float32(OFFSET)) * events * np.float32(1 / GAMMA)
                    pixels[0] += changed * prediction
                    pixels[1] += prediction * prediction
                    pixels[2] += changed * changed
                    change_sum += changed
                    prediction_sum += prediction
            changes[row, column], predictions[row, column] = change_sum / 16, prediction_sum / 16
    cells, moved = np.zeros(3), np.zeros(len(_MOVES))
    if rows < 3 or columns < 3:
        return cells, moved, pixels
    changes -= changes.mean()
    predictions -= predictions.mean()
    for row in range(1, rows - 1):
        for column in range(1, columns - 1):
            changed, prediction = changes[row, column], predictions[row, column]
            cells[0] += changed * prediction
            cells[1] += prediction * prediction
            cells[2] += changed * changed
            for move in range(len(_MOVES)):
                moved[move] += changed * predictions[row + _MOVES[move][0], column + _MOVES[move][1]]
    count = (rows - 2) * (columns - 2)
    return cells / count, moved / count, pixels / (16 * rows * columns)
