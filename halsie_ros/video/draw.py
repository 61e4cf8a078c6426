"""One GOP as a picture to look at: the I-frame, its vectors as arrows, its residuals."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from halsie_ros.errors import VideoError
from halsie_ros.files import write_atomically
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.vectors import CELL

_SHOWN = 3  # pictures after the I-frame
_GAIN = 3  # residuals are small; grey levels times this, around middle grey
_SHAFT, _TIP = (255, 220, 0), (255, 40, 40)


def draw_gop(frames: Sequence[VideoFrame]) -> np.ndarray:
    """Draws a GOP, I-frame first, as `(rows, columns, 3) uint8` RGB.

    The upper row: the I-frame and up to three later pictures spread over the GOP, each with its vectors as arrows
    (yellow, red at the end in the reference picture). The lower row: the I-frame's luma and the pictures' residuals,
    three times amplified around middle grey.

    Raises:
        VideoError: there are no frames, or the first is no I-frame.
    """
    if not frames or frames[0].type != "I":
        raise VideoError(
            f"a GOP of {len(frames)} frames without an I-frame at its start cannot be drawn: choose another GOP"
        )
    later = [frame for frame in frames[1:] if frame.residual_kind != "none"]
    predicted = [frame for frame in later if frame.vectors_use != "none"] or later
    count = min(_SHOWN, len(predicted))
    chosen = [predicted[(index + 1) * len(predicted) // count - 1] for index in range(count)]
    upper = [frames[0].rgb()]
    lower = [np.repeat(frames[0].luma[:, :, None], 3, axis=2)]
    for frame in chosen:
        upper.append(with_arrows(frame.rgb(), frame))
        grey = np.clip(128 + _GAIN * np.asarray(frame.residual, np.int32), 0, 255).astype(np.uint8)
        lower.append(np.repeat(grey[:, :, None], 3, axis=2))
    return np.vstack([np.hstack(upper), np.hstack(lower)])


def with_arrows(image: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """The image `(H, W, 3) uint8` with an arrow per 16 x 16 pixels, from a cell to its place in the reference."""
    out = image.copy()
    vectors = frame.motion.vectors
    height, width = out.shape[:2]
    for row in range(0, vectors.shape[1], 2):
        for column in range(0, vectors.shape[2], 2):
            dx, dy = vectors[:, row, column]
            length = int(max(abs(dx), abs(dy)))
            if length < 1:
                continue
            along = np.linspace(0, 1, 2 * length + 1)
            x = np.rint((column + 1) * CELL + along * dx).astype(int)
            y = np.rint((row + 1) * CELL + along * dy).astype(int)
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            colours = np.where((along > 0.75)[:, None], _TIP, _SHAFT)
            out[y[inside], x[inside]] = colours[inside]
    return out


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes `(H, W, 3) uint8` RGB as PNG, whole or not at all."""
    height, width = image.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # a filter byte (0: none) before each row
    rows[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    write_atomically(path, b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
