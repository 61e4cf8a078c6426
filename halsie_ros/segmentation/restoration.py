"""Noisy and blurred frames, restored by events before the network sees them (our choice; the paper feeds frames raw).

Events say how the brightness of a pixel has changed since the last frame, free of that frame's noise and of motion
blur. The last restored frame, carried on by them, predicts the new frame; the two are averaged, with more weight for
the prediction the worse the frame is: the direct form of the complementary filter (Scheerlinck et al., ACCV 2018), with
weights per frame. A good frame passes as it is.

A frame's quality is read off the frame itself: how much neighbouring pixels differ, as a share of how much pixels at a
distance of 8 do. Scenes have about 0.3 to 0.6, noise that drowns them 1, blur over many pixels 1/8 in its direction. A
soft lens looks like blur; its frames are averaged too, which costs little where events and frames fit together. Whether
they do is measured all along, see `agreement`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numba
import numpy as np

from halsie_ros.events import Events
from halsie_ros.segmentation.agreement import GAMMA, MOST_EVENTS, OFFSET, Agreement, luma, ramp

NOISY = (0.60, 0.75)
"""Mean fine to coarse difference from which a frame counts as noisy, and as wholly so."""
BLURRED = (0.30, 0.22)
"""Smallest fine to coarse difference of a direction from which a frame counts as blurred, and as wholly so."""
LEAST_WEIGHT = 0.3
"""Share of a wholly noisy or blurred frame in its restoration."""
LONGEST_GAP_US = 500_000
"""Frames further apart do not help each other: too many events, each a little wrong, lie between them."""
_LONG_AGO = -(1 << 62)
_DIRECTIONS = np.array([[0, 1], [1, 0], [1, 1], [1, -1]])
_ENOUGH = 4


@dataclass(frozen=True, eq=False)
class Restored:
    """The last frame as the network saw it, and what has happened since: a value, handed from step to step.

    Attributes:
        image: RGB codes 0 … 1, ``(3, H, W) float32``.
        change: events since then, on minus off, ``(H, W) int16``.
        t_us: time of the frame.
        frames: how many frames the image is made of, at most 4; a good frame alone counts as 4.
        weight: share of its own frame in the image's brightness; 1 where nothing was restored.
        agreement: how far events can be believed, and what contrast they stand for.
    """

    image: np.ndarray
    change: np.ndarray
    t_us: int
    frames: int = 1
    weight: float = 1.0
    agreement: Agreement = field(default_factory=Agreement)

    def outdated(self) -> Restored:
        """The same, not to be used for another frame but for what it says of the events: some of them are missing."""
        return replace(self, t_us=_LONG_AGO)


def carry(restored: Restored | None, events: Events) -> Restored | None:
    """Notes the events of a window ``(H, W pixels)`` after the last frame; None stays None."""
    if restored is None or not len(events):
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
    luma_weight, chroma_weight = weights(frame)
    good, noisy = luma_weight == 1.0 == chroma_weight, chroma_weight < 1.0
    agreement, belief = Agreement() if restored is None else restored.agreement, 0.0
    if restored is not None and 0 < t_us - restored.t_us <= LONGEST_GAP_US and restored.change.any():
        agreement = agreement.after(frame, restored.image, restored.change, noisy)
        belief = agreement.belief(noisy)
    height, width = frame.shape[:2]
    image = np.empty((3, height, width), np.float32)
    change = np.zeros((height, width), np.int16)
    if restored is None or good or not belief:
        _to_planes(frame, image)
        return Restored(image, change, t_us, _ENOUGH if good else 1, agreement=agreement)
    frames = min(restored.frames + 1, _ENOUGH)
    luma_weight, chroma_weight = (1 - belief * (1 - max(weight, 1 / frames)) for weight in (luma_weight, chroma_weight))
    factors = np.exp(agreement.contrast / GAMMA * np.arange(-MOST_EVENTS, MOST_EVENTS + 1)).astype(np.float32)
    _blend(frame, restored.image, restored.change, factors, np.float32(luma_weight), np.float32(chroma_weight), image)
    return Restored(image, change, t_us, frames, luma_weight, agreement)


def weights(frame: np.ndarray) -> tuple[float, float]:
    """How far a frame ``(H, W, C) uint8`` is to be believed, from `LEAST_WEIGHT` to 1: its brightness, its colours.

    Blur leaves colours nearly as they are, noise does not.
    """
    differences = _differences(frame, _DIRECTIONS)
    if differences[:, 1].min() <= 0:
        return 1.0, 1.0
    sharpness = differences[:, 0] / differences[:, 1]
    noisy = ramp(float(sharpness.mean()), *NOISY)
    blurred = ramp(float(sharpness.min()), *BLURRED)
    return 1 - (1 - LEAST_WEIGHT) * max(noisy, blurred), 1 - (1 - LEAST_WEIGHT) * noisy


@numba.njit(cache=True, nogil=True)
def _add(x, y, polarity, change):
    height, width = change.shape
    for k in range(len(x)):
        if x[k] < width and y[k] < height:
            change[y[k], x[k]] += np.int16(1) if polarity[k] else np.int16(-1)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _to_planes(frame, image):
    """``(H, W, C) uint8`` to ``(3, H, W) float32`` 0 … 1; one channel stands for all three."""
    height, width, channels = frame.shape
    for c in range(3):
        source = c if channels == 3 else 0
        for y in range(height):
            for x in range(width):
                image[c, y, x] = frame[y, x, source] * np.float32(1 / 255)


@numba.njit(cache=True, nogil=True, fastmath=True)
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


@numba.njit(cache=True, nogil=True, fastmath=True)
def _blend(frame, before, change, factors, luma_weight, chroma_weight, image):
    """The frame and its prediction averaged: brightness by one weight, what is left of the colours by the other. Pixels
    with more events than there are factors for take the frame alone."""
    height, width, channels = frame.shape
    most = len(factors) // 2
    one = np.float32(1)
    for y in range(height):
        for x in range(width):
            broken = abs(change[y, x]) > most
            factor = one if broken else factors[change[y, x] + most]
            red, green, blue = (
                (before[0, y, x] + np.float32(OFFSET)) * factor - np.float32(OFFSET),
                (before[1, y, x] + np.float32(OFFSET)) * factor - np.float32(OFFSET),
                (before[2, y, x] + np.float32(OFFSET)) * factor - np.float32(OFFSET),
            )
            last = 2 if channels == 3 else 0
            to_red = frame[y, x, 0] * np.float32(1 / 255) - red
            to_green = frame[y, x, last // 2] * np.float32(1 / 255) - green
            to_blue = frame[y, x, last] * np.float32(1 / 255) - blue
            brightness = np.float32(0.2126) * to_red + np.float32(0.7152) * to_green + np.float32(0.0722) * to_blue
            colour = one if broken else chroma_weight
            shift = (one if broken else luma_weight) * brightness - colour * brightness
            image[0, y, x] = min(max(red + shift + colour * to_red, np.float32(0)), one)
            image[1, y, x] = min(max(green + shift + colour * to_green, np.float32(0)), one)
            image[2, y, x] = min(max(blue + shift + colour * to_blue, np.float32(0)), one)
