"""The node `event_monitor`: is the event stream there, how fast, and is it whole?"""

from __future__ import annotations

import sys
from collections import Counter

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from halsie_ros.errors import CodecError
from halsie_ros.events.messages import MESSAGE_TYPES, EventTopicDecoder
from halsie_ros.nodes import diagnostics, qos
from halsie_ros.nodes.diagnostics import DiagnosticsPublisher, Statistics
from halsie_ros.nodes.parameters import Parameter, Parameters
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.topics import DiscoveredSubscription

PARAMETERS = (Parameter("timeout_ms", 500.0, "Silence after which the stream counts as lost.", low=1.0, high=60000.0),)


class EventMonitor(Node):
    """Subscribes to `events`, of whatever type, and publishes what it finds on /diagnostics."""

    def __init__(self) -> None:
        super().__init__("event_monitor")
        self._settings = Parameters(self, PARAMETERS)
        self._statistics = Statistics()
        self._polarities: Counter[str] = Counter()
        self._decoder: EventTopicDecoder | None = None
        self._sensor = ("", 0, 0)  # encoding, width, height
        self._reported: Counter[str] = Counter()
        self._subscription = DiscoveredSubscription(
            self, "events", MESSAGE_TYPES, qos.input_qos(qos.EVENTS_DEPTH), self._receive, raw=True
        )
        self._diagnostics = DiagnosticsPublisher(self, lambda: [self._status()])

    def _receive(self, type_name: str, payload: bytes) -> None:
        if self._decoder is None or self._decoder.message_type != type_name:
            self._decoder = EventTopicDecoder(type_name)
        try:
            batch = self._decoder.push(payload)
        except CodecError as error:
            self._statistics.drop("bad_message")
            self.get_logger().warning(f"{self._subscription.topic}: {error}", throttle_duration_sec=5.0)
            return
        on = int(batch.events.polarity.sum())
        self._polarities.update(on=on, off=len(batch.events) - on, triggers=len(batch.triggers))
        for cause, number in batch.dropped.items():
            self._statistics.drop(cause, number)
        if batch.lost:
            self._statistics.drop("lost_message", batch.lost)
        self._sensor = (batch.encoding, batch.width, batch.height)
        self._statistics.count(len(batch.events))

    def _status(self) -> DiagnosticStatus:
        rate, event_rate = self._statistics.rates()
        causes = Counter(self._statistics.causes)
        new, self._reported = causes - self._reported, causes
        encoding, width, height = self._sensor
        values = {
            "topic": self._subscription.topic,
            "type": self._subscription.type_name or "",
            "encoding": encoding,
            "width": width,
            "height": height,
            "messages": self._statistics.total,
            "messages_per_s": rate,
            "events": self._statistics.units,
            "events_per_s": event_rate,
            **{name: self._polarities[name] for name in ("on", "off", "triggers")},
            **{f"dropped_{cause}": causes[cause] for cause in sorted({"bad_message", "lost_message", *causes})},
        }
        age_s = self._statistics.age_s()
        if self._subscription.problem:
            level, message = diagnostics.ERROR, self._subscription.problem
        elif age_s is None:
            who = f"{self._subscription.publishers} publishers" if self._subscription.publishers else "nobody publishes"
            level, message = diagnostics.STALE, f"no events yet: {who} on {self._subscription.topic}"
        elif age_s * 1e3 > self._settings["timeout_ms"]:
            level, message = diagnostics.STALE, f"silent for {age_s:.1f} s"
        elif new:
            level, message = diagnostics.WARN, "lost: " + ", ".join(f"{n} {cause}" for cause, n in sorted(new.items()))
        else:
            level, message = diagnostics.OK, f"{event_rate / 1e6:.3f} Mevents/s from {width}x{height}"
        return diagnostics.status(level, "events", message, values)


def main() -> int:
    """Entry point."""
    return spin_node(EventMonitor)


if __name__ == "__main__":
    sys.exit(main())
