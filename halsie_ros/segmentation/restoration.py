"""Noisy and blurred frames, restored by events before the network sees them (our choice; the paper feeds frames raw).

Events say how the brightness of a pixel has changed since the last frame, free of that frame's noise and of motion
blur. The last restored frame, carried on by them, predicts the new frame; the two are averaged, with more weight for
the prediction the worse the frame is: the direct form of the complementary filter (Scheerlinck et al., ACCV 2018), with
weights per frame. A good frame passes as it is.

A frame's quality is read off the frame itself: how much neighbouring pixels differ, as a share of how much pixels at a
distance of 8 do. Scenes have about 0.3 to 0.6, noise that drowns them 1, blur over many pixels 1/8 in its direction. A
soft lens looks like blur; its frames are restored too, which costs them nothing where events and frames fit together.

Whether they do is measured all along, in cells of 8x8 pixels, which blur hardly touches: where events do not explain
how frames change, as with a wrong registration, nothing is restored. How much brightness an event stands for (the
sensor's contrast threshold) is told by frames that the events explain pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np

from halsie_ros.events import Events

GAMMA, OFFSET = 2.4, 0.055
"""Codes c of sRGB light L (IEC 61966-2-1): ``c + OFFSET`` grows as ``L ** (1 / GAMMA)``, so an event multiplies it."""
CONTRAST = 0.22
"""Natural logarithm of the light ratio that an event stands for, until good frames say better (our choice)."""
NOISY = (0.60, 0.75)
"""Mean fine to coarse difference from which a frame counts as noisy, and as wholly so."""
BLURRED = (0.30, 0.22)
"""Smallest fine to coarse difference of a direction from which a frame counts as blurred, and as wholly so."""
LEAST_WEIGHT = 0.3
"""Share of a wholly noisy or blurred frame in its restoration."""
EXPLAINED = (0.08, 0.16)
"""Share of the changes of 8x8 cells that events must explain to be believed a little, and wholly (our choice: CamVid
with simulated events has 0.7 from clean frames, 0.2 to 0.5 from blurred ones, below 0.06 where events lie 8 pixels
off)."""
SHARP = 0.35
"""Share of the changes of pixels that events must explain in a frame for it to tell their contrast (a real DAVIS
recording has 0.4 to 0.5, blurred frames up to 0.3)."""
PLAUSIBLE = (0.1, 1.5)
"""Contrasts that are believed; cameras without gamma correction seem to have up to `GAMMA` times their sensor's."""
LONGEST_GAP_US = 500_000
"""Frames further apart do not help each other: too many events, each a little wrong, lie between them."""
_MOST_EVENTS = 24
_DIRECTIONS = np.array([[0, 1], [1, 0], [1, 1], [1, -1]])
_BEFORE = (CONTRAST * 0.004, 0.004, CONTRAST**2 * 0.004, CONTRAST * 0.01, 0.01)
"""Evidence to start with: about a frame's worth, which events of `CONTRAST` explain wholly."""
_FADES = 0.9
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
        evidence: means over frames, older ones fading: of 8x8 cells the change times what the events predict of it
            (for a contrast of 1), that prediction squared, the change squared; of pixels the first two.
    """

    image: np.ndarray
    change: np.ndarray
    t_us: int
    frames: int = 1
    weight: float = 1.0
    evidence: tuple[float, ...] = _BEFORE

    @property
    def contrast(self) -> float:
        """Natural logarithm of the light ratio that an event stands for, as frames and events together say."""
        return self.evidence[3] / self.evidence[4]

    @property
    def explained(self) -> float:
        """Share of the frames' changes that the events explain, 0 to 1."""
        return max(self.evidence[0], 0.0) ** 2 / (self.evidence[1] * self.evidence[2])


def carry(restored: Restored | None, events: Events) -> Restored | None:
    """Notes the events of a window ``(H, W pixels)`` after the last frame; None stays None."""
    if restored is None or not len(events):
        return restored
    change = restored.change.copy()
    _add(events.x, events.y, events.polarity, change)
    return replace(restored, change=change)


