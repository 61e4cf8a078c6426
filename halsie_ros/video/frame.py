"""What the stream gives for every picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from halsie_ros.video.residual import residual
from halsie_ros.video.vectors import NO_BLOCKS, MotionField


@dataclass
class VideoFrame:
    """One decoded picture with its motion and whether it can be trusted.

    Attributes:
        type: "I", "P" or "B"; "?" where the codec does not say.
        keyframe: decoding can start here.
        pts: of the packet, in the sender's unit; None where the stream has none.
        stamp_ns: of the message that carried the picture (for B-frames: of this picture's own message).
        index: count of pictures in output order, from 0.
        gop: count of GOPs, from 0; a GOP starts at every trusted I-frame.
        step: predicted pictures (B-frames excepted) since the GOP's I-frame; 0 for the I-frame.
        width, height: pixels.
        trusted: False when the picture may differ from what the encoder meant.
        reason: why not; "" when trusted.
        vectors: FFmpeg's blocks `(N,) vectors.BLOCK`, empty for I-frames and for codecs without exported vectors.
        vectors_usable: the vectors refer to `reference_luma` (False: B-frames, several reference pictures, no vectors).
        luma: `(H, W) uint8`; the high 8 bits of deeper video.
        reference_luma: `(H, W) uint8` of the last picture that later ones may refer to; None at the start and after a change of size.
    """

    type: str
    keyframe: bool
    pts: int | None
    stamp_ns: int
    index: int
    gop: int
    step: int
    width: int
    height: int
    trusted: bool
    reason: str
    vectors: np.ndarray = field(default_factory=lambda: NO_BLOCKS, repr=False)
    vectors_usable: bool = False
    luma: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint8), repr=False)
    reference_luma: np.ndarray | None = field(default=None, repr=False)
    picture: Any = field(default=None, repr=False)

    @cached_property
    def motion(self) -> MotionField:
        """The vectors to the reference picture on the grid of 8 x 8 cells; without usable vectors, all still."""
        blocks = self.vectors if self.vectors_usable else NO_BLOCKS
        return MotionField.of(blocks, self.height, self.width)

    @cached_property
    def residual(self) -> np.ndarray | None:
        """`(H, W) int16` grey levels against the reference picture; None for I-frames and where there is no reference.

        Motion compensated where `vectors_usable`, else the plain difference of the two pictures (see `residual_kind`).
        """
        if self.type == "I" or self.reference_luma is None:
            return None
        return residual(self.luma, self.reference_luma, self.motion)

    @property
    def residual_kind(self) -> str:
        """"compensated", "difference" (the open fallback) or "none"."""
        if self.type == "I" or self.reference_luma is None:
            return "none"
        return "compensated" if self.vectors_usable else "difference"

    def rgb(self, height: int | None = None, width: int | None = None) -> np.ndarray:
        """The picture as `(height, width, 3) uint8` RGB, scaled by area where a size is given."""
        scaled = self.picture.reformat(
            width=width or self.width, height=height or self.height, format="rgb24", interpolation="AREA"
        )
        return np.asarray(scaled.to_ndarray())

    @property
    def image(self) -> np.ndarray | None:
        """`(H, W, 3) uint8` RGB of an I-frame, converted when asked for; None for other frames."""
        return self.rgb() if self.type == "I" else None
