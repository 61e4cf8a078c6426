"""What the tests of the nodes share: a ROS environment that nobody else sees, and processes that end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from event_camera_msgs.msg import EventPacket
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from halsie_ros.events import Events
from halsie_ros.events.messages import encode_event_packet
from halsie_ros.nodes.runtime import use_fastdds_profile
from halsie_ros.pictures.image_message import fill_image

os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)


class Process:
    """A Python process of its own; what it prints goes to a file."""

    def __init__(self, *arguments: str, log: Path) -> None:
        self.log = log
        with log.open("w") as out:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()

    def wait(self, timeout_s: float = 30.0) -> int:
        """The exit code."""
        return self.popen.wait(timeout_s)

    def wait_for(self, text: str, timeout_s: float = 30.0) -> None:
        """Waits until it has printed `text`."""
        end = time.monotonic() + timeout_s
        while text not in self.output:
            assert time.monotonic() < end, f"{text!r} was not printed in {timeout_s} s:\n{self.output}"
            assert self.popen.poll() is None, f"ended with {self.popen.returncode}:\n{self.output}"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGINT, times: int = 1) -> int:
        """Sends a signal, and again if asked; the exit code."""
        for _ in range(times):
            if self.popen.poll() is None:
                self.popen.send_signal(number)
                time.sleep(0.02)
        return self.wait(10.0)


def starter(folder: Path) -> Iterator[Callable[..., Process]]:
    """Gives a function that starts processes; what still runs at the end is killed."""
    processes: list[Process] = []

    def run(*arguments: object) -> Process:
        processes.append(Process(*map(str, arguments), log=folder / f"process{len(processes)}.log"))
        return processes[-1]

    yield run
    for process in processes:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts processes for one test."""
    yield from starter(tmp_path)


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Starts processes for all tests of a module."""
    yield from starter(tmp_path_factory.mktemp("shared"))


class Probe:
    """A node in the test's own process that publishes bytes and keeps what it hears."""

    def __init__(self) -> None:
        use_fastdds_profile()
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node("probe", context=self.context, start_parameter_services=False)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._keep, 100)

    def _keep(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.diagnostics[status.name] = {"level": status.level[0], "message": status.message, **values}

    def spin_until(self, done: Callable[[], object], timeout_s: float = 20.0) -> None:
        """Takes messages until `done()` holds; fails the test when it never does."""
        end = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < end, f"waited {timeout_s} s in vain; diagnostics: {self.diagnostics}"
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        """Takes messages for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def publisher(self, message_type: type, topic: str, depth: int = 1000):
        """A reliable publisher that somebody listens to."""
        made = self.node.create_publisher(message_type, topic, depth)
        self.spin_until(made.get_subscription_count, 120.0)  # the first start on a machine compiles kernels
        return made

    def close(self) -> None:
        """Takes the node away."""
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def probe() -> Iterator[Probe]:
    """A node that looks at the nodes under test from outside."""
    made = Probe()
    yield made
    made.close()


class Camera:
    """A camera and an event camera in the test's process, and an ear for what the segmentation node makes of them.

    Args:
        probe: publishes and listens.
        namespace: of all topics.
        size: (height, width) of the images.
        sensor: (height, width) of the event sensor.
    """

    def __init__(self, probe: Probe, namespace: str = "", size=(120, 160), sensor=(120, 160)) -> None:
        self.probe, self.size, self.sensor = probe, size, sensor
        self.seq = 0
        self.heard: dict[str, dict[int, Image]] = {}
        self.shaken = False
        self.prefix = f"/{namespace}" if namespace else ""
        self.images = probe.publisher(Image, f"{self.prefix}/image")
        self.events = probe.publisher(EventPacket, f"{self.prefix}/events")
        self.listen("mask", "confidence")
        self._shake_hands()

    def listen(self, *names: str) -> None:
        """Subscribes to outputs, and waits until they are connected."""
        for name in names:
            self.heard[name] = {}
            subscription = self.probe.node.create_subscription(
                Image, f"{self.prefix}/segmentation/{name}", lambda m, name=name: self._hear(name, m), 100
            )
            self.probe.spin_until(lambda s=subscription: self.probe.node.count_publishers(s.topic_name))

    def _shake_hands(self) -> None:
        """Sends early pictures until one is answered: a best-effort reader may be known and yet not listen."""
        stamps_ms = iter(range(100, 1000, 5))

        def answered() -> bool:
            self.send_image(next(stamps_ms))
            self.probe.spin_for(0.1)
            return bool(self.heard["mask"])

        self.probe.spin_until(answered)
        self.shaken = True  # answers to early pictures that are still under way count no more
        self.heard = {name: {} for name in self.heard}

    def _hear(self, name: str, message: Image) -> None:
        stamp_ms = message.header.stamp.sec * 1000 + message.header.stamp.nanosec // 1_000_000
        if stamp_ms >= 1000 or not self.shaken:
            self.heard[name].setdefault(stamp_ms, message)

    def send_image(self, stamp_ms: int, **changes) -> None:
        """One image of a ramp that moves, rgb8; `changes` are fields of the message."""
        height, width = changes.pop("size", self.size)
        ramp = np.arange(width, dtype=np.uint8) + np.uint8(stamp_ms % 7)  # a camera's pictures never repeat
        pixels = np.broadcast_to(ramp[None, :, None], (height, width, 3))
        message = fill_image(Image(), pixels)
        message.header.frame_id = "camera_optical"
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ms * 1_000_000, 1_000_000_000)
        for name, value in changes.items():
            setattr(message, name, value)
        self.images.publish(message)

    def send_events(self, first_ms: int, last_ms: int, per_ms: int = 20) -> None:
        """One packet of random events with times from the first to the last millisecond."""
        rng = np.random.default_rng(first_ms)
        t_us = np.repeat(np.arange(first_ms, last_ms + 1) * 1000, per_ms)
        height, width = self.sensor
        x, y = rng.integers(0, width, len(t_us)), rng.integers(0, height, len(t_us))
        packet = {"encoding": "mono", "width": width, "height": height, "frame_id": "event_optical", "seq": self.seq}
        packet |= {"stamp_ns": first_ms * 1_000_000, "time_base_us": first_ms * 1000}
        self.events.publish(encode_event_packet(Events.of(x, y, t_us, x % 2), **packet))
        self.seq += 1

    def send(
        self, first_ms: int, frames: int, period_ms: int = 50, *, images: bool = True, events: bool = True
    ) -> list:
        """Frames and their events in real time; the frames' stamps in ms."""
        stamps = [first_ms + period_ms * (index + 1) for index in range(frames)]
        for stamp_ms in stamps:
            start_s = time.monotonic()
            if events:
                for begin_ms in range(stamp_ms - period_ms + 1, stamp_ms + 1, 10):
                    self.send_events(begin_ms, min(begin_ms + 9, stamp_ms))
            if images:
                self.send_image(stamp_ms)
            self.probe.spin_for(max(0.0, period_ms / 1e3 - (time.monotonic() - start_s)))
        return stamps

    def send_until_answered(self, after_ms: int, period_ms: int = 50) -> int:
        """Frames and their events until one frame is answered, for a loaded machine drops some; that one's stamp."""
        for stamp_ms in range(after_ms + period_ms, after_ms + 20 * period_ms, period_ms):
            self.send_events(stamp_ms - period_ms + 1, stamp_ms)
            self.send_image(stamp_ms)
            end = time.monotonic() + 2.0
            while time.monotonic() < end and stamp_ms not in self.heard["mask"]:
                self.probe.executor.spin_once(timeout_sec=0.02)
            if stamp_ms in self.heard["mask"]:
                return stamp_ms
        raise AssertionError(f"no frame of 19 was answered; diagnostics: {self.probe.diagnostics}")

    def expect(self, stamps_ms: list[int], name: str = "mask") -> list[Image]:
        """Waits for the pictures of these stamps."""
        self.probe.spin_until(lambda: set(stamps_ms) <= set(self.heard[name]), 10.0)
        return [self.heard[name][stamp_ms] for stamp_ms in stamps_ms]


@pytest.fixture
def camera(probe: Probe) -> Callable[..., Camera]:
    """Makes cameras; the nodes under test must run."""
    return lambda *args, **kwargs: Camera(probe, *args, **kwargs)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with real processes can lose a race on a crowded machine: marked, so that a second run is seen as one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=2))
