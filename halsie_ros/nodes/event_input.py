"""An event topic as a stream of events on the host's clock, with its losses counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from halsie_ros.errors import CodecError
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.messages import (
    MESSAGE_TYPES,
    EventBatch,
    EventTopicDecoder,
    carries_events,
)
from halsie_ros.nodes import diagnostics, qos
from halsie_ros.nodes.diagnostics import Statistics
from halsie_ros.nodes.topics import DiscoveredSubscription, definition_of


class EventInput:
    """Subscribes to `events`, decodes, and brings the times to the host's clock.

    Args:
        node: the subscriber.
        receive: called with each message's batch, its times on the host's clock.
        event_time: which times events get, one of `SensorClock.SOURCES`.

    Attributes:
        shift_us: added to every event's time.
        size: (height, width) of the sensor, None before the first message.
        frame_id: of the sensor.
        statistics: messages, events and losses.
    """

    def __init__(self, node: Node, receive: Callable[[EventBatch], None], *, event_time: str = "auto") -> None:
        self.shift_us = 0
        self.size: tuple[int, int] | None = None
        self.frame_id = ""
        self.statistics = Statistics()
        self._node = node
        self._receive = receive
        self._decoder: EventTopicDecoder | None = None
        self._event_time = event_time
        self._clock = SensorClock(event_time)
        self._encoding = ""
        self._told: Counter[str] = Counter()
        self._subscription = DiscoveredSubscription(
            node,
            "events",
            MESSAGE_TYPES,
            qos.EVENTS_DEPTH,
            self._take,
            raw=True,
            alike=lambda name, definition: carries_events(name, "cdr", definition),
        )

    @property
    def topic(self) -> str:
        """Full name of the topic."""
        return self._subscription.topic

    def stop(self) -> None:
        """Ends the subscription."""
        self._subscription.stop()

    def _take(self, type_name: str, payload: bytes) -> None:
        if self._decoder is None or self._decoder.message_type != type_name:
            definition = None if type_name in MESSAGE_TYPES else definition_of(type_name)
            self._decoder = EventTopicDecoder(type_name, definition=definition)
            self._clock = SensorClock(self._event_time)
        try:
            batch = self._decoder.push(payload, self._node.get_clock().now().nanoseconds)
        except CodecError as error:
            self.statistics.refuse("bad_event_message", error)
            self._node.get_logger().warning(f"{self._subscription.topic}: {error}", throttle_duration_sec=5.0)
            return
        batch, jump = self._clock.localize(batch)
        if self.shift_us:
            batch = batch.shifted(self.shift_us)
        if jump.resets:
            self.statistics.drop(f"time_{jump.value}")
        for cause, number in batch.losses().items():
            self.statistics.drop(cause, number)
        self.size, self.frame_id, self._encoding = (batch.height, batch.width), batch.frame_id, batch.encoding
        self.statistics.count(len(batch.events))
        self._receive(batch)

    def status(
        self, timeout_ms: float, extra: Mapping[str, object], problem: str = "", warning: str = ""
    ) -> DiagnosticStatus:
        """The stream's status; `problem` is what the node found wrong with it, `warning` what is only odd."""
        rate, event_rate = self.statistics.rates()
        causes = Counter(self.statistics.causes)
        new, self._told = causes - self._told, causes
        messages = ("bad_event_message", "lost_event_message")
        height, width = self.size or (0, 0)
        values = {
            **self._subscription.values(),
            "encoding": self._encoding,
            "width": width,
            "height": height,
            "messages": self.statistics.total,
            "messages_per_s": rate,
            "events": self.statistics.units,
            "events_per_s": event_rate,
            "event_time": self._event_time,
            "clock_offset_us": self._clock.offset_us,
            "clock_drift_ppm": self._clock.drift_ppm,
            "event_time_drifted_ms": self._clock.drifted_us / 1e3,
            **{f"dropped_{name}": causes[name] for name in messages},
            **{name: causes[name] for name in sorted(causes) if name not in messages},
            **extra,
        }
        level, message = diagnostics.stream_level(self.statistics, self._subscription, timeout_ms, problem)
        if not warning and self._clock.coarse_stamps:
            warning = f"header stamps of {self.topic} do not advance with its events: constant, or whole seconds"
        level, message = diagnostics.warned(level, message, warning)
        if level == diagnostics.OK and new:
            level, message = diagnostics.WARN, ", ".join(f"{number} {cause}" for cause, number in sorted(new.items()))
        message = message or f"{event_rate / 1e6:.3f} Mevents/s from {width}x{height}"
        return diagnostics.status(level, "events", message, values)
