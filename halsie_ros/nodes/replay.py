"""The node `replay`: publishes a bag's serialized messages at their recorded pace, with their recorded QoS."""

from __future__ import annotations

import json
import re
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

from halsie_ros.bags.messages import STAMP_BYTES
from halsie_ros.bags.reader import BagReader, TopicInfo, open_bag
from halsie_ros.errors import BagError, HalsieError, ParameterError
from halsie_ros.files import refuse_unwritable, write_atomically
from halsie_ros.nodes.parameters import Parameter, Parameters
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.topics import message_class, missing_type
from halsie_ros.wire.definitions import COMPRESSED_IMAGE, IMAGE
from halsie_ros.wire.layout import stamp_ns_of
from halsie_ros.wire.stamps import ns_to_stamp

SLOWEST, FASTEST = 0.01, 1000.0
LONGEST_TIMEOUT_S = 3600.0
PARAMETERS = (
    Parameter("bag", "", "The bag to publish.", read_only=True),
    Parameter("rate", 1.0, "Speed of the replay, 1.0 = as recorded.", low=SLOWEST, high=FASTEST, read_only=True),
    Parameter("loop", False, "Start again at the end, until stopped.", read_only=True),
    Parameter("clock", False, "Publish /clock from the bag's time.", read_only=True),
    Parameter("wait", "", "Topics, separated by commas, that must have a subscriber first.", read_only=True),
    Parameter(
        "timeout_s", 30.0, "How long to wait for the subscribers.", low=0.0, high=LONGEST_TIMEOUT_S, read_only=True
    ),
    Parameter("sent", "", "File for the sending time of each image, as JSON.", read_only=True),
    Parameter("partial", False, "Replay a cut bag up to the cut.", read_only=True),
)
_CLOCK_PERIOD_NS = 10_000_000
_DRAIN_S = 2.0
_LONGEST_WAIT_S = 3600.0
"""The longest single wait: Python refuses to wait for centuries, which a bag with one wrong time would ask for."""
_DEEPEST = 10_000
_TYPE_NAME = re.compile(r"[A-Za-z]\w*/msg/[A-Za-z]\w*", re.ASCII)
_GAP_S = 0.5
"""Pause between two rounds of a loop, so that the last messages of one are taken before the next begins."""


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay and how; the fields are the node's parameters.

    Raises:
        ParameterError: a rate or a timeout that cannot be, or a file for the sending times that cannot be written.
    """

    bag: Path
    rate: float = 1.0
    loop: bool = False
    clock: bool = False
    wait: str = ""
    timeout_s: float = 30.0
    sent: str = ""
    partial: bool = False

    def __post_init__(self) -> None:
        if not SLOWEST <= self.rate <= FASTEST:
            raise ParameterError(f"rate {self.rate:g}: give {SLOWEST:g} to {FASTEST:g}, 1.0 = as recorded")
        if not 0 <= self.timeout_s <= LONGEST_TIMEOUT_S:
            raise ParameterError(f"timeout {self.timeout_s:g} s: give 0 to {LONGEST_TIMEOUT_S:g}")
        if self.sent:
            refuse_unwritable(self.sent)

    def awaited(self) -> list[str]:
        """Names of the topics that must have a subscriber; relative ones are the bag's all the same."""
        names = (name.strip() for name in self.wait.split(","))
        return [name if name.startswith("/") else f"/{name}" for name in names if name]


