"""Which frame and which events belong into the next step, and when it is time for it (docs/architecture.md, Time).

Stamps decide what belongs together; the steady clock only decides how long to wait. No ROS, no threads: the caller
says what time it is, and holds a lock where several threads call.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.events.windows import EventRing
from halsie_ros.segmentation.arrivals import FrameTimes, Lag
from halsie_ros.segmentation.pace import BACKLOG, Pace

_ROOM = 16  # frames held at most, however long the worker takes


@dataclass(frozen=True)
class Timing:
    """The times that rule the synchroniser.

    Attributes:
        window_us: what a step covers when nothing came before it, and the pace of events alone: bins times bin_us.
        max_wait_ms: how long a frame waits for its events.
        timeout_ms: silence after which a stream counts as lost, and a gap in time after which the state starts anew.
        mask_rate_hz: masks per second from events between the frames; 0: none.
    """

    window_us: int = 50_000
    max_wait_ms: float = 20.0
    timeout_ms: float = 500.0
    mask_rate_hz: float = 0.0

    def __post_init__(self) -> None:
        if self.timeout_ms <= self.max_wait_ms:
            raise ParameterError(
                f"timeout_ms is {self.timeout_ms:g}: give more than max_wait_ms ({self.max_wait_ms:g})"
            )


@dataclass(eq=False)
class _Epoch:
    """A stretch of time without a jump backwards; each has events of its own."""

    ring: EventRing
    born_s: float
    seen: set[str] = field(default_factory=set)
    watermark_us: int | None = None  # no event at or before it is still to come
    end_us: int | None = None  # of the last step


@dataclass(frozen=True, eq=False)
class Choice:
    """A step that is due; `Synchronizer.cut` gives it its events."""

    frame: Any | None
    stamp_ns: int
    received_s: float
    epoch: _Epoch
    t_us: int


@dataclass(frozen=True, eq=False)
class Step:
    """What one step of the pipeline gets.

    Attributes:
        frame: what was pushed, None between the frames.
        stamp_ns: of the mask: the frame's, or the end of the window.
        received_s: steady time when the step's newest input came.
        events: those in ``(t0_us, t1_us]``, on the host's clock, in sensor pixels.
        t0_us: start of the window.
        t1_us: its end.
        fresh: the state before it is to be forgotten.
        use_frame: False where no frame came for `timeout_ms`.
        use_events: False where no events came for `timeout_ms`.
        hurried: frames or event steps were dropped before it: its window is longer than others, but there is no time
            for more than one step.
        late: the frame shows a time before the window's end: no event led to it from the last one.
    """

    frame: Any | None
    stamp_ns: int
    received_s: float
    events: Events
    t0_us: int
    t1_us: int
    fresh: bool
    use_frame: bool
    use_events: bool
    hurried: bool = False
    late: bool = False


class Synchronizer:
    """Takes frames and events as they come, gives steps when they are due.

    Args:
        timing: the rules; may be replaced at any time.
        make_ring: makes an empty ring of events.

    Attributes:
        counts: what was lost or bent, by cause: `superseded` (frames that a newer one overtook under overload),
            `duplicate_frame`, `merged_step` (event steps joined under overload), `late_frame` (came after its events
            were used: its features count from the next step), `time_jump` and `gap` (fresh starts).
    """

    def __init__(self, timing: Timing, make_ring: Callable[[], EventRing]) -> None:
        self.timing = timing
        self.counts: Counter[str] = Counter()
        self._make_ring = make_ring
        self._epochs: deque[_Epoch] = deque([_Epoch(make_ring(), 0.0)], maxlen=2)
        self._pending: deque[tuple[Choice, int]] = deque()
        self._last_us: dict[str, int] = {}
        self._arrival_s: dict[str, float] = {}
        self._started_s: float | None = None
        self._period_us = 0
        self._held_since_s: float | None = None
        self._late_events = 0
        self._pace = Pace()
        self._hurried = False
        self._frame_times = FrameTimes()
        self._lags = {"frame": Lag(), "events": Lag()}
        self._lost_events = 0

    # What comes in

    def push_frame(self, frame: Any, stamp_ns: int, now_s: float) -> None:
        """Takes a frame (of any type) with its stamp."""
        was_standing = self._frame_times.standing
        t_us = self._frame_times.time_us(stamp_ns, self._events_now_us(now_s))
        last = self._last_us.get("frame") if self._frame_times.standing == was_standing else None
        self._arrive("frame", now_s)
        if t_us is None or t_us == last:
            self.counts["duplicate_frame"] += 1
            return
        self._lags["frame"].observe(t_us, now_s)
        epoch = self._epoch("frame", t_us, now_s, back=last is not None and t_us < last)
        if last is not None and 0 < t_us - last < self.timing.timeout_ms * 1000:
            self._period_us = t_us - last
            self._pace.period(self._period_us / 1e6)
        self._last_us["frame"] = t_us
        if len(self._pending) == _ROOM:
            self._pending.popleft()
            self.counts["superseded"] += 1
            self._hurried = True
        self._pending.append((Choice(frame, stamp_ns, now_s, epoch, t_us), t_us))

    def push_events(self, events: Events, now_s: float, *, stamp_us: int | None = None) -> None:
        """Takes a packet of events with times on the host's clock; `stamp_us` is the packet's own, for empty ones."""
        self._arrive("events", now_s)
        end_us = int(events.t_us[-1]) if len(events) else stamp_us
        if end_us is None:
            return
        self._lags["events"].observe(end_us, now_s)
        last = self._last_us.get("events")
        tolerance_us = int(self.timing.max_wait_ms * 1000)
        epoch = self._epoch("events", end_us, now_s, back=last is not None and end_us < last - tolerance_us)
        if len(events):
            epoch.ring.push(events)
        epoch.watermark_us = end_us if epoch.watermark_us is None else max(epoch.watermark_us, end_us)
        self._last_us["events"] = epoch.watermark_us

    # What is due

    def choose(self, now_s: float) -> Choice | None:
        """The step that is due now, or None; a frame that is chosen is not chosen again."""
        ready = self._shed(now_s)
        choice = self._event_step(now_s) if ready < (BACKLOG if self._pace.keeps_up else 1) else None
        if choice is None and ready:
            choice = self._pending.popleft()[0]
            self._pace.answered()
        if choice is not None:
            self._held_since_s = None
        return choice

    def deadline_s(self, now_s: float) -> float | None:
        """When to look again if nothing comes before; None: no need to."""
        times = [choice.received_s + self._wait_s for choice, _ in self._pending]
        if self._pending:
            times.append(self._pace.next_frame_s(self._arrival_s.get("frame", 0.0)))
        epoch = self._epochs[-1]
        if epoch.watermark_us is not None and self.is_alive("events", now_s):
            if self.is_alive("frame", now_s):
                times.append(self._arrival_s["frame"] + self._timeout_s)
            elif "frame" not in self._arrival_s and self._started_s is not None:
                times.append(self._started_s + self._timeout_s)
            if self._held_since_s is not None:
                times.append(self._held_since_s + self._wait_s)
        later = [time for time in times if time > now_s]
        return min(later) if later else None

    def cut(self, choice: Choice, now_s: float) -> Step:
        """Gives the step its window and its events, and moves on to the window after it."""
        epoch, end_us = choice.epoch, choice.epoch.end_us
        t1_us = choice.t_us
        fresh, late = end_us is None, False
        if end_us is not None and t1_us - end_us > self.timing.timeout_ms * 1000:
            self.counts["gap"] += 1
            fresh = True
        if end_us is None or fresh:
            t0_us = t1_us - self.timing.window_us
        elif t1_us <= end_us:  # events have been used past the frame: nothing is left for it but its own look
            self.counts["late_frame"] += 1
            late = True
            t0_us, t1_us = end_us - 1, end_us
        else:
            t0_us = end_us
        use_events = self.is_alive("events", now_s)
        events = epoch.ring.cut(t0_us, t1_us) if end_us != t1_us else Events.empty()
        epoch.end_us = t1_us
        use_frame = choice.frame is not None or self.is_alive("frame", now_s)
        hurried, self._hurried = self._hurried, False
        return Step(
            choice.frame,
            choice.stamp_ns,
            choice.received_s,
            events,
            t0_us,
            t1_us,
            fresh,
            use_frame,
            use_events,
            hurried,
            late,
        )

    def is_alive(self, stream: str, now_s: float) -> bool:
        """Whether a message of the stream, "frame" or "events", came within `timeout_ms`."""
        arrival_s = self._arrival_s.get(stream)
        return arrival_s is not None and not self._is_past(arrival_s, now_s)

    @property
    def skew_us(self) -> int | None:
        """How far the newest event's time is ahead of the newest frame's; None until both have come."""
        if len(self._last_us) < 2:
            return None
        return self._last_us["events"] - self._last_us["frame"]

    @property
    def offset_us(self) -> int | None:
        """How far the events' times are ahead of the images' at the same moment of arrival; None until both are known.

        What is slower to arrive counts in: a camera that takes 80 ms longer than the events looks as if the events
        were 80 ms ahead, which does no harm. Where they lie behind, they come too late for their frames.
        """
        frames, events = (self._lags[stream].value_us for stream in ("frame", "events"))
        return None if frames is None or events is None else frames - events

    @property
    def standing_stamps(self) -> bool:
        """Whether the frames' stamps do not advance, so that their times are those of their arrival."""
        return self._frame_times.standing

    @property
    def lost_events(self) -> int:
        """Events that came too late for any window, or for which there was no room."""
        return self._lost_events + sum(epoch.ring.too_late + epoch.ring.overflowed for epoch in self._epochs)

    @property
    def late_events(self) -> int:
        """Events that came after their window was used, and went to the next."""
        return self._late_events + sum(epoch.ring.late for epoch in self._epochs)

    def excuse(self) -> None:
        """Says that the last step was slow for once (a graph was opened for a new size): the frames that queued up are
        answered nevertheless, if the worker can catch up."""
        self._pace.excuse()

    def took(self, seconds: float) -> None:
        """Says how long the worker had to do with a frame: from that follows which frames are worth a mask."""
        self._pace.took(seconds)

    # How it is decided

    @property
    def _wait_s(self) -> float:
        return self.timing.max_wait_ms / 1e3

    @property
    def _timeout_s(self) -> float:
        return self.timing.timeout_ms / 1e3

    def _is_past(self, since_s: float | None, now_s: float) -> bool:
        return since_s is not None and now_s - since_s > self._timeout_s

    def _events_now_us(self, now_s: float) -> int:
        """The time that the events have come to by now; without events that of the steady clock."""
        watermark_us, arrival_s = self._epochs[-1].watermark_us, self._arrival_s.get("events")
        if watermark_us is None or arrival_s is None:
            return round(now_s * 1e6)
        return watermark_us + round((now_s - arrival_s) * 1e6)

    def _arrive(self, stream: str, now_s: float) -> None:
        self._arrival_s[stream] = now_s
        if self._started_s is None:
            self._started_s = now_s

    def _epoch(self, stream: str, t_us: int, now_s: float, *, back: bool) -> _Epoch:
        """Where a message belongs when time may have jumped back, which the two streams notice one after the other."""
        newest = self._epochs[-1]
        if back:
            if stream in newest.seen:
                self.counts["time_jump"] += 1
                if len(self._epochs) == self._epochs.maxlen:
                    ring = self._epochs[0].ring
                    self._late_events += ring.late
                    self._lost_events += ring.too_late + ring.overflowed
                newest = _Epoch(self._make_ring(), now_s)
                self._epochs.append(newest)
        elif stream not in newest.seen and stream in self._epochs[0].seen and now_s - newest.born_s <= self._timeout_s:
            # The other stream has jumped, this one not yet; if it never does, both go on in the newest.
            return self._epochs[0]
        newest.seen.add(stream)
        return newest

    def _ready(self, choice: Choice, t_us: int, now_s: float) -> bool:
        watermark = choice.epoch.watermark_us
        return (
            choice.epoch is not self._epochs[-1]  # no more events will come for it
            or (watermark is not None and watermark >= t_us)
            or not self.is_alive("events", now_s)
            or now_s >= choice.received_s + self._wait_s
        )

    def _shed(self, now_s: float) -> int:
        """How many frames are to be answered now, after those were dropped that are too many."""
        ready = sum(self._ready(choice, t_us, now_s) for choice, t_us in self._pending)
        came_s = [choice.received_s for choice, _ in list(self._pending)[:ready]]
        drop, wait = self._pace.too_many(came_s, now_s)
        for _ in range(drop):
            self._pending.popleft()
        if drop:
            self.counts["superseded"] += drop
            self._hurried = True
        return 0 if wait else ready - drop

    def _event_step(self, now_s: float) -> Choice | None:
        """The step without a frame that is due before the next frame's."""
        epoch = self._epochs[-1]
        frames = self.is_alive("frame", now_s)
        waiting = "frame" not in self._arrival_s and not self._is_past(self._started_s, now_s)
        rate_hz = self.timing.mask_rate_hz
        if epoch.watermark_us is None or waiting or (frames and not rate_hz):
            return None
        period_us = round(1e6 / rate_hz) if rate_hz else self.timing.window_us
        limit_us = epoch.watermark_us
        if self._pending:  # a mask just before a frame's own would only make the frame late
            choice, t_us = self._pending[0]
            if choice.epoch is not epoch:
                return None
            limit_us = min(limit_us, t_us - period_us // 2)
        if epoch.end_us is None or limit_us - epoch.end_us > self.timing.timeout_ms * 1000:
            if self._pending:
                return None
            end_us = limit_us
        else:
            steps = (limit_us - epoch.end_us) // period_us
            if steps < 1:
                return None
            if steps * period_us <= self.timing.window_us:
                steps = 1  # a packet may well hold several steps; more than one step can hold is overload
            end_us = epoch.end_us + steps * period_us
            if frames and not self._pending and self._is_held(end_us, now_s):
                return None
            if steps > 1:
                self.counts["merged_step"] += steps - 1
                self._hurried = True
        return Choice(None, end_us * 1000, self._arrival_s["events"], epoch, end_us)

    def _is_held(self, end_us: int, now_s: float) -> bool:
        """Whether a frame is expected before `end_us`: it is waited for as long as a frame waits for its events."""
        if not self._period_us or end_us < self._last_us["frame"] + self._period_us:
            return False
        if self._held_since_s is None:
            self._held_since_s = now_s
        return now_s < self._held_since_s + self._wait_s
