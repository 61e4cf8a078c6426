"""Single events with a time far off all others of their message: a damaged word or a driver's slip, no new time."""

from __future__ import annotations

import numpy as np

from halsie_ros.events.events import Events

STRAY_US = 500_000
"""How far from the middle of its message an event must lie, at least, to be one (our choice)."""


def without_strays(events: Events) -> tuple[Events, int]:
    """The events of a message but for strays, wherever in the message they stand; and how many strays there were.

    A message that spans long is no stray: the limit grows with the time that nine tenths of its events take. Where more
    than a tenth of the events would be strays, the message has two times and not a slip, and stays as it is.

    Example: of times 0, 10, 20 and 999000 us the last is a stray.
    """
    times = events.t_us
    if len(times) < 3 or int(times.max()) - int(times.min()) <= STRAY_US:
        return events, 0
    low, middle, high = np.percentile(times, (5, 50, 95), method="nearest")
    if len(times) < 20:  # too few for tails: all but the farthest
        apart = np.sort(np.abs(times - middle))
        spread = int(apart[-2]) if len(times) > 3 else int(apart[1])
    else:
        spread = int(high - low)
    kept = np.abs(times - middle) <= max(STRAY_US, 2 * spread)
    strays = len(times) - int(np.count_nonzero(kept))
    if not strays or strays > max(1, len(times) // 10):
        return events, 0
    return events[kept], strays
