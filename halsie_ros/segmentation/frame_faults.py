"""Whether a camera's picture is worth looking at: too dark, blown out, torn, or the same again and again.

What a network can still read, it reads (it is trained on dark, over-exposed and blurred frames): a picture is left out
only where it holds nothing, or something that is not what the camera sees now.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

_STEP = 4
"""Every fourth column and row is looked at: enough for all of this, at a tenth of the cost."""
_DARK_MEAN, _BLACK = 16, 10
_WHITE, _BLOWN_SHARE, _WHITE_SHARE = 250, 0.5, 0.97
_REPEATS = 2
"""Equal pictures in a row that are no accident: a sensor's noise never repeats itself."""
_STALE = 1 / 8
"""Share of the rows, at the bottom, that is as it was or without content while the rest goes on."""
_MEMORY = 8
"""Changes of picture that must all have moved the bottom before a bottom that stays is taken for the last picture's."""
_ALL_MOVES = 0.8
"""Share of the pixels just above such a bottom that must have changed."""
_TEXTURE = 4.0


@dataclass(frozen=True)
class FrameVerdict:
    """What is wrong with a picture.

    Attributes:
        word: dark, blown_out, frozen or torn; empty where all is well.
        reason: one line for people.
        usable: whether the picture still tells more than it misleads.
    """

    word: str = ""
    reason: str = ""
    usable: bool = True


GOOD = FrameVerdict()


class FrameFaults:
    """Judges pictures one after the other; each is compared with the one before."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._repeats = 0
        self._still: deque[int] = deque([1], maxlen=_MEMORY)  # rows at the bottom that stayed as they were, by change
        self._blank_rows = 0  # that the last whole picture had at its bottom: a border, not a fault

    def judge(self, image: np.ndarray) -> FrameVerdict:
        """Judges the next picture.

        Args:
            image: ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8.
        """
        small = np.ascontiguousarray((image[..., 1] if image.ndim == 3 else image)[::_STEP, ::_STEP])
        last, self._last = self._last, small
        if last is not None and last.shape != small.shape:
            last, self._repeats, self._blank_rows = None, 0, 0
        self._repeats = self._repeats + 1 if last is not None and np.array_equal(last, small) else 0
        verdict = self._light(small)
        if verdict is None and self._repeats >= _REPEATS:
            verdict = FrameVerdict("frozen", f"{self._repeats + 1} equal pictures in a row", usable=False)
        if verdict is None and not self._repeats:
            verdict = self._torn(small, last)
        return verdict or GOOD

    def _light(self, small: np.ndarray) -> FrameVerdict | None:
        counts = np.bincount(small.ravel(), minlength=256)
        total = small.size
        mean = float(counts @ np.arange(256)) / total
        white = counts[_WHITE:].sum() / total
        if mean < _DARK_MEAN:
            seen = counts[_BLACK:].sum() / total
            return FrameVerdict("dark", f"mean brightness {mean:.0f} of 255", usable=bool(seen > 0.01))
        if white > _BLOWN_SHARE:
            return FrameVerdict("blown_out", f"{white:.0%} of the picture is white", usable=bool(white < _WHITE_SHARE))
        return None

    def _torn(self, small: np.ndarray, last: np.ndarray | None) -> FrameVerdict | None:
        rows = len(small)
        blank = _trailing(small.max(1) == small.min(1))
        enough = max(round(_STALE * rows), 2)
        known, self._blank_rows = self._blank_rows, blank
        if last is None or blank == rows:
            return None
        if blank - known >= enough:
            self._blank_rows = known
            return FrameVerdict("torn", f"{blank / rows:.0%} of the picture, at its bottom, is blank", usable=False)
        same = _trailing((small == last).all(1))
        moved = not any(self._still)  # where the camera stands still, encoders leave much of the picture as it is
        goes_on = same < rows and (small != last)[: rows - same][-4:].mean() > _ALL_MOVES
        if (
            moved
            and goes_on
            and rows > same >= enough + blank
            and small[rows - same : rows - blank].std(1).mean() > _TEXTURE
        ):
            return FrameVerdict(
                "torn", f"{same / rows:.0%} of the picture, at its bottom, is the last one's", usable=False
            )
        self._still.append(max(same - blank, 0))
        return None


def _trailing(flags: np.ndarray) -> int:
    """How many flags are set at the end."""
    unset = np.flatnonzero(~flags)
    return len(flags) - 1 - int(unset[-1]) if len(unset) else len(flags)
