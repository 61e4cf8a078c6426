"""What the arrival of messages tells where their stamps do not: a stream's lag, and times for frames without any."""

from __future__ import annotations

from collections import deque

_SPAN_S = 3.0
"""How long a lag is remembered."""
_ENOUGH = 5
_REPEATS = 3
"""So many times in a row the same stamp is no duplicate any more."""
_DISTINCT = 10
"""After so many stamps that each advance, they are believed again."""


class Lag:
    """How far a stream's times lie behind their arrival: the least of the last seconds, which no delay has enlarged.

    Example: a message of time 5.00 s that arrives at 5.02 s by the steady clock and one of 5.10 s at 5.11 s give 10 ms.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._least: deque[tuple[float, int]] = deque()  # lags that grow, each the least from its time on

    def observe(self, t_us: int, now_s: float) -> None:
        """Takes a message's time and its arrival."""
        lag_us = round(now_s * 1e6) - t_us
        self._seen += 1
        while self._least and self._least[-1][1] >= lag_us:
            self._least.pop()
        self._least.append((now_s, lag_us))
        while now_s - self._least[0][0] > _SPAN_S:
            self._least.popleft()

    @property
    def value_us(self) -> int | None:
        """The lag; None before some messages have come."""
        return self._least[0][1] if self._seen >= _ENOUGH else None


class FrameTimes:
    """Times of frames: their stamps, or where these do not advance the time that the events have come to.

    Stamps stay zero or constant where a driver does not fill them; whole seconds come from clocks without fractions.

    Attributes:
        standing: whether the stamps do not advance.
    """

    def __init__(self) -> None:
        self.standing = False
        self._last_ns: int | None = None
        self._repeats = self._distinct = 0

    def time_us(self, stamp_ns: int, arrival_us: int) -> int | None:
        """The frame's time; None for a frame that came twice.

        Args:
            stamp_ns: of the frame.
            arrival_us: when it came, on the clock of the events where there are any.
        """
        same = stamp_ns == self._last_ns
        self._last_ns = stamp_ns
        self._repeats = self._repeats + 1 if same else 0
        self._distinct = 0 if same else self._distinct + 1
        if self._repeats >= _REPEATS:
            self.standing = True
        elif self._distinct >= _DISTINCT and stamp_ns:
            self.standing = False
        if self.standing:
            return arrival_us
        return None if same else stamp_ns // 1000
