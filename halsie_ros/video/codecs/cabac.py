"""The arithmetic decoder that H.264 and HEVC share (ITU-T H.264, 9.3.1.2 and 9.3.3.2; H.265, 9.3.4.3).

An engine is an array of four int64: range, value (the offset, 39 bits of look-ahead below it), bits until the next four
bytes are due (-32..-1), and the next byte's index. Contexts are uint8: probability state times two plus the likely
value. Data must be followed by at least `PADDING` bytes, so that nothing here needs to look for the end; callers look
once per block.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit

PADDING = 16384

# rangeTabLPS, 64 states of 4 (table 9-44)
_LPS = np.array(
    [
        128, 176, 208, 240, 128, 167, 197, 227, 128, 158, 187, 216, 123, 150, 178, 205, 116, 142, 169, 195,
        111, 135, 160, 185, 105, 128, 152, 175, 100, 122, 144, 166, 95, 116, 137, 158, 90, 110, 130, 150,
        85, 104, 123, 142, 81, 99, 117, 135, 77, 94, 111, 128, 73, 89, 105, 122, 69, 85, 100, 116,
        66, 80, 95, 110, 62, 76, 90, 104, 59, 72, 86, 99, 56, 69, 81, 94, 53, 65, 77, 89,
        51, 62, 73, 85, 48, 59, 69, 80, 46, 56, 66, 76, 43, 53, 63, 72, 41, 50, 59, 69,
        39, 48, 56, 65, 37, 45, 54, 62, 35, 43, 51, 59, 33, 41, 48, 56, 32, 39, 46, 53,
        30, 37, 43, 50, 29, 35, 41, 48, 27, 33, 39, 45, 26, 31, 37, 43, 24, 30, 35, 41,
        23, 28, 33, 39, 22, 27, 32, 37, 21, 26, 30, 35, 20, 24, 29, 33, 19, 23, 27, 31,
        18, 22, 26, 30, 17, 21, 25, 28, 16, 20, 23, 27, 15, 19, 22, 25, 14, 18, 21, 24,
        14, 17, 20, 23, 13, 16, 19, 22, 12, 15, 18, 21, 12, 14, 17, 20, 11, 14, 16, 19,
        11, 13, 15, 18, 10, 12, 15, 17, 10, 12, 14, 16, 9, 11, 13, 15, 9, 11, 12, 14,
        8, 10, 12, 14, 8, 9, 11, 13, 7, 9, 11, 12, 7, 9, 10, 12, 7, 8, 10, 11,
        6, 8, 9, 11, 6, 7, 9, 10, 6, 7, 8, 9, 2, 2, 2, 2,
    ],
    np.int64,
)  # fmt: skip


def _transitions() -> tuple[np.ndarray, np.ndarray]:
    """Next context after the likely and after the other value (table 9-45), of the context as stored here."""
    after_unlikely = (
        0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23,
        24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37,
        37, 37, 38, 38, 63,
    )  # fmt: skip
    likely, unlikely = np.empty(128, np.uint8), np.empty(128, np.uint8)
    for state in range(64):
        for value in (0, 1):
            likely[2 * state + value] = 2 * (state + 1 if state < 62 else state) + value
            unlikely[2 * state + value] = 2 * after_unlikely[state] + (value ^ (state == 0))
    return likely, unlikely


_NEXT_CONTEXT = np.concatenate(_transitions())
_SHIFT = np.array([6, 5, 4, 4] + [3] * 4 + [2] * 8 + [1] * 16 + [0] * 32, np.int64)  # by range / 8, to 256 or more


def padded(data: bytes) -> np.ndarray:
    """The data `(N + PADDING,) uint8` as the engine wants it."""
    out = np.empty(len(data) + PADDING, np.uint8)
    out[: len(data)] = np.frombuffer(data, np.uint8)
    out[len(data) :] = 0
    return out


@njit()
def start(engine: np.ndarray, data: np.ndarray, at: int) -> None:
    """Initializes the engine at byte `at`."""
    engine[0] = 510
    value = np.int64(0)
    for index in range(6):
        value = value << 8 | np.int64(data[at + index])
    engine[1] = value
    engine[2] = -32
    engine[3] = at + 6


@njit(inline="always")
def decide(data, contexts, index, width, value, due, at):
    """One binary decision with an adaptive context, on an engine held in variables, for inner loops.

    Returns the decision and the engine. Without branches on the decision: they could not be predicted.
    """
    context = np.int64(contexts[np.uint64(index)])
    low = _LPS[np.uint64((context >> 1) * 4 + (width >> 6 & 3))]
    width -= low
    scaled = width << 39
    unlikely = (scaled - 1 - value) >> 63  # -1 or 0
    value -= scaled & unlikely
    width += (low - width) & unlikely
    contexts[np.uint64(index)] = _NEXT_CONTEXT[np.uint64(context + (unlikely & 128))]
    shift = _SHIFT[np.uint64(width >> 3)]
    width <<= shift
    value <<= shift
    due += shift
    if due >= 0:
        more = np.int64(data[at]) << 24 | np.int64(data[at + 1]) << 16 | np.int64(data[at + 2]) << 8
        value |= (more | np.int64(data[at + 3])) << due
        at += 4
        due -= 32
    return (context ^ unlikely) & 1, width, value, due, at


@njit(inline="always")
def flip(data, width, value, due, at):
    """One equally likely bit, on an engine held in variables; returns the bit and the engine."""
    value <<= 1
    due += 1
    if due == 0:
        more = np.int64(data[at]) << 24 | np.int64(data[at + 1]) << 16 | np.int64(data[at + 2]) << 8
        value |= more | np.int64(data[at + 3])
        at += 4
        due = np.int64(-32)
    scaled = width << 39
    bit = 1 + ((value - scaled) >> 63)
    value -= scaled & -bit
    return bit, width, value, due, at


@njit()
def decision(engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, index: int) -> int:
    """One binary decision with an adaptive context."""
    bit, width, value, due, at = decide(data, contexts, index, engine[0], engine[1], engine[2], engine[3])
    engine[0] = width
    engine[1] = value
    engine[2] = due
    engine[3] = at
    return bit


@njit()
def bypass(engine: np.ndarray, data: np.ndarray) -> int:
    """One equally likely bit."""
    bit, _, value, due, at = flip(data, engine[0], engine[1], engine[2], engine[3])
    engine[1] = value
    engine[2] = due
    engine[3] = at
    return bit


@njit()
def terminate(engine: np.ndarray, data: np.ndarray) -> int:
    """The decision that ends a slice; the engine is of no further use after a 1."""
    engine[0] -= 2
    if engine[1] >= engine[0] << 39:
        return 1
    if engine[0] < 256:
        engine[0] <<= 1
        engine[1] <<= 1
        engine[2] += 1
        if engine[2] == 0:
            at = engine[3]
            for index in range(4):
                engine[1] |= np.int64(data[at + index]) << (24 - 8 * index)
            engine[3] = at + 4
            engine[2] = -32
    return 0


@njit()
def bits_read(engine: np.ndarray) -> int:
    """Bits of the data that the engine has taken; after a terminating 1, the last of them is the stop bit (9.3.1.2)."""
    return (engine[3] - 6) * 8 + engine[2] + 41


@njit()
def is_at_end(engine: np.ndarray, data: np.ndarray, length: int) -> bool:
    """Whether, after a terminating 1, the stop bit was reached and lies in the last of the first `length` bytes.

    Zeros may follow. So may bits in the stop bit's own byte: the standard does not allow them, but x264 sets one.
    """
    last = length - 1
    while last >= 0 and data[last] == 0:
        last -= 1
    stop = bits_read(engine) - 1
    return stop >> 3 == last and (np.int64(data[last]) >> (7 - (stop & 7))) & 1 == 1
