"""What the stream gives for every picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from halsie_ros.video.residual import residual, without_misfits
from halsie_ros.video.vectors import MotionField, blocks_of, turned_blocks


def turned(picture: np.ndarray, quarter_turns: int) -> np.ndarray:
    """A picture `(H, W, ...)` turned anticlockwise, in rows without gaps; itself where there is nothing to do."""
    return np.ascontiguousarray(np.rot90(picture, quarter_turns)) if quarter_turns else picture


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
        vectors_use: "all": the vectors refer to `reference_luma`. "checked": they may refer to other pictures (several
            references, interlaced), so only those that predict better than no motion are used. "none": no vectors, a
            B-frame, or no reference.
        quarter_turns: by which the decoder's picture was turned anticlockwise (telephones store portraits lying); all
            arrays here are upright.
        luma: `(H, W) uint8`; the high 8 bits of deeper video.
        reference_luma: `(H, W) uint8` of the last picture that later ones may refer to; None at the start and after a
            change of size.
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
    vectors_use: str = "none"
    luma: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint8), repr=False)
    reference_luma: np.ndarray | None = field(default=None, repr=False)
    picture: Any = field(default=None, repr=False)
    quarter_turns: int = 0

    @cached_property
    def vectors(self) -> np.ndarray:
        """FFmpeg's blocks `(N,) vectors.BLOCK`, empty for I-frames and for codecs without exported vectors."""
        blocks = blocks_of(self.picture)
        return turned_blocks(blocks, self.quarter_turns, self.height, self.width) if self.quarter_turns else blocks

    @cached_property
    def motion(self) -> MotionField:
        """The vectors to the reference picture on the grid of 8 x 8 cells; all still where none is usable."""
        if self.vectors_use == "none" or self.reference_luma is None:
            return MotionField.still(self.height, self.width)
        field = MotionField.of(self.vectors, self.height, self.width)
        return field if self.vectors_use == "all" else without_misfits(field, self.luma, self.reference_luma)

    @cached_property
    def residual(self) -> np.ndarray | None:
        """`(H, W) int16` grey levels against the reference picture; None for I-frames and without a reference."""
        if self.type == "I" or self.reference_luma is None:
            return None
        return residual(self.luma, self.reference_luma, self.motion)

    @property
    def residual_kind(self) -> str:
        """ "compensated", "difference" (the open fallback: plain difference to the last I- or P-frame) or "none"."""
        if self.type == "I" or self.reference_luma is None:
            return "none"
        return "difference" if self.vectors_use == "none" else "compensated"

    def rgb(self, height: int | None = None, width: int | None = None) -> np.ndarray:
        """The picture as `(height, width, 3) uint8` RGB, scaled by area where a size is given."""
        height, width = height or self.height, width or self.width
        if self.quarter_turns % 2:
            height, width = width, height
        scaled = self.picture.reformat(width=width, height=height, format="rgb24", interpolation="AREA", threads=1)
        return turned(np.asarray(scaled.to_ndarray()), self.quarter_turns)

    @property
    def image(self) -> np.ndarray | None:
        """`(H, W, 3) uint8` RGB of an I-frame, converted when asked for; None for other frames."""
        return self.rgb() if self.type == "I" else None
