"""Windows of a stream, made of clips: they end anywhere in an action, and the action may have changed a moment ago."""

from __future__ import annotations

import numpy as np

from training.action.data import TIMED, GopArrays

SETTLES_S = (0.1, 0.6)
"""So long after a change of action its label counts for nothing, and for all (our choice: right within a second)."""


def stream_window(
    now: GopArrays, before: GopArrays | None, gops: int, random: np.random.Generator
) -> tuple[GopArrays, float]:
    """What a stream's window of at most `gops` segments may show: it ends anywhere, in mid-segment too.

    Args:
        now: a clip.
        before: a clip whose end comes first: then `now` begins one to four segments before the window's end.
        gops: segments of a full window.
        random: draws what is shown.

    Returns:
        The window, and the share of `now` in its truth: it grows from 0 at `SETTLES_S[0]` after the change to 1 at
        `SETTLES_S[1]`; 1 without a change.
    """
    there = len(now["end_s"])
    if not there or (before is not None and not len(before["end_s"])):
        return now, 1.0
    if before is None:
        count = min(there, gops if random.random() < 0.5 else int(random.integers(1, gops + 1)))
    else:
        count = min(there, int(random.integers(1, 5)), gops - 1)
    first = int(random.integers(0, there - count + 1))
    window = {name: array[first : first + count].copy() for name, array in now.items()}
    steps = int((window["dt_us"][-1] > 0).sum())
    if random.random() < 0.5 and steps > 1:  # the last segment is still running
        kept = int(random.integers(1, steps))
        window["end_s"][-1] -= window["dt_us"][-1, kept:].sum() / 1e6
        window["dt_us"][-1, kept:] = 0
    if before is None:
        return window, 1.0
    seen_s = float(window["dt_us"].sum() / 1e6)
    length = min(
        len(before["end_s"]), gops - count if random.random() < 0.7 else int(random.integers(1, gops - count + 1))
    )
    start_s = window["end_s"][0] - window["dt_us"][0].sum() / 1e6
    head = {name: array[len(before["end_s"]) - length :].copy() for name, array in before.items()}
    head["end_s"] += start_s - head["end_s"][-1]
    steps = max(head["dt_us"].shape[1], window["dt_us"].shape[1])
    joined = {name: np.concatenate([_padded(name, head, steps), _padded(name, window, steps)]) for name in window}
    low, high = SETTLES_S
    return joined, float(np.clip((seen_s - low) / (high - low), 0, 1))


def _padded(name: str, arrays: GopArrays, steps: int) -> np.ndarray:
    """An array whose second axis, where it is time, has `steps` entries."""
    array = arrays[name]
    if name not in TIMED or array.shape[1] == steps:
        return array
    return np.concatenate([array, np.zeros((len(array), steps - array.shape[1], *array.shape[2:]), array.dtype)], 1)
