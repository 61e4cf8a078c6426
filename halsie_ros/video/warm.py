"""Compiling what H.264 streams need before the first packet comes: it takes seconds, once per installation."""

from __future__ import annotations

import numpy as np

from halsie_ros.video.codecs.cabac import padded
from halsie_ros.video.codecs.h264.elements import INTRA
from halsie_ros.video.codecs.h264.ends import contexts_at
from halsie_ros.video.codecs.h264.macroblocks import read_slice
from halsie_ros.video.codecs.h264.motion import Grid


def warm() -> None:
    """Compiles the reading of H.264 pictures to their end, or loads it, by one macroblock of zeros."""
    data = bytes(8)
    read_slice(
        padded(data), len(data), 0, np.asarray(contexts_at(0, 26)), INTRA, 0, 0, 1, (0, 0), False, False, True,
        Grid.of(1),
    )  # fmt: skip
