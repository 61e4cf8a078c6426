"""Dense optical flow between two pictures, and the pictures between them.

Flow by the least squares of Lucas and Kanade (1981), from coarse to fine, with the second picture warped at every
round; smoothed between rounds (our choice, as all constants). It is good enough to move a street's edges from one
video frame to the next in small steps, so that simulated events follow the motion. Where it fails, at occlusions and
motions beyond its reach, the pictures between fall back to a cross-fade.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit

_SMALLEST_SIDE = 10
_ROUNDS = 4
_RADIUS = 4
_STIFFNESS = 2e-4
"""Added to the diagonal of the normal equations; pictures are in perceived brightness, 0 to 1."""


def optical_flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where each pixel of the middle between two pictures comes from and goes to.

    Args:
        before, after: ``(H, W) float32`` luminance, 0 to 1.

    Returns:
        ``(H, W, 2) float32``, x and y in pixels: ``before[p - flow / 2]`` and ``after[p + flow / 2]`` show the same.

    Raises:
        ValueError: the pictures differ in shape or are not two-dimensional.
    """
    if before.ndim != 2 or before.shape != after.shape:
        raise ValueError(f"pictures have shapes {before.shape} and {after.shape}: give two of one (H, W)")
    first, second = (_pyramid(np.sqrt(np.maximum(picture, 0)).astype(np.float32)) for picture in (before, after))
    flow = np.zeros((*first[-1].shape, 2), np.float32)
    for a, b in zip(reversed(first), reversed(second)):
        if flow.shape[:2] != a.shape:
            flow = _enlarge(flow, a.shape)
        for _ in range(_ROUNDS):
            flow += _increment(a, b, flow)
            flow = np.stack([_blur(np.ascontiguousarray(flow[..., axis]), 2) for axis in range(2)], 2)
    return flow


def between(before: np.ndarray, after: np.ndarray, flow: np.ndarray, share: float) -> np.ndarray:
    """The picture at ``share`` (0: before, 1: after) of the way, ``(H, W) float32``; 0 and 1 give the pictures."""
    if share <= 0 or share >= 1:
        return before if share <= 0 else after
    first, second = _moved(before, flow, -share), _moved(after, flow, 1 - share)
    result: np.ndarray = first + np.float32(share) * (second - first)
    return result


def _pyramid(picture: np.ndarray) -> list[np.ndarray]:
    levels = [picture]
    while min(levels[-1].shape) >= 2 * _SMALLEST_SIDE:
        last = _blur(levels[-1], 1)
        height, width = (side // 2 * 2 for side in last.shape)
        last = last[:height, :width]
        levels.append((last[::2, ::2] + last[1::2, ::2] + last[::2, 1::2] + last[1::2, 1::2]) / 4)
    return levels


def _enlarge(flow: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows = np.minimum(np.arange(shape[0]) // 2, flow.shape[0] - 1)
    columns = np.minimum(np.arange(shape[1]) // 2, flow.shape[1] - 1)
    result: np.ndarray = 2 * flow[rows][:, columns]
    return result


def _increment(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    a, b = _moved(before, flow, -0.5), _moved(after, flow, 0.5)
    mean, change = (a + b) / 2, b - a
    dy, dx = np.gradient(mean)
    xx, xy, yy, xt, yt = (
        _blur(_blur(one, _RADIUS), _RADIUS) for one in (dx * dx, dx * dy, dy * dy, dx * change, dy * change)
    )
    xx, yy = xx + _STIFFNESS, yy + _STIFFNESS
    scale = 1 / (xx * yy - xy * xy)
    step = np.stack(((xy * yt - yy * xt) * scale, (xy * xt - xx * yt) * scale), 2)
    result: np.ndarray = np.clip(step, -1, 1)
    return result


@njit()
def _blur(picture: np.ndarray, radius: int) -> np.ndarray:
    """Mean of the square of ``2 * radius + 1`` pixels, borders repeated."""
    height, width = picture.shape
    size = np.float32(1.0 / (2 * radius + 1))
    rows, out = np.empty_like(picture), np.empty_like(picture)
    for y in range(height):
        total = np.float32(0)
        for x in range(-radius, radius + 1):
            total += picture[y, min(max(x, 0), width - 1)]
        for x in range(width):
            rows[y, x] = total * size
            total += picture[y, min(x + radius + 1, width - 1)] - picture[y, max(x - radius, 0)]
    for x in range(width):
        out[0, x] = np.float32(0)
    for y in range(-radius, radius + 1):
        for x in range(width):
            out[0, x] += rows[min(max(y, 0), height - 1), x] * size
    for y in range(1, height):
        for x in range(width):
            out[y, x] = out[y - 1, x] + size * (rows[min(y + radius, height - 1), x] - rows[max(y - 1 - radius, 0), x])
    return out


@njit()
def _moved(picture: np.ndarray, flow: np.ndarray, share: float) -> np.ndarray:
    """``picture[p + share * flow]``, linear, borders repeated."""
    height, width = picture.shape
    out = np.empty_like(picture)
    for y in range(height):
        for x in range(width):
            u = min(max(x + share * flow[y, x, 0], 0.0), width - 1.0)
            v = min(max(y + share * flow[y, x, 1], 0.0), height - 1.0)
            left, top = int(u), int(v)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            fu, fv = np.float32(u - left), np.float32(v - top)
            upper = picture[top, left] + fu * (picture[top, right] - picture[top, left])
            lower = picture[bottom, left] + fu * (picture[bottom, right] - picture[bottom, left])
            out[y, x] = upper + fv * (lower - upper)
    return out
