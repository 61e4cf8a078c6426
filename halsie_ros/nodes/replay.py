"""The node `replay`: publishes a bag's serialized messages at their recorded pace, with their recorded QoS."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from halsie_ros.bags.messages import stamp_ns_of
from halsie_ros.bags.reader import BagReader, TopicInfo, open_bag
from halsie_ros.bags.types import COMPRESSED_IMAGE, IMAGE
from halsie_ros.cli.output import write_atomically
from halsie_ros.errors import BagError, HalsieError, ParameterError
from halsie_ros.nodes.parameters import Parameter, Parameters
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.topics import message_class, missing_type

PARAMETERS = (
    Parameter("bag", "", "The bag to publish.", read_only=True),
    Parameter("rate", 1.0, "Speed of the replay, 1.0 = as recorded.", low=0.01, high=1000.0, read_only=True),
    Parameter("loop", False, "Start again at the end, until stopped.", read_only=True),
    Parameter("clock", False, "Publish /clock from the bag's time.", read_only=True),
    Parameter("wait", "", "Topics, separated by commas, that must have a subscriber first.", read_only=True),
    Parameter("timeout_s", 30.0, "How long to wait for the subscribers.", low=0.0, high=3600.0, read_only=True),
    Parameter("sent", "", "File for the sending time of each image, as JSON.", read_only=True),
)
_CLOCK_PERIOD_NS = 10_000_000
_GAP_S = 0.5
"""Pause between two rounds of a loop, so that the last messages of one are taken before the next begins."""


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay and how; the fields are the node's parameters.

    Raises:
        ParameterError: a rate that is not above zero.
    """

    bag: Path
    rate: float = 1.0
    loop: bool = False
    clock: bool = False
    wait: str = ""
    timeout_s: float = 30.0
    sent: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.rate < float("inf"):
            raise ParameterError(f"rate {self.rate}: give a number above 0, 1.0 = as recorded")


