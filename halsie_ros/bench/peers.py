"""Peers that need installing: an environment of their own, and a worker in it that is measured in turn with us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from halsie_ros.errors import HalsieError

FOLDER = ".venv-peers"


def python_with(*requirements: str, folder: Path | None = None) -> Path:
    """The Python of the peers' environment, made on first use, with packages installed.

    Args:
        requirements: pip requirements.
        folder: where; None: `.venv-peers` in the working directory.

    Raises:
        HalsieError: pip failed; its last line is in the message.
    """
    folder = folder or Path.cwd() / FOLDER
    python = folder / "bin" / "python"
    # The wheels of ROS hand these down; they would make another environment's Python start as theirs.
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")
    }
    marker = folder / "installed.txt"
    have = marker.read_text().split("\n") if marker.is_file() else []
    missing = [requirement for requirement in requirements if requirement not in have]
    steps = [] if python.is_file() else [[sys.executable, "-m", "venv", str(folder)]]
    steps += [[str(python), "-m", "pip", "install", "--quiet", *missing]] if missing else []
    for step in steps:
        print("+", " ".join(step), flush=True)
        done = subprocess.run(step, env=environment, capture_output=True, text=True)
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise HalsieError(f"peers: {' '.join(step[-3:])} failed in {folder}: {lines[-1]}")
    marker.write_text("\n".join([*have, *missing]))
    return python


class Worker:
    """A process that runs one piece of code each time it is asked, and tells the CPU seconds it took."""

    _LOOP = """
import sys, time
exec(sys.stdin.read(int(sys.stdin.readline())), globals())
print("ready", flush=True)
for _ in sys.stdin:
    start = time.process_time()
    run()
    print(time.process_time() - start, flush=True)
"""

    def __init__(self, python: Path, code: str) -> None:
        """Starts it; ``code`` sets up and defines `run()`."""
        environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        for key in ("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME"):
            environment.pop(key, None)
        self._process = subprocess.Popen(
            [str(python), "-c", self._LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._send(f"{len(code)}\n{code}")
        if self._receive() != "ready":
            raise HalsieError(f"peers: worker of {python} did not start")

    def _send(self, text: str) -> None:
        if self._process.stdin is None:
            raise HalsieError("peers: worker has no input")
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _receive(self) -> str:
        if self._process.stdout is None:
            raise HalsieError("peers: worker has no output")
        return self._process.stdout.readline().strip()

    def seconds(self) -> float:
        """Runs it once; CPU seconds of its thread."""
        self._send("\n")
        try:
            return float(self._receive())
        except ValueError:
            raise HalsieError("peers: worker ended while being measured") from None

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=10)
