"""The first moments of an executable, while it still imports what it needs."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys


def guard() -> None:
    """Makes a signal during the imports end the process quietly, and a ROS that is too old one line.

    Nothing has been made yet that would need an orderly end; `runtime.spin_node` takes the signals over.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    problem = ros_problem()
    if problem:
        print(f"halsie_ros: {problem}", file=sys.stderr)
        sys.exit(1)


def ros_problem() -> str:
    """Why the nodes cannot run with the rclpy that is there, in one line; empty when they can."""
    try:
        if importlib.util.find_spec("rclpy.event_handler") is not None:  # since Iron; the nodes need it
            return ""
    except ModuleNotFoundError:
        return "rclpy is not here: source a ROS 2 install (Jazzy or Kilted), or run ./halsie, which brings it along"
    name = os.environ.get("ROS_DISTRO", "the one that is sourced")
    return (
        f"ROS 2 {name} is too old for the nodes: source Jazzy or Kilted, "
        "or run ./halsie in a shell where no ROS is sourced"
    )
