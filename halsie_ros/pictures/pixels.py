"""Samples of a raw picture, in whatever layout a camera has them, to eight-bit RGB or grey."""

from __future__ import annotations

import itertools

import numpy as np

BAYER = ("rggb", "bggr", "gbrg", "grbg")


def to_eight_bits(samples: np.ndarray, bits: int) -> np.ndarray:
    """Scales samples of `bits` bits, ``(...) uint16``, so that the largest becomes 255; larger ones stay at 255.

    Example: with 16 bits round(v / 257), with 12 bits 4095 becomes 255.
    """
    top = (1 << bits) - 1
    clipped = np.minimum(samples, top) if bits < 16 else samples
    return ((clipped.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)


def bits_of(largest: int) -> int:
    """How many of 16 bits a camera uses whose largest sample is this: one of 8, 10, 12, 14, 16."""
    return next(bits for bits in (8, 10, 12, 14, 16) if largest < 1 << bits)


def float_to_eight_bits(samples: np.ndarray, top: float) -> np.ndarray:
    """Scales ``(...) float32`` so that `top` becomes 255; what is no number becomes 0."""
    scaled = np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=top, neginf=0.0) * np.float32(255.0 / top)
    result: np.ndarray = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return result


def yuv_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """BT.601, limited range, as OpenCV has it.

    Args:
        y: luma, ``(H, W) uint8``.
        u: blue difference, ``(H, W)`` or as much smaller as its subsampling says, whole numbers of times.
        v: red difference, likewise.

    Returns:
        ``(H, W, 3) uint8``.
    """
    height, width = y.shape
    chroma_u, chroma_v = (part.astype(np.float32) - 128.0 for part in (u, v))
    chroma = np.stack([1.596 * chroma_v, -0.391 * chroma_u - 0.813 * chroma_v, 2.018 * chroma_u], axis=-1)
    down, across = -(-height // u.shape[0]), -(-width // u.shape[1])
    chroma = chroma.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]
    rgb = 1.164 * (y[..., None].astype(np.float32) - 16.0) + chroma
    result: np.ndarray = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return result


def demosaic(raw: np.ndarray, pattern: str) -> np.ndarray:
    """Bilinear interpolation of a Bayer mosaic.

    Args:
        raw: ``(H, W)`` uint8.
        pattern: colours of the top left 2x2 pixels by rows: rggb, bggr, gbrg or grbg.

    Returns:
        ``(H, W, 3)`` uint8, RGB.
    """
    height, width = raw.shape
    padded = np.pad(raw, 1, mode="reflect").astype(np.uint16)  # reflection keeps each colour on its parity
    rgb = np.empty((height, width, 3), np.uint8)
    for top, left in itertools.product((0, 1), (0, 1)):
        rows, columns = len(range(top, height, 2)), len(range(left, width, 2))

        def near(
            dy: int, dx: int, top: int = top, left: int = left, rows: int = rows, columns: int = columns
        ) -> np.ndarray:
            y, x = 1 + top + dy, 1 + left + dx
            return padded[y : y + 2 * rows - 1 : 2, x : x + 2 * columns - 1 : 2]

        colour = pattern[2 * top + left]
        out = rgb[top::2, left::2]
        centre = near(0, 0)
        across = (near(0, -1) + near(0, 1) + 1) // 2
        along = (near(-1, 0) + near(1, 0) + 1) // 2
        if colour == "g":
            red_in_row = "r" in pattern[2 * top : 2 * top + 2]
            channels = (across, centre, along) if red_in_row else (along, centre, across)
        else:
            cross = (near(0, -1) + near(0, 1) + near(-1, 0) + near(1, 0) + 2) // 4
            diagonal = (near(-1, -1) + near(-1, 1) + near(1, -1) + near(1, 1) + 2) // 4
            channels = (centre, cross, diagonal) if colour == "r" else (diagonal, cross, centre)
        for index, channel in enumerate(channels):
            out[..., index] = channel
    return rgb