class Replay(Node):
    """Publishes on a thread of its own; ends the process when the bag does."""

    def __init__(self, options: ReplayOptions | None = None) -> None:
        super().__init__("replay")
        if options is None:
            values = Parameters(self, PARAMETERS)
            if not values["bag"]:
                raise ParameterError(
                    "parameter bag is empty: name the bag: bag:=drive with ros2 launch, -p bag:=drive with ros2 run"
                )
            options = ReplayOptions(Path(values["bag"]), *(values[parameter.name] for parameter in PARAMETERS[1:]))
        self._options = options
        self.result: dict[str, Any] = {
            "published": {}, "skipped": {}, "rounds": 0, "complete": False, "late_ms_max": 0.0
        }  # fmt: skip
        self.failure: Exception | None = None
        self._sent_ns: dict[int, int] = {}
        self._stop = threading.Event()
        self._bag = open_bag(options.bag, partial=options.partial)
        for line in self._bag.cut:
            self.get_logger().warning(line)
        self._outlets = self._advertise(self._bag)
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10) if options.clock else None
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        # Not before the node spins: a bag that is refused at once would end ROS under the executor's feet.
        self._starter = self.create_timer(0.0, self._start, clock=RosClock(clock_type=ClockType.STEADY_TIME))

    def _start(self) -> None:
        self._starter.cancel()
        self._thread.start()

    def _advertise(self, bag: BagReader) -> dict[str, Any]:
        if bag.storage == "ros1":
            raise BagError(
                f"{bag.path} is a ROS 1 bag, whose messages ROS 2 cannot take: convert it with "
                f"`rosbags-convert --src {bag.path} --dst BAG`"
            )
        if not bag.count:
            raise BagError(f"{bag.path} holds no message: there is nothing to replay")
        outlets: dict[str, Any] = {}
        for name, topic in bag.topics.items():
            outlet, problem = self._outlet(name, topic)
            if problem:
                self.result["skipped"][name] = problem
                self.get_logger().warning(f"{name} is not replayed: {problem}")
            else:
                outlets[name] = outlet
        if not any(bag.topics[name].count for name in outlets):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.result["skipped"].items())
            raise BagError(f"{bag.path} has no message that can be replayed here ({reasons or 'its topics are empty'})")
        for name in self._options.awaited():
            if name not in outlets:
                raise BagError(f"{bag.path} cannot wait for {name}: it replays {', '.join(outlets)}")
        return outlets

    def _outlet(self, name: str, topic: TopicInfo) -> tuple[Any, str]:
        """A publisher, or why there is none."""
        if name == "/clock" and self._options.clock:
            return None, "the clock is made here (--clock)"
        if not _TYPE_NAME.fullmatch(topic.type):  # never import what a damaged bag names
            return None, f"{topic.type!r} is no message type"
        if topic.serialization != "cdr":
            return None, f"it is serialized as {topic.serialization!r}, ROS 2 takes cdr"
        cls = message_class(topic.type)
        if cls is None:
            return None, missing_type(topic.type)
        try:
            return self.create_publisher(cls, name, _profile(topic)), ""
        except Exception as error:  # rclpy's have several bases: a name, a type or a profile that cannot be
            return None, f"it cannot be published ({next(iter(str(error).splitlines()), type(error).__name__)})"

    def _run(self) -> None:
        try:
            if self._wait_for_subscribers():
                while self._play_once() and self._options.loop and not self._stop.wait(_GAP_S):
                    pass
                self._write_sent()  # before the wait: a listener may end and read it meanwhile
                self._drain()
        except Exception as error:
            if not self._stop.is_set():
                self.failure = error
        finally:
            rclpy.try_shutdown()

    def _write_sent(self) -> None:
        if not self._options.sent:
            return
        try:
            write_atomically(Path(self._options.sent), json.dumps(self._sent_ns).encode())
        except OSError as error:
            self.failure = HalsieError(f"{error.filename} cannot be written ({error.strerror}): make room there")

    def _drain(self) -> None:
        """Gives reliable subscribers time to take what is under way, best-effort ones a moment."""
        end = time.monotonic() + _DRAIN_S
        for outlet in self._outlets.values():
            if not self._stop.is_set():
                outlet.wait_for_all_acked(Duration(seconds=max(end - time.monotonic(), 0.0)))
        # What a best-effort subscriber has not taken yet is lost when the publisher goes.
        self._stop.wait(0.3)

    def _wait_for_subscribers(self) -> bool:
        wanted = self._options.awaited()
        end = time.monotonic() + self._options.timeout_s
        while missing := [name for name in wanted if not self._outlets[name].get_subscription_count()]:
            if time.monotonic() > end:
                raise HalsieError(
                    f"nobody subscribed to {', '.join(missing)} within {self._options.timeout_s:g} s: "
                    "start the subscriber (same ROS_DOMAIN_ID?), or wait longer (--timeout)"
                )
            if self._stop.wait(0.05):
                return False
        # The subscriber must have matched too: discovery is not at the same moment on both sides.
        if self._stop.wait(0.3 if wanted else 0.5):
            return False
        shared = [name for name in self._outlets if self.count_publishers(name) > 1]
        if shared:
            self.get_logger().warning(f"others publish {', '.join(shared)} too: subscribers get both, mixed")
        return True

    def _play_once(self) -> bool:
        """One round; False when it was stopped."""
        self.result["rounds"] += 1
        self.result["complete"] = False
        start_ns, first_ns, clock_ns = time.monotonic_ns(), None, 0
        images = {name for name, topic in self._bag.topics.items() if topic.type in (IMAGE, COMPRESSED_IMAGE)}
        counts = self.result["published"]
        for name, log_ns, payload in self._bag.messages(self._outlets):
            first_ns = log_ns if first_ns is None else first_ns  # metadata may tell another start
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
            if name in images and self._options.sent and len(payload) >= STAMP_BYTES:  # a shorter one is sent as it is
                self._sent_ns.setdefault(stamp_ns_of(payload), now_ns)  # labels carry the picture's stamp
            self._outlets[name].publish(payload)
            counts[name] = counts.get(name, 0) + 1
        self.result["complete"] = not self._stop.is_set()
        return bool(self.result["complete"])

    def _sleep_until(self, due_ns: int) -> bool:
        while (wait_s := (due_ns - time.monotonic_ns()) / 1e9) > 0:
            if self._stop.wait(min(wait_s, _LONGEST_WAIT_S)):
                return False
        return not self._stop.is_set()

    def destroy_node(self) -> None:
        """Stops the thread, which writes the sending times, and ends the node."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(timeout=1.0)
        self._bag.__exit__()
        super().destroy_node()


def _profile(topic: TopicInfo) -> QoSProfile:
    """The recorded profile; a deeper queue where the bag does not say (several recordings say "unknown")."""
    recorded = topic.qos[0] if topic.qos else None
    best_effort = recorded is not None and recorded.reliability == "best_effort"
    latched = recorded is not None and recorded.durability == "transient_local"
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=min(max(recorded.depth if recorded is not None else 0, 10 if latched else 1000), _DEEPEST),
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _time(nanoseconds: int) -> Time:
    seconds, rest = ns_to_stamp(nanoseconds)
    return Time(sec=seconds, nanosec=rest)


def replay(options: ReplayOptions | None = None, name: str = "replay") -> tuple[int, dict[str, Any]]:
    """Replays until the bag's end or a signal; returns the exit code and what was published.

    Args:
        options: what to replay; None: from the node's parameters.
        name: begins the line of an error.
    """
    made: list[Replay] = []

    def create() -> Replay:
        made.append(Replay(options))
        return made[0]

    code = spin_node(create, None if options is None else [], name)
    failure = made[0].failure if made else None
    if isinstance(failure, HalsieError):
        print(f"{name}: {failure}", file=sys.stderr)
        code = 1
    elif failure is not None:
        sys.excepthook(type(failure), failure, failure.__traceback__)
        code = 2
    return code, made[0].result if made else {}


def main() -> int:
    """Entry point."""
    return replay()[0]


if __name__ == "__main__":
    sys.exit(main())