def restore(frame: np.ndarray, restored: Restored | None, t_us: int) -> Restored:
    """Takes a frame, and gives it as the network should see it.

    Args:
        frame: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8`` grey.
        restored: the frame before with all events since, see `carry`; None: there is none, or no events.
        t_us: time of the frame.
    """
    # Writable and without gaps, as one kind of array: others would be compiled for in the midst of a stream.
    frame = np.require(frame if frame.ndim == 3 else frame[:, :, None], np.uint8, ("C", "W"))
    height, width = frame.shape[:2]
    image = np.empty((3, height, width), np.float32)
    change = np.zeros((height, width), np.int16)
    luma_weight, chroma_weight = weights(frame)
    good = luma_weight == 1.0 == chroma_weight
    if restored is None or not 0 < t_us - restored.t_us <= LONGEST_GAP_US:
        _to_planes(frame, image)
        evidence = _BEFORE if restored is None else restored.evidence
        return Restored(image, change, t_us, _ENOUGH if good else 1, evidence=evidence)
    evidence = restored.evidence
    if chroma_weight == 1.0:
        evidence = _more(evidence, _evidence(frame, restored.image, restored.change))
        restored = replace(restored, evidence=evidence)
    if good:
        _to_planes(frame, image)
        return Restored(image, change, t_us, _ENOUGH, evidence=evidence)
    belief = _ramp(restored.explained, *EXPLAINED)
    frames = min(restored.frames + 1, _ENOUGH)
    luma_weight, chroma_weight = (1 - belief * (1 - max(weight, 1 / frames)) for weight in (luma_weight, chroma_weight))
    factors = np.exp(restored.contrast / GAMMA * np.arange(-_MOST_EVENTS, _MOST_EVENTS + 1)).astype(np.float32)
    _blend(frame, restored.image, restored.change, factors, np.float32(luma_weight), np.float32(chroma_weight), image)
    return Restored(image, change, t_us, frames, luma_weight, evidence)


def _more(evidence: tuple[float, ...], new: tuple[float, ...]) -> tuple[float, ...]:
    """The evidence with a frame's, given as `_evidence` gives it."""
    cells = tuple(_FADES * old + one for old, one in zip(evidence[:3], new[:3]))
    together, predicted, changed = new[3:]
    low, high = PLAUSIBLE
    # A blurred frame changes less than events say, and that the more, the finer one looks.
    sharp = together**2 > SHARP * predicted * changed and together * new[1] > 0.75 * new[0] * predicted
    if not (sharp and low * predicted < together < high * predicted):
        return (*cells, *evidence[3:])
    return (*cells, _FADES * evidence[3] + together, _FADES * evidence[4] + predicted)


def weights(frame: np.ndarray) -> tuple[float, float]:
    """How far a frame ``(H, W, C) uint8`` is to be believed, from `LEAST_WEIGHT` to 1: its brightness, its colours.

    Blur leaves colours nearly as they are, noise does not.
    """
    differences = _differences(frame, _DIRECTIONS)
    if differences[:, 1].min() <= 0:
        return 1.0, 1.0
    sharpness = differences[:, 0] / differences[:, 1]
    noisy = _ramp(float(sharpness.mean()), *NOISY)
    blurred = _ramp(float(sharpness.min()), *BLURRED)
    return 1 - (1 - LEAST_WEIGHT) * max(noisy, blurred), 1 - (1 - LEAST_WEIGHT) * noisy


def _ramp(value: float, zero: float, one: float) -> float:
    return min(max((value - zero) / (one - zero), 0.0), 1.0)


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


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _luma(frame, y, x):
    """Brightness of a pixel in codes, weighted as ITU-R BT.709 weighs light."""
    if frame.shape[2] == 1:
        return np.float32(frame[y, x, 0])
    return (
        np.float32(0.2126) * frame[y, x, 0] + np.float32(0.7152) * frame[y, x, 1] + np.float32(0.0722) * frame[y, x, 2]
    )


