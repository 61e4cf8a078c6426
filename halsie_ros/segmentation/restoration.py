"""Noisy and blurred frames, restored by events before the network sees them (our choice; the paper feeds frames raw).

Events say how the brightness of a pixel has changed since the last frame, free of that frame's noise and of motion
blur. The last restored frame, carried on by them, predicts the new frame; the two are averaged, with more weight for
the prediction the worse the frame is: the direct form of the complementary filter (Scheerlinck et al., ACCV 2018), with
weights per frame, and more weight for the frame in what is coarse, where neither noise nor blur does harm and where the
errors of events add up (our choice). A good frame passes as it is.

A frame's quality is read off the frame itself: how much neighbouring pixels differ, as a share of how much pixels at a
distance of 8 do. Scenes have about 0.3 to 0.6, noise that drowns them 1, blur over many pixels 1/8 in its direction. A
soft lens looks like blur; its frames are averaged too, which costs little where events and frames fit together. Whether
they do is measured all along, see `agreement`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from halsie_ros.events import Events
from halsie_ros.kernels import njit
from halsie_ros.segmentation.agreement import GAMMA, MOST_EVENTS, OFFSET, Agreement, brightness, luma, ramp

NOISY = (0.60, 0.75)
"""Mean fine to coarse difference from which a frame counts as noisy, and as wholly so."""
BLURRED = (0.30, 0.22)
"""Smallest fine to coarse difference of a direction from which a frame counts as blurred, and as wholly so."""
LEAST_WEIGHT = 0.2
"""Share of a wholly noisy or blurred frame in its restoration, in what is finer than a cell."""
COARSE_WEIGHT = 0.6
"""The same, in what cells of `COARSE_CELL_PX` show."""
COARSE_CELL_PX = 16
"""Side of the cells whose means are what is coarse."""
FRAMES_AVERAGED = 5
"""A restored image is made of so many frames at most; a good frame alone counts as that many."""
LONGEST_GAP_US = 500_000
"""Frames further apart do not help each other: too many events, each a little wrong, lie between them."""
_LONG_AGO = -(1 << 62)
_DIRECTIONS = np.array([[0, 1], [1, 0], [1, 1], [1, -1]])


@dataclass(frozen=True, eq=False)
class Restored:
    """The last frame as the network saw it, and what has happened since: a value, handed from step to step.

    Attributes:
        picture: RGB codes 0 … 1, ``(3, H, W) float32``; where nothing was restored the frame, ``(H, W, C) uint8``.
        brightness: of the frame as it came, see `agreement.brightness`.
        change: events since then, on minus off, ``(H, W) int16``.
        t_us: time of the frame.
        frames: how many frames the image is made of, see `FRAMES_AVERAGED`.
        weight: share of its own frame in the image's fine brightness; 1 where nothing was restored.
        agreement: how far events can be believed, and what contrast they stand for.
    """

    picture: np.ndarray
    brightness: np.ndarray
    change: np.ndarray
    t_us: int
    frames: int = 1
    weight: float = 1.0
    agreement: Agreement = field(default_factory=Agreement)

    @property
    def image(self) -> np.ndarray:
        """The picture as RGB codes 0 … 1, ``(3, H, W) float32``."""
        if self.picture.dtype != np.uint8:
            return self.picture
        image = np.empty((3, *self.picture.shape[:2]), np.float32)
        _to_planes(self.picture, image)
        return image

    def outdated(self) -> Restored:
        """The same, not to be used for another frame but for what it says of the events: some of them are missing."""
        return replace(self, t_us=_LONG_AGO)


class FrameShares(NamedTuple):
    """Share of the frame itself in what is made of it, 0 to 1, float32; the rest is what events predict.

    Attributes:
        fine: in brightness that is finer than a cell.
        coarse: in the brightness of cells.
        fine_colour: in colours finer than a cell.
        coarse_colour: in the colours of cells.
    """

    fine: np.float32
    coarse: np.float32
    fine_colour: np.float32
    coarse_colour: np.float32

    @classmethod
    def of(cls, brightness_harm: float, colour_harm: float, belief: float, frames: int) -> FrameShares:
        """The shares of a frame.

        Args:
            brightness_harm: how noisy or blurred its brightness is, see `damage`.
            colour_harm: how noisy its colours are.
            belief: how far the prediction is to be believed, see `Agreement.belief`.
            frames: how many frames the prediction and this one are made of: none counts more than its part.
        """
        weights = [
            1 - belief * (1 - max(1 - (1 - least) * harm, 1 / frames))
            for harm in (brightness_harm, colour_harm)
            for least in (LEAST_WEIGHT, COARSE_WEIGHT)
        ]
        return cls(*map(np.float32, weights))


def carry(restored: Restored | None, events: Events | None) -> Restored | None:
    """Notes the events of a window after the last frame; None for `restored` stays None.

    Args:
        restored: the last frame and the events since.
        events: in the frame's pixels; None where it is not known what happened: what came before then restores no
            further frame.
    """
    if restored is None:
        return None
    if events is None:
        return restored.outdated()
    if not len(events):
        return restored
    change = restored.change.copy()
    _add(events.x, events.y, events.polarity, change)
    return replace(restored, change=change)


def restore(frame: np.ndarray, restored: Restored | None, t_us: int) -> Restored:
    """Takes a frame, and gives it as the network should see it.

    Without any event since the last frame a frame passes as it is, whatever its quality: the event camera may be dead.

    Args:
        frame: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8`` grey.
        restored: the frame before, with all events since, see `carry`; None: there is none.
        t_us: time of the frame.
    """
    # Writable and without gaps, as one kind of array: others would be compiled for in the midst of a stream.
    frame = np.require(frame if frame.ndim == 3 else frame[:, :, None], np.uint8, ("C", "W"))
    grey, colour = damage(frame)
    good, noisy = grey == 0.0 == colour, colour > 0.0
    now = brightness(frame)
    agreement, belief = Agreement() if restored is None else restored.agreement, 0.0
    if restored is not None and 0 < t_us - restored.t_us <= LONGEST_GAP_US and restored.change.any():
        was = brightness(restored.image) if noisy else restored.brightness
        agreement = agreement.after(now, was, restored.change, noisy)
        belief = agreement.belief(noisy)
    height, width = frame.shape[:2]
    change = np.zeros((height, width), np.int16)
    if restored is None or good or not belief:
        return Restored(frame.copy(), now, change, t_us, FRAMES_AVERAGED if good else 1, agreement=agreement)
    frames = min(restored.frames + 1, FRAMES_AVERAGED)
    shares = FrameShares.of(grey, colour, belief, frames)
    factors = np.exp(agreement.contrast / GAMMA * np.arange(-MOST_EVENTS, MOST_EVENTS + 1)).astype(np.float32)
    before = restored.image
    image = np.empty_like(before)
    coarse = _coarse(frame, before, restored.change, factors, shares)
    _blend(frame, before, restored.change, factors, coarse, shares, image)
    return Restored(image, now, change, t_us, frames, float(shares.fine), agreement)


def damage(frame: np.ndarray) -> tuple[float, float]:
    """How noisy or blurred a frame ``(H, W, C) uint8`` is, 0 (good) to 1 (wholly): its brightness, its colours.

    Blur leaves colours nearly as they are, noise does not.
    """
    differences = _differences(frame, _DIRECTIONS)
    if differences[:, 1].min() <= 0:
        return 0.0, 0.0
    sharpness = differences[:, 0] / differences[:, 1]
    noisy = ramp(float(sharpness.mean()), *NOISY)
    blurred = ramp(float(sharpness.min()), *BLURRED)
    return max(noisy, blurred), noisy


@njit()
def _add(x, y, polarity, change):
    height, width = change.shape
    for k in range(len(x)):
        if x[k] < width and y[k] < height:
            change[y[k], x[k]] += np.int16(1) if polarity[k] else np.int16(-1)


@njit(fastmath=True)
def _to_planes(frame, image):
    """``(H, W, C) uint8`` to ``(3, H, W) float32`` 0 … 1; one channel stands for all three."""
    height, width, channels = frame.shape
    for c in range(3):
        source = c if channels == 3 else 0
        for y in range(height):
            for x in range(width):
                image[c, y, x] = frame[y, x, source] * np.float32(1 / 255)


@njit(fastmath=True)
def _differences(frame, directions):
    """Sums of absolute differences of brightness at a distance of 1 and of 8, per direction ``(4, 2)``; every 4th
    pixel of every 4th row is looked at."""
    height, width = frame.shape[0], frame.shape[1]
    sums = np.zeros((len(directions), 2))
    for d in range(len(directions)):
        down, right = directions[d, 0], directions[d, 1]
        for y in range(0, height - 8, 4):
            fine, coarse = np.float32(0), np.float32(0)
            for x in range(8, width - 8, 4):
                here = luma(frame, y, x)
                fine += abs(luma(frame, y + down, x + right) - here)
                coarse += abs(luma(frame, y + 8 * down, x + 8 * right) - here)
            sums[d, 0] += fine
            sums[d, 1] += coarse
    return sums


@njit(fastmath=True, inline="always")
def _cells_around(pixel, cells):
    """The two cells of `cells` whose centres lie around a pixel, and the share of the second; one at the border."""
    place = (pixel + 0.5) / COARSE_CELL_PX - 0.5
    first = min(max(int(np.floor(place)), 0), cells - 1)
    return first, min(first + 1, cells - 1), np.float32(min(max(place - first, 0.0), 1.0))


@njit(fastmath=True)
def _coarse(frame, before, change, factors, shares):
    """What a frame adds to its prediction in coarse brightness and colours beyond what it adds in fine ones, see
    `_blend`: means over cells, ``(3, rows, W)``, interpolated along x. Every other pixel of every other row is seen."""
    height, width, channels = frame.shape
    most, offset, scale = len(factors) // 2, np.float32(OFFSET), np.float32(1 / 255)
    rows, columns = -(-height // COARSE_CELL_PX), -(-width // COARSE_CELL_PX)
    middle, last = (1, 2) if channels == 3 else (0, 0)
    cells = np.zeros((3, rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            red, green, blue, count = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for y in range(row * COARSE_CELL_PX, min(row * COARSE_CELL_PX + COARSE_CELL_PX, height), 2):
                for x in range(column * COARSE_CELL_PX, min(column * COARSE_CELL_PX + COARSE_CELL_PX, width), 2):
                    if abs(change[y, x]) <= most:
                        factor = factors[change[y, x] + most]
                        red += frame[y, x, 0] * scale + offset - (before[0, y, x] + offset) * factor
                        green += frame[y, x, middle] * scale + offset - (before[1, y, x] + offset) * factor
                        blue += frame[y, x, last] * scale + offset - (before[2, y, x] + offset) * factor
                        count += 1
            grey = np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue
            colour = (shares.coarse_colour - shares.fine_colour) / max(count, np.float32(1))
            shift = (shares.coarse - shares.fine) / max(count, np.float32(1)) * grey - colour * grey
            cells[0, row, column] = shift + colour * red
            cells[1, row, column] = shift + colour * green
            cells[2, row, column] = shift + colour * blue
    wide = np.empty((3, rows, width), np.float32)
    for x in range(width):
        left, right, part = _cells_around(x, columns)
        for c in range(3):
            for row in range(rows):
                wide[c, row, x] = cells[c, row, left] + part * (cells[c, row, right] - cells[c, row, left])
    return wide


@njit(fastmath=True)
def _blend(frame, before, change, factors, coarse, shares, image):
    """A prediction corrected by its frame, which has its `FrameShares`. Pixels with more events than there are factors
    for are broken and take the frame alone."""
    height, width, channels = frame.shape
    most, offset, scale = len(factors) // 2, np.float32(OFFSET), np.float32(1 / 255)
    middle, last = (1, 2) if channels == 3 else (0, 0)
    colour, shift = shares.fine_colour, shares.fine - shares.fine_colour
    one, zero = np.float32(1), np.float32(0)
    # A row at a time, in steps that the compiler turns into vector instructions.
    factor, now = np.empty(width, np.float32), np.empty((3, width), np.float32)
    for y in range(height):
        upper, lower, low = _cells_around(y, coarse.shape[1])
        broken = 0
        for x in range(width):
            broken += abs(change[y, x]) > most
        for x in range(width):
            factor[x] = factors[min(max(change[y, x], -most), most) + most]
        for x in range(width):
            now[0, x] = frame[y, x, 0] * scale
            now[1, x] = frame[y, x, middle] * scale
            now[2, x] = frame[y, x, last] * scale
        for x in range(width):
            red = (before[0, y, x] + offset) * factor[x] - offset
            green = (before[1, y, x] + offset) * factor[x] - offset
            blue = (before[2, y, x] + offset) * factor[x] - offset
            to_red, to_green, to_blue = now[0, x] - red, now[1, x] - green, now[2, x] - blue
            grey = np.float32(0.2126) * to_red + np.float32(0.7152) * to_green + np.float32(0.0722) * to_blue
            red += shift * grey + colour * to_red
            green += shift * grey + colour * to_green
            blue += shift * grey + colour * to_blue
            red += coarse[0, upper, x] + low * (coarse[0, lower, x] - coarse[0, upper, x])
            green += coarse[1, upper, x] + low * (coarse[1, lower, x] - coarse[1, upper, x])
            blue += coarse[2, upper, x] + low * (coarse[2, lower, x] - coarse[2, upper, x])
            image[0, y, x] = min(max(red, zero), one)
            image[1, y, x] = min(max(green, zero), one)
            image[2, y, x] = min(max(blue, zero), one)
        if broken:
            for x in range(width):
                if abs(change[y, x]) > most:
                    image[0, y, x], image[1, y, x], image[2, y, x] = now[0, x], now[1, x], now[2, x]