class Replay(Node):
    """Publishes on a thread of its own; ends the process when the bag does."""

    def __init__(self, options: ReplayOptions | None = None) -> None:
        super().__init__("replay")
        if options is None:
            values = Parameters(self, PARAMETERS)
            if not values["bag"]:
                raise ParameterError("parameter bag is empty: name the bag, e.g. -p bag:=drive")
            options = ReplayOptions(Path(values["bag"]), *(values[parameter.name] for parameter in PARAMETERS[1:]))
        self._options = options
        self.result: dict[str, Any] = {"published": {}, "skipped": {}, "rounds": 0, "late_ms_max": 0.0}
        self.failure: HalsieError | None = None
        self._sent_ns: dict[int, int] = {}
        self._stop = threading.Event()
        self._bag = open_bag(options.bag)
        self._outlets = self._advertise(self._bag)
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10) if options.clock else None
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        # Not before the node spins: a bag that is refused at once would end ROS under the executor's feet.
        self._starter = self.create_timer(0.0, self._start, clock=RosClock(clock_type=ClockType.STEADY_TIME))

    def _start(self) -> None:
        self._starter.cancel()
        self._thread.start()

    def _advertise(self, bag: BagReader) -> dict[str, Any]:
        outlets = {}
        for name, topic in bag.topics.items():
            cls = message_class(topic.type)
            if topic.serialization != "cdr":
                raise BagError(
                    f"{bag.path} is a ROS 1 bag, whose messages ROS 2 cannot take: build a ROS 2 bag from it"
                )
            if cls is None:
                self.result["skipped"][name] = missing_type(topic.type)
                self.get_logger().warning(f"{name} is not replayed: {missing_type(topic.type)}")
                continue
            outlets[name] = self.create_publisher(cls, name, _profile(topic))
        if not outlets:
            raise BagError(f"{bag.path} has no topic that can be replayed here: build interfaces/ (README)")
        return outlets

    def _run(self) -> None:
        try:
            if self._wait_for_subscribers():
                while self._play_once() and self._options.loop and not self._stop.wait(_GAP_S):
                    pass
                for outlet in self._outlets.values():
                    outlet.wait_for_all_acked(Duration(seconds=2.0))
                # What a best-effort subscriber has not taken yet is lost when the publisher goes.
                self._stop.wait(0.3)
        except HalsieError as error:
            if not self._stop.is_set():
                self.failure = error
        finally:
            rclpy.try_shutdown()

    def _wait_for_subscribers(self) -> bool:
        wanted = [name for name in self._options.wait.split(",") if name]
        for name in wanted:
            if name not in self._outlets:
                raise BagError(f"{self._options.bag} cannot wait for {name}: it replays {', '.join(self._outlets)}")
        end = time.monotonic() + self._options.timeout_s
        while missing := [name for name in wanted if not self._outlets[name].get_subscription_count()]:
            if time.monotonic() > end:
                raise HalsieError(f"nobody subscribed to {', '.join(missing)} within {self._options.timeout_s:g} s")
            if self._stop.wait(0.05):
                return False
        # The subscriber must have matched too: discovery is not at the same moment on both sides.
        return not self._stop.wait(0.3 if wanted else 0.5)

    def _play_once(self) -> bool:
        """One round; False when it was stopped."""
        self.result["rounds"] += 1
        start_ns, first_ns, clock_ns = time.monotonic_ns(), self._bag.start_ns, 0
        images = {name for name, topic in self._bag.topics.items() if topic.type in (IMAGE, COMPRESSED_IMAGE)}
        counts = self.result["published"]
        for name, log_ns, payload in self._bag.messages(self._outlets):
            due_ns = start_ns + round((log_ns - first_ns) / self._options.rate)
            while self._clock_publisher is not None and clock_ns <= log_ns - first_ns:
                if not self._sleep_until(start_ns + round(clock_ns / self._options.rate)):
                    return False
                self._clock_publisher.publish(Clock(clock=_time(first_ns + clock_ns)))
                clock_ns += _CLOCK_PERIOD_NS
            if not self._sleep_until(due_ns):
                return False
            now_ns = time.monotonic_ns()
            self.result["late_ms_max"] = max(self.result["late_ms_max"], (now_ns - due_ns) / 1e6)
            if name in images and self._options.sent:
                self._sent_ns.setdefault(stamp_ns_of(payload), now_ns)  # labels carry the picture's stamp
            self._outlets[name].publish(payload)
            counts[name] = counts.get(name, 0) + 1
        return not self._stop.is_set()

    def _sleep_until(self, due_ns: int) -> bool:
        wait_s = (due_ns - time.monotonic_ns()) / 1e9
        return not (self._stop.wait(wait_s) if wait_s > 0 else self._stop.is_set())

    def destroy_node(self) -> None:
        """Stops the thread, writes the sending times, ends the node."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(timeout=1.0)
        self._bag.__exit__()
        if self._options.sent:
            write_atomically(Path(self._options.sent), json.dumps(self._sent_ns).encode())
        super().destroy_node()


def _profile(topic: TopicInfo) -> QoSProfile:
    """The recorded profile; a deeper queue where the bag does not say (several recordings say "unknown")."""
    recorded = topic.qos[0] if topic.qos else None
    best_effort = recorded is not None and recorded.reliability.name == "BEST_EFFORT"
    latched = recorded is not None and recorded.durability.name == "TRANSIENT_LOCAL"
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=max(recorded.depth if recorded is not None else 0, 10 if latched else 1000),
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _time(nanoseconds: int) -> Time:
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def replay(options: ReplayOptions | None = None) -> tuple[int, dict[str, Any]]:
    """Replays until the bag's end or a signal; returns the exit code and what was published.

    Args:
        options: what to replay; None: from the node's parameters.
    """
    made: list[Replay] = []

    def create() -> Replay:
        made.append(Replay(options))
        return made[0]

    code = spin_node(create, None if options is None else [])
    if made and made[0].failure is not None:
        print(f"replay: {made[0].failure}", file=sys.stderr)
        code = 1
    return code, made[0].result if made else {}


def main() -> int:
    """Entry point."""
    return replay()[0]


if __name__ == "__main__":
    sys.exit(main())
