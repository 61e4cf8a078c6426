"""Runs the real nodes as processes of their own, replays a bag into them over DDS, and returns what they published."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.errors import HalsieError

START_TIMEOUT_S = 600.0  # the first start on a machine compiles kernels, for minutes where others use it too
STOP_TIMEOUT_S = 10.0


@dataclass
class LiveRun:
    """What one replay gave.

    Attributes:
        masks: stamp in ns -> mask ``(H, W) uint8``.
        arrived_ns: stamp in ns -> steady time at which the mask came.
        sent_ns: stamp in ns -> steady time at which the replay sent a frame.
        confidence: stamp in ns -> mean confidence, 0 to 1.
        log: label_info, classifications and diagnostics as the recorder kept them.
        exit_codes: node name -> exit code.
        usage: node name -> CPU seconds from its first output to the end, peak resident set in MB; empty where the
            system has no /proc.
    """

    masks: dict[int, np.ndarray] = field(default_factory=dict)
    arrived_ns: dict[int, int] = field(default_factory=dict)
    sent_ns: dict[int, int] = field(default_factory=dict)
    confidence: dict[int, float] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)
    exit_codes: dict[str, int] = field(default_factory=dict)
    usage: dict[str, tuple[float, float]] = field(default_factory=dict)

    def drops(self) -> dict[str, int]:
        """Drops by cause, summed over the nodes' diagnostics (values named ``dropped_<cause>``)."""
        causes: dict[str, int] = {}
        for status in self.log.get("diagnostics", {}).values():
            for name, value in status["values"].items():
                if name.startswith("dropped_") and int(float(value)):
                    causes[name[8:]] = causes.get(name[8:], 0) + int(float(value))
        return causes


@dataclass(frozen=True)
class NodeCommand:
    """A node to start: executable name, remappings and parameters."""

    name: str
    remap: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def words(self) -> list[str]:
        """The command line."""
        words = [sys.executable, "-m", f"halsie_ros.nodes.{self.name}", "--ros-args"]
        for source, target in self.remap.items():
            words += ["-r", f"{source}:={target}"]
        for name, value in self.parameters.items():
            words += ["-p", f"{name}:={json.dumps(value) if not isinstance(value, str) else value}"]
        return words


def run_live(bag: Path, nodes: Sequence[NodeCommand], *, wait_for: Sequence[str], rate: float = 1.0) -> LiveRun:
    """Replays `bag` once into the nodes and collects their output until they fall silent.

    Args:
        bag: the bag to replay, with its recorded QoS.
        nodes: the nodes under test.
        wait_for: topics that must have a subscriber before the replay starts.
        rate: speed of the replay, 1.0 = as recorded.

    Raises:
        HalsieError: a node ended early or never subscribed; the line quotes its last words.
    """
    environment = {**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "OMP_NUM_THREADS": "1"}
    # A domain of our own, so that a robot on the same network neither sees the replay nor answers it.
    environment["ROS_DOMAIN_ID"] = str(random.SystemRandom().randrange(1, 101))
    with tempfile.TemporaryDirectory(prefix="halsie-live-") as name:
        folder = Path(name)
        output, sent, count = folder / "run.npz", folder / "sent.json", folder / "count"
        recorder = NodeCommand("recorder", parameters={"output": str(output), "progress": str(count)})
        processes = {}
        try:
            for node in (*nodes, recorder):
                processes[node.name] = _start(node.words(), folder / f"{node.name}.log", environment)
            _wait_until_heard(count, processes, folder)
            idle = {node.name: _usage(processes[node.name].pid) for node in nodes}
            replay = [sys.executable, "-m", "halsie_ros.cli.main", "bag", "replay", str(bag), "--rate", str(rate)]
            replay += ["--sent", str(sent), "--wait", ",".join(wait_for), "--timeout", str(START_TIMEOUT_S)]
            player = _start(replay, folder / "replay.log", environment)
            processes["replay"] = player
            while player.poll() is None:
                _refuse_early_end(processes, folder)
                time.sleep(0.1)
            if player.returncode:
                raise HalsieError(f"the replay ended with code {player.returncode}: {_last_line(folder, 'replay')}")
            _wait_until_quiet(count)
            usage = {node.name: _usage(processes[node.name].pid) for node in nodes}
        finally:
            try:
                codes = {node: _stop(process) for node, process in reversed(processes.items())}
            finally:  # Ctrl-C once more, while one of them would not end
                for process in processes.values():
                    process.kill()
        if not output.is_file():
            raise HalsieError(f"the recorder left nothing: {_last_line(folder, 'recorder')}")
        run = _read(output, sent, {node: codes[node] for node in (command.name for command in nodes)})
        for name, now in usage.items():
            before = idle[name]
            if now is not None and before is not None:
                run.usage[name] = (now[0] - before[0], now[1])
        return run


def _usage(pid: int) -> tuple[float, float] | None:
    """CPU seconds of a process so far and its peak resident set in MB; None where the system does not tell."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024


def _start(words: list[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True)


def _refuse_early_end(processes: Mapping[str, subprocess.Popen[bytes]], folder: Path) -> None:
    for name, process in processes.items():
        if name != "replay" and process.poll() is not None:
            raise HalsieError(f"node {name} ended with code {process.returncode}: {_last_line(folder, name)}")


def _last_line(folder: Path, name: str) -> str:
    lines = (folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _wait_until_heard(count: Path, processes: Mapping[str, subprocess.Popen[bytes]], folder: Path) -> None:
    """Waits until the recorder has found a node's outputs."""
    end = time.monotonic() + START_TIMEOUT_S
    while not count.exists():
        _refuse_early_end(processes, folder)
        if time.monotonic() > end:
            raise HalsieError(
                f"no node published anything within {START_TIMEOUT_S:g} s: {_last_line(folder, 'recorder')}"
            )
        time.sleep(0.05)


def _wait_until_quiet(count: Path, quiet_s: float = 1.6, most_s: float = 10.0) -> None:
    """Waits until no mask has come for `quiet_s`: longer than the second between two diagnostics."""
    end = time.monotonic() + most_s
    last, since = b"", time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < quiet_s:
        now = count.read_bytes() if count.exists() else b""
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def _read(output: Path, sent: Path, exit_codes: dict[str, int]) -> LiveRun:
    run = LiveRun(exit_codes=exit_codes)
    run.sent_ns = {int(stamp): value for stamp, value in json.loads(sent.read_text()).items()}
    with np.load(output) as file:
        run.log = json.loads(str(file["log"]))
        for stamp, arrived_ns, confidence in zip(file["stamps_ns"], file["arrived_ns"], file["confidence"]):
            run.masks[int(stamp)] = file[f"mask_{stamp}"]
            run.arrived_ns[int(stamp)] = int(arrived_ns)
            run.confidence[int(stamp)] = float(confidence)
    return run
