"""What night, sun, motion and a loose cable do to frames; the events stay as they were.

All of them act on linear light (sRGB decoded) and give 8-bit sRGB again:

- ``dark``: light / 32, then read noise of standard deviation 2/255 on the same linear scale, then 8 bit;
- ``overexposed``: light x 6, clipped at white;
- ``blur``: the mean over 21 pixels along the motion, one direction for the whole picture (our choice);
- ``blackout:N``: the last N frames, the labelled one included, do not arrive.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

from halsie_ros.datasets.samples import Sample
from halsie_ros.errors import ParameterError
from halsie_ros.kernels import njit
from halsie_ros.pictures.srgb import TO_LIGHT, to_codes, to_luminance

KINDS = ("none", "dark", "overexposed", "blur", "blackout")
BLUR_PX = 21
READ_NOISE = 2 / 255


def dark(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A 32nd of the light, with read noise; uint8 of the image's shape."""
    light = TO_LIGHT[image] / 32
    return to_codes(light + rng.standard_normal(light.shape, np.float32) * np.float32(READ_NOISE))


def overexposed(image: np.ndarray) -> np.ndarray:
    """Six times the light, clipped; uint8 of the image's shape."""
    return to_codes(TO_LIGHT[image] * 6)


def blur(image: np.ndarray, direction: np.ndarray, length_px: int = BLUR_PX) -> np.ndarray:
    """The mean over a line of `length_px` pixels along `direction` (x, y), centred; uint8 of the image's shape."""
    light = TO_LIGHT[image]
    unit = np.asarray(direction, float) / max(float(np.hypot(*direction)), 1e-9)
    out = np.empty_like(light.reshape(*light.shape[:2], -1))
    _line_mean(light.reshape(out.shape), unit[0], unit[1], length_px, out)
    return to_codes(out.reshape(light.shape))


@njit(fastmath=True)
def _line_mean(light, unit_x, unit_y, length, out):
    height, width, channels = light.shape
    out[:] = 0
    for k in range(length):
        offset_x, offset_y = (k - (length - 1) / 2) * unit_x, (k - (length - 1) / 2) * unit_y
        left, top = int(np.floor(offset_x)), int(np.floor(offset_y))
        fx, fy = np.float32(offset_x - left), np.float32(offset_y - top)
        for y in range(height):
            y0, y1 = min(max(y + top, 0), height - 1), min(max(y + top + 1, 0), height - 1)
            for x in range(width):
                x0, x1 = min(max(x + left, 0), width - 1), min(max(x + left + 1, 0), width - 1)
                for c in range(channels):
                    upper = light[y0, x0, c] + fx * (light[y0, x1, c] - light[y0, x0, c])
                    lower = light[y1, x0, c] + fx * (light[y1, x1, c] - light[y1, x0, c])
                    out[y, x, c] += (upper + fy * (lower - upper)) / np.float32(length)


def motion_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whole-picture movement from one frame to the next by phase correlation: (2,) float64 pixels x, y."""
    first, second = to_luminance(before), to_luminance(after)
    window = np.hanning(first.shape[0])[:, None] * np.hanning(first.shape[1])[None, :]
    spectrum = np.fft.rfft2(second * window) * np.conj(np.fft.rfft2(first * window))
    peak = np.fft.irfft2(spectrum / np.maximum(np.abs(spectrum), 1e-12), first.shape)
    row, column = np.unravel_index(int(np.argmax(peak)), peak.shape)
    height, width = first.shape
    return np.array([(column + width // 2) % width - width // 2, (row + height // 2) % height - height // 2], float)


@dataclass(frozen=True)
class Degradation:
    """One kind of degradation.

    Attributes:
        kind: one of `KINDS`.
        count: frames missing, for blackout; else 0.
    """

    kind: str = "none"
    count: int = 0

    @classmethod
    def parse(cls, text: str) -> Degradation:
        """From the command line: none, dark, overexposed, blur, blackout:N.

        Raises:
            ParameterError: any other word.
        """
        match = re.fullmatch(r"blackout:(\d+)", text)
        if match and int(match[1]) > 0:
            return cls("blackout", int(match[1]))
        if text in KINDS and text != "blackout":
            return cls(text)
        raise ParameterError(f"--degrade {text}: choose none, dark, overexposed, blur or blackout:N with N at least 1")

    def __str__(self) -> str:
        return f"blackout:{self.count}" if self.kind == "blackout" else self.kind

    def frames(self, sample: Sample) -> list[np.ndarray | None]:
        """The sample's frames as the camera would have given them; None where none arrives. Reproducible by name."""
        frames: list[np.ndarray | None] = list(sample.frames)
        if self.kind == "blackout":
            frames[max(0, len(frames) - self.count) :] = [None] * min(self.count, len(frames))
        elif self.kind == "blur":
            motion = sample.motion_px
            if motion is None and len(sample) > 1:
                motion = motion_between(sample.frames[-2], sample.frames[-1])
            frames = [blur(frame, _direction(motion)) for frame in sample.frames]
        elif self.kind != "none":
            rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
            frames = [self.frame(frame, None, rng) for frame in sample.frames]
        return frames

    def frame(self, image: np.ndarray, previous: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
        """One frame of a stream, degraded; a blackout has no meaning here and changes nothing.

        Args:
            image: the frame, uint8.
            previous: the one before, undegraded, which tells the motion for blur; None: there was none.
            rng: of the read noise.
        """
        if self.kind == "dark":
            return dark(image, rng)
        if self.kind == "overexposed":
            return overexposed(image)
        if self.kind == "blur":
            return blur(image, _direction(None if previous is None else motion_between(previous, image)))
        return image


def _direction(motion: np.ndarray | None) -> np.ndarray:
    """Where the picture moved; to the right where it did not move by half a pixel."""
    return np.array([1.0, 0.0]) if motion is None or np.hypot(*motion) < 0.5 else motion
