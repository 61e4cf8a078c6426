"""Where ROS writes its log files in places that have no home, or none that can be written."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

from halsie_ros.kernels import temporary_folder, writable


def ensure_log_folder(environment: MutableMapping[str, str]) -> list[str]:
    """Sets ``ROS_LOG_DIR`` where ROS would find no place for its logs, at which it would not even start.

    ROS takes ``$ROS_LOG_DIR``, ``$ROS_HOME/log`` or ``~/.ros/log``. A container may run under any user id, without
    HOME and without a passwd entry, on a disk that is read-only.

    Args:
        environment: ``os.environ``, changed here.

    Returns:
        ROS arguments to start with: none, or those that turn log files off where not even a temporary folder is
        writable (the console's lines stay).
    """
    if environment.get("ROS_LOG_DIR"):
        return []
    home = environment.get("ROS_HOME") or (environment.get("HOME") and f"{environment['HOME']}/.ros")
    if home and writable(Path(home)):
        return []
    folder = temporary_folder()
    if not (folder.is_dir() and writable(folder)):
        return ["--ros-args", "--disable-external-lib-logs"]
    environment["ROS_LOG_DIR"] = str(folder / "log")
    return []
