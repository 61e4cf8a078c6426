"""What the tests of the nodes share: a ROS environment that nobody else sees, and processes that end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from halsie_ros.nodes.runtime import use_fastdds_profile

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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts processes; what still runs at the end of the test is killed."""
    processes: list[Process] = []

    def run(*arguments: object) -> Process:
        processes.append(Process(*map(str, arguments), log=tmp_path / f"process{len(processes)}.log"))
        return processes[-1]

    yield run
    for process in processes:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


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
        self.spin_until(made.get_subscription_count)
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
