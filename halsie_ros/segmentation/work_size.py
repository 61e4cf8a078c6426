"""Large pictures are segmented at a smaller size: frames and events are shrunk before, masks enlarged after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from halsie_ros.events import Events
from halsie_ros.kernels import njit
from halsie_ros.segmentation.pipeline import StepResult

Size = tuple[int, int]


def work_size(size: Size, work_height: int) -> Size:
    """The (H, W) at which pictures of `size` are segmented: `work_height` rows where they have more, 0 for any size;
    the shape stays."""
    height, width = size
    if not 0 < work_height < height:
        return size
    return work_height, max(1, round(width * work_height / height))


def shrunk_frame(frame: np.ndarray, size: Size) -> np.ndarray:
    """``(H, W[, 3]) uint8`` at a smaller size: each pixel the mean of those that it covers."""
    out = np.empty((*size, frame.shape[2] if frame.ndim == 3 else 1), np.uint8)
    _box_mean(frame if frame.ndim == 3 else frame[..., None], out)
    return out if frame.ndim == 3 else out[..., 0]


def shrunk_events(events: Events, full: Size, size: Size) -> Events:
    """Events of pictures of `full` size in pixels of `size`."""
    x = (events.x.astype(np.int64) * size[1] // full[1]).astype(events.x.dtype)
    y = (events.y.astype(np.int64) * size[0] // full[0]).astype(events.y.dtype)
    return Events(x, y, events.t_us, events.polarity)


def enlarged(result: StepResult, full: Size) -> StepResult:
    """A result whose mask and confidence have `full` size, of nearest pixels; its state keeps the work's."""
    height, width = result.mask.shape
    rows = np.arange(full[0]) * height // full[0]
    columns = np.arange(full[1]) * width // full[1]
    mask, confidence = (one[rows].take(columns, 1) for one in (result.mask, result.confidence))
    return replace(result, mask=mask, confidence=confidence)


@njit()
def _box_mean(frame: np.ndarray, out: np.ndarray) -> None:
    """Fills `out` with means over the boxes of `frame`, both ``(H, W, C) uint8``."""
    height, width, channels = frame.shape
    rows, columns, _ = out.shape
    for y in range(rows):
        top, bottom = y * height // rows, max(y * height // rows + 1, (y + 1) * height // rows)
        for x in range(columns):
            left, right = x * width // columns, max(x * width // columns + 1, (x + 1) * width // columns)
            count = (bottom - top) * (right - left)
            for c in range(channels):
                total = 0
                for v in range(top, bottom):
                    for u in range(left, right):
                        total += frame[v, u, c]
                out[y, x, c] = (total + count // 2) // count
