"""Whether events and frames fit together: measured on every frame, so that wrong events restore nothing.

An event changes a pixel's code c as ``c + OFFSET`` is multiplied (see `OFFSET`). What the events since the last frame
predict of each pixel is compared with how the frame did change: in cells of 8x8 pixels, which blur hardly touches;
pixel by pixel, which tells the contrast that an event stands for; and pixel by pixel in noisy frames, where only the
part that goes along with the events says anything. All of it is sums over frames, older ones fading, and only frames in
which something happened count: standing still for a minute teaches nothing and unteaches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np

GAMMA, OFFSET = 2.4, 0.055
"""Codes c of sRGB light L (IEC 61966-2-1): ``c + OFFSET`` grows as ``L ** (1 / GAMMA)``, so an event multiplies it."""
CONTRAST = 0.22
"""Natural logarithm of the light ratio that an event stands for, until frames say better (our choice)."""
EXPLAINED = (0.08, 0.16)
"""Share of the changes of 8x8 cells that events must explain to be believed a little, and wholly (our choice: CamVid
with simulated events has 0.7 from clean frames, 0.2 to 0.5 from blurred ones, below 0.06 where events lie 8 pixels
off)."""
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
_FADES = 0.9
_QUIET = (2e-4, 1e-5)
"""Frames in which cells are predicted to change less, and do change less (squared), do not count; noisy ones change
always."""


@dataclass(frozen=True)
class Agreement:
    """What is known of how events and frames fit together: a value.

    Attributes:
        cells: of 8x8 pixels, the sums of change times prediction (for a contrast of 1), prediction squared, and change
            squared.
        pixels: the first two sums of single pixels, from frames that the events explain well.
        noisy: the same from noisy frames.

    To begin with, about a frame's worth that events of `CONTRAST` explain wholly.
    """

    cells: tuple[float, float, float] = (CONTRAST * 0.004, 0.004, CONTRAST**2 * 0.004)
    pixels: tuple[float, float] = (CONTRAST * 0.01, 0.01)
    noisy: tuple[float, float] = (CONTRAST * 0.002, 0.002)

    @property
    def contrast(self) -> float:
        """Natural logarithm of the light ratio that an event stands for, as frames and events together say."""
        return self.pixels[0] / self.pixels[1]

    @property
    def explained(self) -> float:
        """Share of the changes of cells that the events explain, 0 to 1."""
        together, predicted, changed = self.cells
        return max(together, 0.0) ** 2 / max(predicted * changed, 1e-12)

    @property
    def followed(self) -> float:
        """Share of what the events say that noisy frames follow; 1 for all."""
        return self.noisy[0] / max(self.noisy[1], 1e-12) / self.contrast

    def belief(self, noisy: bool) -> float:
        """How far a prediction from events is to be believed, 0 to 1, for a noisy frame or another."""
        belief = ramp(self.explained, *EXPLAINED)
        return belief * ramp(self.followed, *FOLLOWED) if noisy else belief

    def after(self, frame: np.ndarray, before: np.ndarray, change: np.ndarray, noisy: bool) -> Agreement:
        """The agreement with one more frame.

        Args:
            frame: ``(H, W, C) uint8``.
            before: the frame before, codes 0 … 1, ``(3, H, W) float32``.
            change: events in between, on minus off, ``(H, W) int16``.
            noisy: whether the frame is.
        """
        cells, (together, predicted, changed) = _compare(frame, before, change)
        if cells[1] < _QUIET[0] and (noisy or cells[2] < _QUIET[1]):
            return self
        if noisy:
            return replace(self, noisy=_faded(self.noisy, (together, predicted)))
        known = replace(self, cells=_faded(self.cells, cells))
        low, high = PLAUSIBLE
        # A blurred frame changes less than events say, and that the more, the finer one looks.
        sharp = together**2 > SHARP * predicted * changed and together * cells[1] > 0.75 * cells[0] * predicted
        if sharp and low * predicted < together < high * predicted:
            known = replace(known, pixels=_faded(self.pixels, (together, predicted)))
        return known


def ramp(value: float, zero: float, one: float) -> float:
    """0 up to `zero`, 1 from `one` on, a straight line in between; `one` may be the smaller."""
    return min(max((value - zero) / (one - zero), 0.0), 1.0)


def _faded(old, new):
    return tuple(_FADES * before + float(now) for before, now in zip(old, new, strict=True))


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def luma(frame, y, x):
    """Brightness of a pixel of ``(H, W, C) uint8`` in codes, weighted as ITU-R BT.709 weighs light."""
    if frame.shape[2] == 1:
        return np.float32(frame[y, x, 0])
    return (
        np.float32(0.2126) * frame[y, x, 0] + np.float32(0.7152) * frame[y, x, 1] + np.float32(0.0722) * frame[y, x, 2]
    )


@numba.njit(cache=True, nogil=True, fastmath=True)
def _compare(frame, before, change):
    """Change times prediction, prediction squared, change squared: means over cells of 8x8 pixels, what all cells have
    in common taken out (lights, exposure), and means over pixels. Every other pixel and row is looked at; white pixels
    and broken ones are left out."""
    height, width = change.shape
    cells, pixels, count = np.zeros(5), np.zeros(3), 0
    for top in range(0, height - 7, 8):
        for left in range(0, width - 7, 8):
            change_sum, prediction_sum = np.float32(0), np.float32(0)
            for y in range(top, top + 8, 2):
                for x in range(left, left + 8, 2):
                    now = luma(frame, y, x) * np.float32(1 / 255)
                    was = (
                        np.float32(0.2126) * before[0, y, x]
                        + np.float32(0.7152) * before[1, y, x]
                        + np.float32(0.0722) * before[2, y, x]
                    )
                    if now > np.float32(0.97) or was > np.float32(0.97) or abs(change[y, x]) > MOST_EVENTS:
                        continue
                    prediction = (was + np.float32(OFFSET)) * change[y, x] * np.float32(1 / GAMMA)
                    pixels[0] += (now - was) * prediction
                    pixels[1] += prediction * prediction
                    pixels[2] += (now - was) * (now - was)
                    change_sum += now - was
                    prediction_sum += prediction
            cells[0] += change_sum * prediction_sum
            cells[1] += prediction_sum * prediction_sum
            cells[2] += change_sum * change_sum
            cells[3] += change_sum
            cells[4] += prediction_sum
            count += 1
    count = max(count, 1)
    cells, pixels = cells / count, pixels / (16 * count)
    together, predicted = cells[0] - cells[3] * cells[4], cells[1] - cells[4] * cells[4]
    changed = cells[2] - cells[3] * cells[3]
    return (together / 256, predicted / 256, changed / 256), (pixels[0], pixels[1], pixels[2])
