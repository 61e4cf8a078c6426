"""The newest events of a sensor, sorted by time and bounded in memory."""

from __future__ import annotations

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.events.events import Events
from halsie_ros.kernels import njit


@njit()
def _first_after(ring_t, tail, count, t_us):
    """How many of the ring's ``count`` events from slot ``tail`` on have ``t <= t_us`` (binary search)."""
    mask = len(ring_t) - 1
    low = np.int64(0)
    high = count
    while low < high:
        middle = (low + high) // 2
        if ring_t[(tail + middle) & mask] <= t_us:
            low = middle + 1
        else:
            high = middle
    return low


@njit()
def _append(x, y, t, p, ring_x, ring_y, ring_t, ring_p, tail, count):
    """Copies events behind the ring's last; False, and nothing done, unless they are in order and follow it."""
    n = len(t)
    capacity = len(ring_t)
    mask = capacity - 1
    if n > capacity or (count and t[0] < ring_t[(tail + count - 1) & mask]):
        return False
    unordered = False
    for i in range(n - 1):
        unordered |= t[i + 1] < t[i]
    if unordered:
        return False
    start = (tail + count) & mask
    first = min(n, capacity - start)
    for i in range(first):
        ring_x[start + i] = x[i]
        ring_y[start + i] = y[i]
        ring_t[start + i] = t[i]
        ring_p[start + i] = p[i]
    for i in range(n - first):
        ring_x[i] = x[first + i]
        ring_y[i] = y[first + i]
        ring_t[i] = t[first + i]
        ring_p[i] = p[first + i]
    return True


@njit()
def _insert(x, y, t, p, ring_x, ring_y, ring_t, ring_p, tail, count):
    """Inserts events that are sorted by time; returns the new tail and count and how many old events were dropped.

    Equal times keep their order of arrival.
    """
    capacity = len(ring_t)
    mask = capacity - 1
    n = len(t)
    overflow = max(0, count + n - capacity)
    # The oldest of ring and packet together go.
    from_ring = np.int64(0)
    skip = np.int64(0)
    while from_ring + skip < overflow:
        if from_ring < count and (skip == n or ring_t[(tail + from_ring) & mask] <= t[skip]):
            from_ring += 1
        else:
            skip += 1
    tail = (tail + from_ring) & mask
    count -= from_ring
    write = count + n - skip - 1
    old = count - 1
    for i in range(n - 1, skip - 1, -1):
        while old >= 0 and ring_t[(tail + old) & mask] > t[i]:
            source = (tail + old) & mask
            target = (tail + write) & mask
            ring_x[target] = ring_x[source]
            ring_y[target] = ring_y[source]
            ring_t[target] = ring_t[source]
            ring_p[target] = ring_p[source]
            old -= 1
            write -= 1
        target = (tail + write) & mask
        ring_x[target] = x[i]
        ring_y[target] = y[i]
        ring_t[target] = t[i]
        ring_p[target] = p[i]
        write -= 1
    return tail, count + n - skip, overflow


def _unrolled(array: np.ndarray, start: int, stop: int) -> np.ndarray:
    """A copy of the ring's slots start to stop - 1, where stop may lie beyond the end."""
    size = len(array)
    if stop <= size:
        return array[start:stop].copy()
    if start >= size:
        return array[start - size : stop - size].copy()
    return np.concatenate((array[start:], array[: stop - size]))


