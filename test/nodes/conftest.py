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
