"""A subscription whose message type is found from the graph."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

_POLL_S = 0.05  # until the first publisher, so that little of its stream is missed
_WATCH_S = 1.0  # afterwards, for a publisher of another type
_PACKAGES = {"dvs_msgs": None, "prophesee_event_msgs": None}  # no apt package: built from interfaces/


def message_class(type_name: str) -> type | None:
    """The class of ``package/msg/Name``; None where its package is not installed."""
    package, _, name = type_name.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name, None)
    except ImportError:
        return None


def missing_type(type_name: str) -> str:
    """One line that says how to get a message package."""
    package = type_name.partition("/")[0]
    apt = "" if package in _PACKAGES else f"apt install ros-$ROS_DISTRO-{package.replace('_', '-')}, or "
    return f"{type_name} is not installed: {apt}build it from halsie_ros/interfaces (README, Message packages)"


class DiscoveredSubscription:
    """Waits for a publisher of a topic, then subscribes with the publisher's type.

    Args:
        node: the subscriber.
        topic: relative name, remapped like any other.
        types: the message types that the node understands.
        qos: of the subscription.
        callback: called with the type's name and the message.
        raw: hand over the serialized bytes instead of a message object.

    Attributes:
        type_name: the type in use, None before the first publisher.
        problem: why nothing is subscribed, in one line; empty when all is well or no publisher is there yet.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        types: Iterable[str],
        qos: QoSProfile,
        callback: Callable[[str, Any], None],
        *,
        raw: bool,
    ) -> None:
        self._node = node
        self._types = tuple(types)
        self._qos = qos
        self._callback = callback
        self._raw = raw
        self._subscription: Any = None
        self.topic = node.resolve_topic_name(topic)
        self.type_name: str | None = None
        self.problem = ""
        self._timer = node.create_timer(_POLL_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._look()

    @property
    def publishers(self) -> int:
        """How many publish the topic, of whatever type."""
        return self._node.count_publishers(self.topic)

    def stop(self) -> None:
        """Ends the subscription."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _look(self) -> None:
        offered = sorted({info.topic_type for info in self._node.get_publishers_info_by_topic(self.topic)})
        if not offered or self.type_name in offered:
            return
        known = [name for name in offered if name in self._types]
        problem = ""
        if not known:
            problem = f"topic {self.topic} has type {', '.join(offered)}: publish one of {', '.join(self._types)}"
        elif (cls := message_class(known[0])) is None:
            problem = f"topic {self.topic}: {missing_type(known[0])}"
        else:
            self._subscribe(known[0], cls)
        if problem and problem != self.problem:
            self._node.get_logger().error(problem)
        self.problem = problem

    def _subscribe(self, type_name: str, cls: type) -> None:
        if self._subscription is not None:  # another publisher with another type has taken the topic over
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._node.create_subscription(
            cls, self.topic, lambda message: self._callback(type_name, message), self._qos, raw=self._raw
        )
        self._timer.timer_period_ns = int(_WATCH_S * 1e9)
        self.type_name = type_name
