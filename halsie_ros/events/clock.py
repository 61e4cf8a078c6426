"""Sensor time to host time: an estimator that holds over drift, jitter, gaps and jumps.

A packet's header.stamp is the host's clock when it arrived, so ``stamp - sensor time`` is the offset of the two clocks
plus a latency that is never negative. The truth is therefore the lower edge of these differences: per quarter of a
second of sensor time the smallest one is kept, and the line through the lower convex hull of the last 16 s, at its
middle, gives offset and drift (the idea of TICSync, Harrison and Newman, ICRA 2011; sizes are our choice).
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.events.codecs.batch import span_of
from halsie_ros.events.events import Events
from halsie_ros.events.messages import EventBatch
from halsie_ros.events.strays import without_strays
from halsie_ros.wire.stamps import SECOND_NS

_BUCKET_US = 250_000
_BUCKETS = 64
#: Slopes from less than this are mostly jitter.
_MIN_SPAN_US = 4_000_000
_MAX_DRIFT = 300e-6
#: How fast the offset in use may follow the estimate, per sensor time: times of successive packets keep their order.
_SLEW = 0.05
#: Stamps nearer to the first one than this, after a jump back, mean that a recording starts again.
_LOOP_NS = SECOND_NS
#: Messages of fewer events than this may be a slip as a whole.
_FEW = 8
#: Sensor time over which a header's stamp may stay the same before it counts as standing still.
_STILL_US = 100_000
#: Stamps of single events farther from their header than this are of another clock, such as the driver's start.
_OTHER_CLOCK_US = 10_000_000
#: How far they may run away from how they were at first, over what latency explains.
_DRIFT_US = 20_000
#: Sensor time over which it is learned how they were at first.
_SETTLED_US = 5_000_000


class Jump(Enum):
    """What happened to time between two packets."""

    NONE = "none"
    #: Both clocks went on, nothing came in between: offsets stay, what was before is old.
    GAP = "gap"
    #: Both clocks went back to where the stream began: a recording starts again.
    LOOP = "loop"
    #: Both clocks, or the host's alone, went back.
    BACKWARD = "backward"
    #: One clock jumped against the other: the sensor started again, or the host's clock was set.
    STEP = "step"

    @property
    def resets(self) -> bool:
        """Whether windows and network states that hold earlier times must be forgotten."""
        return self in (Jump.LOOP, Jump.BACKWARD, Jump.STEP)


class SensorClock:
    """Maps one sensor's time to host time; state only moves forward, by `observe`.

    Example: the first packet's time 5 us with stamp 1000 ns gives ``to_host_ns(6) == 2000``.

    Attributes:
        source: which times events get.
        coarse_stamps: whether header stamps were seen to stand still while the sensor went on: constant, or whole
            seconds. They are then believed only when they change.
    """

    SOURCES = ("auto", "sensor", "header")

    def __init__(self, source: str = "auto", *, gap_us: int = 1_000_000, jump_us: int = 500_000) -> None:
        """Makes a clock that has seen nothing.

        Args:
            source: "auto": header stamps for sensor clocks; stamps of single events as they are where messages have
                them, unless they are of another clock; "header": header stamps for all; "sensor": the events' own
                times as they are.
            gap_us: silence that counts as a gap.
            jump_us: disagreement of the clocks that counts as a jump.

        Raises:
            ParameterError: another source.
        """
        if source not in self.SOURCES:
            raise ParameterError(f"event time source {source!r}: one of {', '.join(self.SOURCES)}")
        self.source = source
        self._gap_us = gap_us
        self._jump_us = jump_us
        self.reset()

    def reset(self) -> None:
        """Forgets both clocks."""
        self.coarse_stamps = False
        self._first_ns: int | None = None
        self._first_offset: float | None = None
        self._first_us = 0
        self._correction = False
        self._suspected = False
        self._same_us = self._coarse_us = 0
        self._last: tuple[int, int] | None = None
        self._anchor(0, 0)

    def _anchor(self, t_us: int, offset_us: float) -> None:
        """Starts the estimate anew from one pair of times."""
        self._closed: deque[tuple[int, float]] = deque(maxlen=_BUCKETS)
        self._bucket_end = t_us + _BUCKET_US
        self._best: tuple[int, float] | None = None
        self._line = (t_us, offset_us, 0.0)
        self._offset_us = offset_us
        self._far_since_ns: int | None = None

    @property
    def drifted_us(self) -> int:
        """How far stamps of single events have run away from the header's since the first message."""
        return 0 if self._first_offset is None else round(self._offset_us - self._first_offset)

    @property
    def offset_us(self) -> int:
        """What is added to sensor time now."""
        return round(self._offset_us)

    @property
    def drift_ppm(self) -> float:
        """How much faster the host's clock runs than the sensor's, estimated."""
        return self._line[2] * 1e6

    def observe(self, t_us: int, stamp_ns: int) -> Jump:
        """Takes a packet's first sensor time and its stamp; says whether time jumped before it."""
        raw = stamp_ns / 1000 - t_us
        if self._last is None:
            self._first_ns = stamp_ns
            self._anchor(t_us, raw)
            self._last = (t_us, stamp_ns)
            self._best = (t_us, raw)
            return Jump.NONE
        sensor_us = t_us - self._last[0]
        host_us = (stamp_ns - self._last[1]) // 1000
        self._last = (t_us, stamp_ns)
        if self._stands_still(sensor_us, host_us):
            return Jump.NONE
        if self.coarse_stamps and 0 < host_us < 2 * self._coarse_us and sensor_us >= 0:
            self._anchor(t_us, raw)  # a clock of whole seconds is right when it turns over
            self._best = (t_us, raw)
            return Jump.NONE
        at, offset, slope = self._line
        predicted = offset + slope * (t_us - at)
        jump = self._jump_of(stamp_ns, sensor_us, host_us, raw - predicted)
        if jump in (Jump.LOOP, Jump.BACKWARD, Jump.STEP):
            if jump is Jump.LOOP:
                self._first_ns = stamp_ns
            self._anchor(t_us, raw)
            self._best = (t_us, raw)
            return jump
        if self._best is None or raw < self._best[1]:
            self._best = (t_us, raw)
        if t_us >= self._bucket_end:
            self._closed.append(self._best)
            self._best = None
            self._bucket_end = t_us + _BUCKET_US
            at, offset, slope = self._line = self._fit()
            predicted = offset + slope * (t_us - at)
        elif raw < predicted:
            self._line = (t_us, raw, slope)
            predicted = raw
        room = _SLEW * sensor_us if sensor_us > 0 else 0.0
        error = predicted - self._offset_us
        self._offset_us += error if -room <= error <= room else room if error > 0 else -room
        return jump

    def _stands_still(self, sensor_us: int, host_us: int) -> bool:
        """Whether the header's stamp stays the same while the sensor goes on (constant, or counting whole seconds)."""
        if host_us or sensor_us < 0:
            self._same_us = 0
            return False
        self._same_us += sensor_us
        if self._same_us > _STILL_US:
            self.coarse_stamps = True
            self._coarse_us = max(self._coarse_us, self._same_us, SECOND_NS // 1000)
        return self.coarse_stamps

    def _jump_of(self, stamp_ns: int, sensor_us: int, host_us: int, excess: float) -> Jump:
        """What the steps of both clocks say, and how far the offset lies above the prediction."""
        limit = self._jump_us
        if host_us < -limit or (sensor_us < -limit and host_us < 0):
            loop = self._first_ns is not None and abs(stamp_ns - self._first_ns) <= _LOOP_NS and sensor_us < 0
            return Jump.LOOP if loop else Jump.BACKWARD
        if sensor_us < -limit or excess < -limit:
            return Jump.STEP
        if excess > limit:
            # A stalled bus delays some packets, a clock that was set shifts all that follow.
            self._far_since_ns = stamp_ns if self._far_since_ns is None else self._far_since_ns
            if stamp_ns - self._far_since_ns >= SECOND_NS:
                return Jump.STEP
        else:
            self._far_since_ns = None
        return Jump.GAP if host_us > self._gap_us and sensor_us > self._gap_us else Jump.NONE

    def _fit(self) -> tuple[int, float, float]:
        """The lower hull's edge over the middle of the kept minima: a time, its offset, and the drift."""
        hull: list[tuple[int, float]] = []
        for point in self._closed:
            while len(hull) > 1 and (hull[-1][1] - hull[-2][1]) * (point[0] - hull[-2][0]) >= (
                point[1] - hull[-2][1]
            ) * (hull[-1][0] - hull[-2][0]):
                hull.pop()
            hull.append(point)
        if hull[-1][0] - hull[0][0] < _MIN_SPAN_US:
            return (*min(hull, key=lambda point: point[1]), 0.0)
        middle = (hull[0][0] + hull[-1][0]) / 2
        right = next(index for index in range(1, len(hull)) if hull[index][0] >= middle)
        (t0, low0), (t1, low1) = hull[right - 1], hull[right]
        slope = max(-_MAX_DRIFT, min(_MAX_DRIFT, (low1 - low0) / (t1 - t0)))
        return (t0, low0, slope)

    def to_host_ns(self, t_us: Any, *, stamp_ns: int | None = None) -> Any:
        """Host nanoseconds of sensor times.

        Args:
            t_us: a time, or an array of them, whose first is the packet's first.
            stamp_ns: the packet's stamp, to be observed first; None: only convert.

        Returns:
            int, or an array of int64.
        """
        first = int(t_us) if np.ndim(t_us) == 0 else (int(t_us[0]) if len(t_us) else None)
        if stamp_ns is not None and first is not None:
            self.observe(first, stamp_ns)
        if np.ndim(t_us) == 0:
            return (int(t_us) + self.offset_us) * 1000
        return (np.asarray(t_us, np.int64) + self.offset_us) * 1000

    def localize(self, batch: EventBatch) -> tuple[EventBatch, Jump]:
        """A batch on the host's clock by this clock's source; and whether time jumped before it.

        Single events with times far off the rest are left out, and counted in the batch's `dropped` as `stray_time`.
        """
        if batch.span_us is None:
            return batch, Jump.NONE
        events, strays = without_strays(batch.events)
        if strays:
            batch = _stripped(batch, events, strays)
        first, last = batch.span_us or (0, 0)
        if self._is_suspect(batch, first):
            return _stripped(batch, Events.empty(), len(batch.events)), Jump.NONE
        jump = self.observe(first, batch.stamp_ns) if batch.stamp_ns else Jump.NONE
        self._refer(first, batch.stamp_ns)
        shift = self._shift_us(batch.sensor_clock, last - first)
        if not shift:
            return batch, jump
        return replace(batch, events=batch.events.shifted(shift), span_us=(first + shift, last + shift)), jump

    def _refer(self, first_us: int, stamp_ns: int) -> None:
        """Keeps how the header's clock lay to the events' at first: the least of some seconds, for a start may lag."""
        raw = stamp_ns / 1000 - first_us if stamp_ns else 0.0
        if self._first_offset is None:
            self._first_offset, self._first_us = raw, first_us
        elif 0 <= first_us - self._first_us < _SETTLED_US:
            self._first_offset = min(self._first_offset, raw)

    def _is_suspect(self, batch: EventBatch, first_us: int) -> bool:
        """Whether a message of few events jumps while the header's clock goes on: it is believed when repeated."""
        if self._last is None or len(batch.events) >= _FEW or not batch.stamp_ns:
            self._suspected = False
            return False
        at, offset, slope = self._line
        host_us = (batch.stamp_ns - self._last[1]) // 1000
        excess = batch.stamp_ns / 1000 - first_us - (offset + slope * (first_us - at))
        steady = -self._jump_us <= host_us <= self._gap_us
        jumps = abs(excess) > self._jump_us and not self.coarse_stamps and self._far_since_ns is None
        self._suspected = bool(steady and jumps and not self._suspected)
        return self._suspected

    def _shift_us(self, sensor_clock: bool, span_us: int) -> int:
        """What is added to a batch's times.

        Stamps of single events are the host's and stay as they are, unless they cannot be: they count from the driver's
        start, or run away from the header's stamps. Then the difference to how it was at first is taken out, slowly.
        """
        if self.source == "sensor":
            return 0
        if sensor_clock or self.source == "header":
            return self.offset_us
        if abs(self._first_offset or 0.0) > _OTHER_CLOCK_US:
            return self.offset_us
        at, offset, slope = self._line
        now_us = self._last[0] if self._last else at
        astray = offset + slope * (now_us - at) - (self._first_offset or 0.0)
        self._correction |= now_us - self._first_us > _SETTLED_US and abs(astray) > _DRIFT_US + span_us
        return self.drifted_us if self._correction else 0


def _stripped(batch: EventBatch, events: Events, strays: int) -> EventBatch:
    """The batch with the events that are left, and the strays counted."""
    dropped = {**batch.dropped, "stray_time": batch.dropped.get("stray_time", 0) + strays}
    return replace(batch, events=events, dropped=dropped, span_us=span_of(events))
