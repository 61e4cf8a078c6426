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
from halsie_ros.pictures.damage import blur, dark, motion_between, overexposed

KINDS = ("none", "dark", "overexposed", "blur", "blackout")


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
