"""What a node tells about itself on /diagnostics (REP-107), once a second.

The counters are written by the callback thread and by the worker; each update is short and under one lock.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
PERIOD_S = 1.0


class Statistics:
    """Counts of one stream or one stage: how many, how often, how late, and what was lost to which cause.

    Args:
        clock: steady seconds.
        window: how many of the newest latencies the percentiles cover.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, window: int = 500) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._total = 0
        self._units = 0
        self._mark = (clock(), 0, 0)
        self._last_s: float | None = None
        self._latencies_ms: deque[float] = deque(maxlen=window)
        self._causes: Counter[str] = Counter()

    def count(self, units: int = 0) -> None:
        """One more message, with `units` things in it (events)."""
        with self._lock:
            self._total += 1
            self._units += units
            self._last_s = self._clock()

    def latency(self, milliseconds: float) -> None:
        """One more latency."""
        with self._lock:
            self._latencies_ms.append(milliseconds)

    def drop(self, cause: str, number: int = 1) -> None:
        """`number` more things lost to `cause`."""
        with self._lock:
            self._causes[cause] += number

    @property
    def total(self) -> int:
        """Messages so far."""
        return self._total

    @property
    def units(self) -> int:
        """Things in all messages so far."""
        return self._units

    @property
    def causes(self) -> dict[str, int]:
        """Losses by cause, so far."""
        with self._lock:
            return dict(self._causes)

    def age_s(self) -> float | None:
        """Seconds since the last message, None before the first."""
        return None if self._last_s is None else self._clock() - self._last_s

    def rates(self) -> tuple[float, float]:
        """Messages and units per second since the last call."""
        with self._lock:
            now, mark = self._clock(), self._mark
            self._mark = (now, self._total, self._units)
        seconds = max(now - mark[0], 1e-9)
        return (self._mark[1] - mark[1]) / seconds, (self._mark[2] - mark[2]) / seconds

    def percentiles_ms(self) -> tuple[float, float] | None:
        """Median and 95th percentile of the newest latencies, None while there are none."""
        with self._lock:
            values = list(self._latencies_ms)
        return None if not values else (float(np.percentile(values, 50)), float(np.percentile(values, 95)))


def status(level: bytes, part: str, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """One status; floats are given with three digits, the rest as they are."""
    pairs = [KeyValue(key=k, value=f"{v:.3f}" if isinstance(v, float) else str(v)) for k, v in values.items()]
    return DiagnosticStatus(level=level, name=part, message=message, values=pairs)


def stream_level(
    problem: str, age_s: float | None, timeout_ms: float, topic: str, publishers: int
) -> tuple[bytes, str]:
    """Level and message of an input stream: broken, never heard, silent, or (with an empty message) well."""
    if problem:
        return ERROR, problem
    if age_s is None:
        who = f"{publishers} publishers, but no message" if publishers else "nobody publishes"
        return STALE, f"{who} on {topic}"
    if age_s * 1e3 > timeout_ms:
        return STALE, f"silent for {age_s:.1f} s: {topic}"
    return OK, ""


class DiagnosticsPublisher:
    """Publishes a node's statuses once a second, on a steady clock (simulated time may stand still).

    Args:
        node: named in front of each status.
        collect: makes the statuses.
    """

    def __init__(self, node: Node, collect: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node = node
        self._collect = collect
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publishes now."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        for part in self._collect():
            part.name = f"{self._node.get_fully_qualified_name().lstrip('/')}: {part.name}"
            part.hardware_id = "halsie_ros"
            message.status.append(part)
        self._publisher.publish(message)

    def stop(self) -> None:
        """Ends the timer and takes the publisher away."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)
