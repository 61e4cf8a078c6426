"""Whether a worker keeps up with its camera, and which of the frames that wait are still worth a mask."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

BACKLOG = 2
"""Ready frames that may wait for a worker that keeps up; one more and only the newest is kept."""
_PERIODS = 2.0  # a mask should come within so many periods of the camera
_KEEPS_UP = 0.9  # share of the camera's period up to which a step is short enough to catch up after a delay
_PATIENCE = 1.25  # periods after the last frame until which the next one is expected
_EXCUSED = 8  # frames that may be answered late after a delay that will not come again
_REMEMBERED = 9


class Pace:
    """What is known of a camera's period and of the time that a worker takes for a frame.

    A worker that keeps up may find `BACKLOG` frames. One that does not takes only frames whose masks come within two
    periods, and rather waits for the next frame than to be late with this one: it would be late with all that follow.
    """

    def __init__(self) -> None:
        self._periods_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._steps_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._backlog = BACKLOG
        self._excused = 0  # frames that may still be answered late

    def period(self, seconds: float) -> None:
        """Two frames came so far apart."""
        self._periods_s.append(seconds)

    def took(self, seconds: float) -> None:
        """The worker had to do with a frame for so long."""
        self._steps_s.append(seconds)

    def excuse(self) -> None:
        """The last step was slow for once: the frames that queued up are answered, if the worker can catch up."""
        self._backlog = self._excused = _EXCUSED

    def answered(self) -> None:
        """A frame was taken."""
        self._excused -= 1

    @property
    def keeps_up(self) -> bool:
        """Whether the worker can catch up with the camera after a delay."""
        return not self._periods_s or self._step_s < _KEEPS_UP * median(self._periods_s)

    def next_frame_s(self, last_s: float) -> float:
        """Until when a frame is expected after one at `last_s`."""
        return last_s + _PATIENCE * (median(self._periods_s) if self._periods_s else 0.0)

    def too_many(self, came_s: Sequence[float], now_s: float) -> tuple[int, bool]:
        """How many of the frames that are ready to drop, the oldest first, and whether to wait rather for the next.

        Args:
            came_s: when each came, the oldest first.
            now_s: the time.
        """
        ready = len(came_s)
        if ready < BACKLOG or self._excused < 1 or not self.keeps_up:
            self._backlog = BACKLOG
        if not ready:
            return 0, False
        drop = 0
        if self.keeps_up:
            drop = ready - 1 if ready > self._backlog else 0
        else:
            latest_s = _PERIODS * median(self._periods_s) - self._step_s  # age at which a mask is still in time
            while drop < ready - 1 and now_s - came_s[drop] > latest_s:
                drop += 1
            if 0 < latest_s < now_s - came_s[-1] and now_s < self.next_frame_s(came_s[-1]):
                return 0, True
        if drop:
            self._backlog = BACKLOG
        return drop, False

    @property
    def _step_s(self) -> float:
        """How long a frame takes the worker; 0 where nobody says."""
        return median(self._steps_s) if self._steps_s else 0.0
