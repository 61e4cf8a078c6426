"""Whether the pictures of a stream follow each other without a pause, by their times alone."""

from __future__ import annotations

from collections import deque

_REMEMBERED = 15
_PAUSE = 1.5  # usual intervals; our choice, half way to one lost picture
_JITTER = 0.15  # of an interval: a step this near to a whole number of intervals is a count of pictures, not jitter


class Timeline:
    """Learns a stream's usual interval and notices a pause, in output order.

    Times are in any unit. Of streams that pause by whole intervals nobody can say whether a picture was lost or never
    sent; such a pause counts as a loss (our choice). Where steps are uneven in themselves, only a step longer than all
    remembered ones does.

    Attributes:
        pause: missing pictures before the newest one, as far as its time tells; 0 for none.
        settled: the interval is known well enough to notice a first loss.
    """

    def __init__(self, interval: int = 0) -> None:
        """`interval`: the usual step between two times where it is known, else 0."""
        self._steps: deque[int] = deque([interval] if interval > 0 else [], maxlen=_REMEMBERED)
        self._last: int | None = None
        self.pause = 0
        self.settled = interval > 0

    @property
    def last(self) -> int | None:
        """Time of the newest picture."""
        return self._last

    def restart(self) -> None:
        """The next time begins anew; the interval stays known."""
        self._last = None

    def push(self, time: int) -> None:
        """Takes the next picture's time and sets `pause`."""
        self.pause = 0
        last, self._last = self._last, time
        if last is None or time == last:
            return
        step = time - last
        if step < 0:
            self.pause = 1
            return
        usual = self.usual
        if usual and not self.settled and step * _PAUSE < usual:
            self.pause = max(round(usual / step) - 1, 1)  # the interval taken so far held a loss
        if usual and step > self._longest(usual):
            self.pause = max(round(step / usual) - 1, 1)
        # A step of one tick cannot hide a loss: nothing lies between.
        self.settled |= step == 1 or (usual > 0 and not self.pause)
        self._steps.append(step)

    @property
    def usual(self) -> int:
        """The usual step, 0 while nothing is known."""
        return sorted(self._steps)[len(self._steps) * 3 // 10] if self._steps else 0

    def _longest(self, usual: int) -> float:
        uneven = sum(abs(step / usual - round(step / usual)) > _JITTER for step in self._steps)
        if uneven * 4 > len(self._steps) >= 8:
            return max(self._steps) * 1.05
        return usual * _PAUSE