class EventRing:
    """A ring of the newest events, exact under packets that come late or out of order within a tolerance.

    What `cut` returns for ``(t0, t1]`` with t1 at or before `watermark_us` is what sorting everything would give.
    An event that comes for a window already cut goes to the next window: it is counted in `late` and stamped 1 us
    after the cut (our choice), or dropped and counted in `too_late` where it is more than ``late_us`` late.

    Example: with a tolerance of 1000 us and an event at 5000 us seen, the watermark is 4000 us.

    Attributes:
        late: events moved to the window after their own.
        too_late: events dropped for their age.
        overflowed: events dropped for room before any cut had taken them.
        out_of_order: events that came after one with a later time.
    """

    def __init__(self, capacity: int = 1 << 21, *, tolerance_us: int = 0, late_us: int = 100_000) -> None:
        """Makes an empty ring.

        Args:
            capacity: events to hold at least; rounded up to a power of two (13 bytes each).
            tolerance_us: how much later than its successors an event may arrive.
            late_us: how long after its window's end an event still counts, in the next window.

        Raises:
            ParameterError: a capacity below 1 or a negative tolerance.
        """
        if capacity < 1 or tolerance_us < 0 or late_us < 0:
            raise ParameterError(
                f"event ring of {capacity} events, tolerance {tolerance_us} us, lateness {late_us} us: "
                "give at least 1, 0 and 0"
            )
        self.capacity = 1 << (capacity - 1).bit_length()
        self.tolerance_us = tolerance_us
        self.late_us = late_us
        self._x = np.empty(self.capacity, np.uint16)
        self._y = np.empty(self.capacity, np.uint16)
        self._t = np.empty(self.capacity, np.int64)
        self._p = np.empty(self.capacity, np.bool_)
        self.late = self.too_late = self.overflowed = self.out_of_order = 0
        self.reset()

    def reset(self) -> None:
        """Forgets events and times (the clock jumped); the counters stay."""
        self._tail = 0
        self._count = 0
        self._newest: int | None = None
        self._cut: int | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def watermark_us(self) -> int | None:
        """The time up to which the ring is complete; None before the first event."""
        return None if self._newest is None else self._newest - self.tolerance_us

    def advance(self, t_us: int) -> None:
        """Says that time has come to ``t_us`` though no event did: a packet without events moves the watermark."""
        self._newest = t_us if self._newest is None else max(self._newest, t_us)

    def push(self, events: Events) -> None:
        """Adds a packet's events, which need not be sorted."""
        n = len(events)
        if not n:
            return
        ring = (self._x, self._y, self._t, self._p)
        columns = (events.x, events.y, events.t_us, events.polarity)
        dropped = max(0, self._count + n - self.capacity)
        taken = self._taken() if dropped else 0
        if (self._cut is None or events.t_us[0] > self._cut) and _append(*columns, *ring, self._tail, self._count):
            self.overflowed += max(0, dropped - taken)
            self._tail = (self._tail + dropped) & (self.capacity - 1)
            self._count += n - dropped
            self.advance(int(events.t_us[-1]))
            return
        newest = np.maximum.accumulate(events.t_us)
        if self._newest is not None:
            newest = np.maximum(newest, self._newest)
        self.out_of_order += int((events.t_us < newest).sum())
        events = events[np.argsort(events.t_us, kind="stable")]
        if self._cut is not None and events.t_us[0] <= self._cut:
            events = self._rescue(events, self._cut)
            if not len(events):
                return
        taken = self._taken()
        columns = (events.x, events.y, events.t_us, events.polarity)
        self._tail, self._count, dropped = _insert(*columns, *ring, self._tail, self._count)
        self.overflowed += max(0, int(dropped) - taken)
        self.advance(int(events.t_us[-1]))

    def _taken(self) -> int:
        """How many of the ring's events a cut has taken: they are the oldest."""
        return 0 if self._cut is None else int(_first_after(self._t, self._tail, self._count, self._cut))

    def _rescue(self, events: Events, cut_us: int) -> Events:
        """Moves events of windows already cut to the next one, and drops those that are too late for that."""
        dropped = int(np.searchsorted(events.t_us, cut_us - self.late_us))
        self.too_late += dropped
        events = events[dropped:]
        late = int(np.searchsorted(events.t_us, cut_us, "right"))
        self.late += late
        if not late:
            return events
        t_us = events.t_us.copy()
        t_us[:late] = cut_us + 1
        return Events(events.x, events.y, t_us, events.polarity)

    def cut(self, t0_us: int, t1_us: int) -> Events:
        """The events with ``t0 < t <= t1``, copied: two binary searches and one copy; they stay in the ring."""
        start = _first_after(self._t, self._tail, self._count, t0_us)
        stop = _first_after(self._t, self._tail, self._count, t1_us)
        self._cut = t1_us if self._cut is None else max(self._cut, t1_us)
        return self._slice(start, max(start, stop))

    def newest(self, count: int) -> Events:
        """The newest ``count`` events (or all there are), copied."""
        return self._slice(max(0, self._count - count), self._count)

    def _slice(self, start: int, stop: int) -> Events:
        first, last = self._tail + start, self._tail + stop
        return Events(*(_unrolled(array, first, last) for array in (self._x, self._y, self._t, self._p)))
