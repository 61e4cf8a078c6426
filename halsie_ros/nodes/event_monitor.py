"""The node `event_monitor`: is the event stream there, how fast, and is it whole?"""

from __future__ import annotations

import sys
from collections import Counter

from rclpy.node import Node

from halsie_ros.events.messages import EventBatch
from halsie_ros.nodes.diagnostics import DiagnosticsPublisher
from halsie_ros.nodes.event_input import EventInput
from halsie_ros.nodes.parameters import Parameter, Parameters
from halsie_ros.nodes.runtime import spin_node

PARAMETERS = (Parameter("timeout_ms", 500.0, "Silence after which the stream counts as lost.", low=1.0, high=60000.0),)


class EventMonitor(Node):
    """Subscribes to `events`, of whatever type, and publishes what it finds on /diagnostics."""

    def __init__(self) -> None:
        super().__init__("event_monitor")
        self._settings = Parameters(self, PARAMETERS)
        self._counts: Counter[str] = Counter(on=0, off=0, triggers=0)
        self._input = EventInput(self, self._count)
        self._diagnostics = DiagnosticsPublisher(
            self, lambda: [self._input.status(self._settings["timeout_ms"], self._counts)]
        )

    def _count(self, batch: EventBatch) -> None:
        on = int(batch.events.polarity.sum())
        self._counts.update(on=on, off=len(batch.events) - on, triggers=len(batch.triggers))


def main() -> int:
    """Entry point."""
    return spin_node(EventMonitor)


if __name__ == "__main__":
    sys.exit(main())