@numba.njit(cache=True, nogil=True, fastmath=True)
def _differences(frame, directions):
    """Mean absolute difference of brightness at a distance of 1 and of 8, per direction ``(4, 2)``; every 4th pixel."""
    height, width = frame.shape[0], frame.shape[1]
    sums = np.zeros((len(directions), 2))
    for d in range(len(directions)):
        down, right = directions[d, 0], directions[d, 1]
        for y in range(0, height - 8, 4):
            fine, coarse = np.float32(0), np.float32(0)
            for x in range(8, width - 8, 4):
                here = _luma(frame, y, x)
                fine += abs(_luma(frame, y + down, x + right) - here)
                coarse += abs(_luma(frame, y + 8 * down, x + 8 * right) - here)
            sums[d, 0] += fine
            sums[d, 1] += coarse
    return sums


@numba.njit(cache=True, nogil=True, fastmath=True)
def _evidence(frame, before, change):
    """Change times prediction, prediction squared and change squared: the means over cells of 8x8 pixels, then those
    over pixels. Every other pixel and row is looked at, clipped pixels are left out."""
    height, width = change.shape
    pixels, cells, count = np.zeros(3), np.zeros(3), 0
    for top in range(0, height - 7, 8):
        for left in range(0, width - 7, 8):
            change_sum, prediction_sum = np.float32(0), np.float32(0)
            for y in range(top, top + 8, 2):
                for x in range(left, left + 8, 2):
                    now = _luma(frame, y, x) * np.float32(1 / 255)
                    was = (
                        np.float32(0.2126) * before[0, y, x]
                        + np.float32(0.7152) * before[1, y, x]
                        + np.float32(0.0722) * before[2, y, x]
                    )
                    if now > np.float32(0.97) or was > np.float32(0.97):
                        continue
                    prediction = (was + np.float32(OFFSET)) * change[y, x] * np.float32(1 / GAMMA)
                    pixels[0] += (now - was) * prediction
                    pixels[1] += prediction * prediction
                    pixels[2] += (now - was) * (now - was)
                    change_sum += now - was
                    prediction_sum += prediction
            cells[0] += change_sum * prediction_sum / 256
            cells[1] += prediction_sum * prediction_sum / 256
            cells[2] += change_sum * change_sum / 256
            count += 1
    count = max(count, 1)
    return (
        cells[0] / count, cells[1] / count, cells[2] / count,
        pixels[0] / count / 16, pixels[1] / count / 16, pixels[2] / count / 16,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, fastmath=True)
def _blend(frame, before, change, factors, luma_weight, chroma_weight, image):
    """The frame and its prediction averaged: brightness by one weight, what is left of the colours by the other."""
    height, width, channels = frame.shape
    most = len(factors) // 2
    one = np.float32(1)
    for y in range(height):
        for x in range(width):
            factor = factors[min(max(change[y, x], -most), most) + most]
            red, green, blue = (
                (before[0, y, x] + np.float32(OFFSET)) * factor - np.float32(OFFSET),
                (before[1, y, x] + np.float32(OFFSET)) * factor - np.float32(OFFSET),
                (before[2, y, x] + np.float32(OFFSET)) * factor - np.float32(OFFSET),
            )
            last = 2 if channels == 3 else 0
            to_red = frame[y, x, 0] * np.float32(1 / 255) - red
            to_green = frame[y, x, last // 2] * np.float32(1 / 255) - green
            to_blue = frame[y, x, last] * np.float32(1 / 255) - blue
            luma = np.float32(0.2126) * to_red + np.float32(0.7152) * to_green + np.float32(0.0722) * to_blue
            shift = (luma_weight - chroma_weight) * luma
            image[0, y, x] = min(max(red + shift + chroma_weight * to_red, np.float32(0)), one)
            image[1, y, x] = min(max(green + shift + chroma_weight * to_green, np.float32(0)), one)
            image[2, y, x] = min(max(blue + shift + chroma_weight * to_blue, np.float32(0)), one)
