"""What a node tells about itself on /diagnostics (REP-107), once a second.

The counters are written by the callback thread and by the worker; each update is short and under one lock.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node

from halsie_ros.nodes.topics import DiscoveredSubscription

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
PERIOD_S = 1.0
INPUTS = ("image", "events", "packets")
"""Names of the statuses of streams that come in."""
SILENT = "silent for"
_REMIND_S, _PAUSE_S = 60.0, 5.0


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
        self._accepted_s: float | None = None
        self._refused_s, self._reason = -math.inf, ""

    def count(self, units: int = 0, *, accepted: bool = True) -> None:
        """One more message, with `units` things in it (events); whether it serves may be known later (`accept`)."""
        if accepted:
            self.accept()
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

    def accept(self) -> None:
        """The newest message served."""
        self._accepted_s = self._clock()

    def refuse(self, cause: str, error: Exception) -> None:
        """One more message lost to `cause`, and why."""
        self.drop(cause)
        self._refused_s, self._reason = self._clock(), f"every message is refused: {error}"

    def refusal(self, timeout_s: float) -> str:
        """Why nothing of what has come lately served; empty where some of it did, or nothing came for `timeout_s`."""
        now_s, lately_s = self._clock(), max(timeout_s, PERIOD_S)
        served = self._accepted_s is not None and now_s - self._accepted_s <= lately_s
        return self._reason if now_s - self._refused_s <= lately_s and not served else ""

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
    statistics: Statistics, subscription: DiscoveredSubscription, timeout_ms: float, problem: str = ""
) -> tuple[bytes, str]:
    """Level and message of an input stream: broken, refused, never heard, silent, lossy, or (an empty message) well.

    To be called once per status: what is complained of is counted from call to call.

    Args:
        statistics: of its messages.
        subscription: where they come from.
        timeout_ms: silence after which the stream counts as lost.
        problem: what the node found wrong with the stream.
    """
    complaint = subscription.complaint()
    problem = subscription.problem or statistics.refusal(timeout_ms / 1e3) or problem
    age_s = statistics.age_s()
    if problem:
        return ERROR, problem
    if age_s is None:
        publishers = subscription.publishers
        who = f"{publishers} publishers, but no message" if publishers else "nobody publishes"
        return STALE, f"{who} on {subscription.topic}"
    if age_s * 1e3 > timeout_ms:
        return STALE, f"{SILENT} {age_s:.1f} s: {subscription.topic}"
    return (WARN, complaint) if complaint else (OK, "")


def warned(level: bytes, message: str, warning: str) -> tuple[bytes, str]:
    """Level and message with a warning of the node's own in front; an error or a silence stays what it is."""
    if not warning or level not in (OK, WARN):
        return level, message
    return WARN, f"{warning}; {message}" if message else warning


class Announcer:
    """Brings what diagnostics complain of to the log: once when it begins, again after a minute, and its end.

    Args:
        logger: of the node.
        clock: steady seconds.
    """

    def __init__(self, logger: RcutilsLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._told: dict[str, tuple[str, float]] = {}

    def say(self, part: DiagnosticStatus) -> None:
        """Logs the status if it is worth a line: an error, or a warning or silence of an input."""
        told, told_s = self._told.get(part.name, ("", -math.inf))
        now_s = self._clock()
        silent = part.level == STALE and part.message.startswith(SILENT)
        if part.level == ERROR or (part.name in INPUTS and (part.level == WARN or silent)):
            kind = f"{part.level[0]} {re.sub('[0-9.]+', '', part.message)}"  # whatever its figures
            if now_s - told_s >= (_REMIND_S if kind == told else _PAUSE_S):
                if part.level == ERROR:  # on lines of their own: rclpy refuses two severities at one place in the code
                    self._logger.error(f"{part.name}: {part.message}")
                else:
                    self._logger.warning(f"{part.name}: {part.message}")
                self._told[part.name] = (kind, now_s)
        elif part.level == OK and told and now_s - told_s >= _PAUSE_S:
            self._logger.info(f"{part.name}: well again")
            self._told[part.name] = ("", now_s)


class DiagnosticsPublisher:
    """Publishes a node's statuses once a second, on a steady clock (simulated time may stand still).

    Args:
        node: named in front of each status.
        collect: makes the statuses.
    """

    def __init__(self, node: Node, collect: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node = node
        self._collect = collect
        self._announcer = Announcer(node.get_logger())
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publishes now."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        for part in self._collect():
            self._announcer.say(part)
            part.name = f"{self._node.get_fully_qualified_name().lstrip('/')}: {part.name}"
            part.hardware_id = "halsie_ros"
            message.status.append(part)
        self._publisher.publish(message)

    def stop(self) -> None:
        """Ends the timer and takes the publisher away."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)
