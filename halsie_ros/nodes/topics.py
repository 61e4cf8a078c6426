"""A subscription whose message type is found from the graph."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from halsie_ros.nodes.qos import input_qos

_POLL_S = 0.05  # until the first publisher, so that little of its stream is missed
_WATCH_S = 1.0  # afterwards, for a publisher of another type
_LONELY_S = 5.0  # without a publisher, before it is said
_REPEAT_S = 60.0
_SUGGESTIONS = 5
_LOSSES = 0.1  # share of lost messages that is complained of
_TOO_SLOW = "this machine is too busy for it"
_TOO_LARGE = "publish it reliable, or give its publisher config/fastdds.xml too (docs/ros.md, Drivers)"
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


_MSG_NAMES = {"boolean": "bool", "octet": "byte", "float": "float32", "double": "float64"}


def definition_of(type_name: str) -> str | None:
    """The .msg text of an installed message type with what it nests, from the graph's own classes; None without one.

    Fields that events never have (arrays of fixed length, wide strings) are given as they are.
    """
    cls, seen = message_class(type_name), {type_name}
    if cls is None:
        return None

    def fields(message: Any) -> str:
        lines = []
        for name, kind in message.get_fields_and_field_types().items():
            found = re.fullmatch(r"sequence<([^,>]+)(?:,.*)?>", kind)
            base = found[1] if found else kind
            if "/" in base:
                nested.append(base.replace("/", "/msg/"))
            lines.append(f"{_MSG_NAMES.get(base, base)}{'[]' if found else ''} {name}\n")
        return "".join(lines)

    nested: list[str] = []
    text = fields(cls)
    while nested:
        name = nested.pop()
        if name not in seen and (inner := message_class(name)) is not None:
            seen.add(name)
            text += f"===\nMSG: {name.replace('/msg/', '/')}\n{fields(inner)}"
    return text


class DiscoveredSubscription:
    """Waits for a publisher of a topic, then subscribes with the publisher's type and as reliably as all offer it.

    Args:
        node: the subscriber.
        topic: relative name, remapped like any other.
        types: the message types that the node understands.
        depth: of the queue.
        callback: called with the type's name and the message.
        raw: hand over the serialized bytes instead of a message object.
        alike: says of another type's name and definition whether the node understands it as well.

    Attributes:
        type_name: the type in use, None before the first publisher.
        problem: why nothing is subscribed, in one line; empty when all is well or no publisher is there yet.
        lost: messages that the middleware lost on their way here.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        types: Iterable[str],
        depth: int,
        callback: Callable[[str, Any], None],
        *,
        raw: bool,
        alike: Callable[[str, str], bool] | None = None,
    ) -> None:
        self._node = node
        self._types = tuple(types)
        self._depth = depth
        self._callback = callback
        self._raw = raw
        self._alike = alike
        self._subscription: Any = None
        self._qos = input_qos(depth)
        self._complain_s = time.monotonic() + _LONELY_S
        self.topic = node.resolve_topic_name(topic)
        self.type_name: str | None = None
        self.problem = ""
        self.lost = 0
        self._heard = 0
        self._told = (0, 0)
        self._timer = node.create_timer(_POLL_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._look()

    @property
    def publishers(self) -> int:
        """How many publish the topic, of whatever type."""
        return self._node.count_publishers(self.topic)

    @property
    def reliable(self) -> bool:
        """Whether what is lost on the way is sent again."""
        return bool(self._qos.reliability == ReliabilityPolicy.RELIABLE)

    def values(self) -> dict[str, object]:
        """What diagnostics tell of it."""
        values = {"topic": self.topic, "type": self.type_name or "", "publishers": self.publishers}
        return values | {"reliable": self.reliable, "lost_on_the_way": self.lost}

    def complaint(self) -> str:
        """What is wrong with the messages' way here since the last call, in one line; empty when all is well."""
        heard, lost = self._heard - self._told[0], self.lost - self._told[1]
        self._told = (self._heard, self.lost)
        if lost > _LOSSES * (heard + lost):
            cause = _TOO_SLOW if self.reliable else _TOO_LARGE
            return f"{lost} of {heard + lost} messages were lost on their way: {self.topic}: {cause}"
        publishers = self.publishers
        return f"{publishers} publishers on {self.topic}: stop all but one" if publishers > 1 else ""

    def stop(self) -> None:
        """Ends the subscription."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _look(self) -> None:
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            self._miss()
            return
        self._complain_s = time.monotonic() + _LONELY_S
        offered = sorted({info.topic_type for info in publishers})
        if self.type_name in offered:
            self._follow_reliability(publishers)
            return
        known = [name for name in offered if name in self._types] or [name for name in offered if self._is_alike(name)]
        problem = ""
        if not known:
            problem = f"topic {self.topic} has type {', '.join(offered)}: publish one of {', '.join(self._types)}"
            absent = [name for name in offered if message_class(name) is None] if self._alike else []
            problem += f"; {', '.join(absent)} is not installed, a definition that is alike would do" if absent else ""
        elif (cls := message_class(known[0])) is None:
            problem = f"topic {self.topic}: {missing_type(known[0])}"
        else:
            self._subscribe(known[0], cls, self._offered(publishers, known[0]))
        if problem and problem != self.problem:
            self._node.get_logger().error(problem)
        self.problem = problem

    def _is_alike(self, name: str) -> bool:
        definition = definition_of(name) if self._alike is not None else None
        return definition is not None and self._alike is not None and self._alike(name, definition)

    def _miss(self) -> None:
        """Says, now and then, that nobody publishes, and what else of our types is there."""
        if time.monotonic() < self._complain_s:
            return
        self._complain_s = time.monotonic() + _REPEAT_S  # rclpy's own throttle would count all topics together
        node = self._node
        ours = dict(node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace()))
        topics = node.get_topic_names_and_types()
        others = sorted(name for name, types in topics if name not in ours and set(types) & set(self._types))
        others = [name for name in others if name != self.topic and node.count_publishers(name)][:_SUGGESTIONS]
        there = f"; of its types there are {', '.join(others)}: remap to one of them" if others else ""
        self._node.get_logger().warning(f"nobody publishes {self.topic}{there}")

    def _offered(self, publishers: list[Any], type_name: str) -> QoSProfile:
        return input_qos(
            self._depth, (info.qos_profile.reliability for info in publishers if info.topic_type == type_name)
        )

    def _follow_reliability(self, publishers: list[Any]) -> None:
        """Subscribes anew where publishers that came or went change what all of them offer."""
        if self.type_name is None or self._subscription is None:
            return
        wanted = self._offered(publishers, self.type_name)
        cls = message_class(self.type_name)
        if wanted.reliability != self._qos.reliability and cls is not None:
            self._subscribe(self.type_name, cls, wanted)

    def _subscribe(self, type_name: str, cls: type, qos: QoSProfile) -> None:
        if self._subscription is not None:  # another publisher with another type has taken the topic over
            self._node.destroy_subscription(self._subscription)
        # Incompatible publishers are the poll's matter: it subscribes as they can.
        events = SubscriptionEventCallbacks(message_lost=self._count_lost, use_default_callbacks=False)

        def subscribe(callbacks: SubscriptionEventCallbacks | None) -> Any:
            return self._node.create_subscription(
                cls,
                self.topic,
                lambda message: self._take(type_name, message),
                qos,
                raw=self._raw,
                event_callbacks=callbacks,
            )

        try:
            self._subscription = subscribe(events)
        except UnsupportedEventTypeError:  # a middleware that does not tell of losses
            self._subscription = subscribe(None)
        self._timer.timer_period_ns = int(_WATCH_S * 1e9)
        self.type_name, self._qos = type_name, qos

    def _take(self, type_name: str, message: Any) -> None:
        self._heard += 1
        self._callback(type_name, message)

    def _count_lost(self, event: Any) -> None:
        self.lost += event.total_count_change
