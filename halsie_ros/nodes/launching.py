"""What the launch files have in common. Imported by them alone: `launch` is not there everywhere."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from launch.actions import DeclareLaunchArgument, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit, OnShutdown
from launch.launch_context import LaunchContext
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from halsie_ros.errors import ParameterError

COMMON = {
    "namespace": ("", "Namespace of the nodes and their topics."),
    "use_sim_time": ("false", "Take the time from /clock."),
    "autostart": ("", "Configure and activate at once; false: wait for a lifecycle manager; empty: as the file says."),
    "required": ("false", "When a node ends, end the whole launch, with whatever includes this file."),
    "respawn": ("false", "Start a node again two seconds after it has ended."),
}
"""Arguments of every launch file that starts a sense: defaults and descriptions."""
_RESPAWN_DELAY_S = 2.0
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def declared(arguments: Mapping[str, tuple[str | None, str]]) -> list[DeclareLaunchArgument]:
    """Launch arguments from their defaults (None: it must be given) and descriptions."""
    return [
        DeclareLaunchArgument(name, description=text)
        if default is None
        else DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in arguments.items()
    ]


def text(context: LaunchContext, name: str) -> str:
    """An argument's value."""
    return str(LaunchConfiguration(name).perform(context))


def boolean(context: LaunchContext, name: str) -> bool:
    """A truth value; raises ParameterError for whatever is not clearly one."""
    value = text(context, name)
    if value.strip().lower() not in _BOOLEANS:
        raise ParameterError(f"launch argument {name} is {value!r}: give true or false")
    return _BOOLEANS[value.strip().lower()]


def number(context: LaunchContext, name: str) -> float:
    """A number; raises ParameterError for whatever is none."""
    value = text(context, name)
    try:
        return float(value)
    except ValueError:
        raise ParameterError(f"launch argument {name} is {value!r}: give a number") from None


def overrides(context: LaunchContext, arguments: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that were given as launch arguments, by name; an empty argument gives none.

    Args:
        context: of the launch.
        arguments: names of parameters, by the arguments' names.
    """
    given = {parameter: text(context, argument) for argument, parameter in arguments.items()}
    values = {parameter: _typed(value) for parameter, value in given.items() if value}
    values["use_sim_time"] = boolean(context, "use_sim_time")
    if text(context, "autostart"):
        values["autostart"] = boolean(context, "autostart")
    return values


def ros_arguments(values: Mapping[str, Any]) -> list[str]:
    """Parameters as words of a command line, where there is no file besides; launch_ros would leave one behind."""
    return [word for name, value in values.items() for word in ("-p", f"{name}:={json.dumps(value)}")]


def sense(
    context: LaunchContext,
    executable: str,
    given: Mapping[str, Mapping[str, Any]],
    *,
    files: Sequence[str],
    remappings: Sequence[tuple[str, str]],
) -> list[Any]:
    """A process of ours that may be respawned or required, as the common arguments say.

    Args:
        context: of the launch.
        executable: what to run.
        given: parameters that override those of the files, by the name of the node.
        files: parameter files.
        remappings: of topics.
    """
    required, respawn = boolean(context, "required"), boolean(context, "respawn")
    if required and respawn:
        raise ParameterError("launch arguments required and respawn are both true: give one of them")
    end = {"on_exit": Shutdown(reason=f"{executable} ended")} if required else {}
    again = {"respawn": True, "respawn_delay": _RESPAWN_DELAY_S} if respawn else {}
    file, removal = _sections_file(context, given)
    node = Node(
        package="halsie_ros",
        executable=executable,
        name=next(iter(given)) if len(given) == 1 else None,  # several nodes have names of their own
        namespace=text(context, "namespace"),
        parameters=[*files, file],
        remappings=list(remappings),
        output="screen",
        **end,
        **again,
    )
    return [node, removal]


def _sections_file(context: LaunchContext, given: Mapping[str, Mapping[str, Any]]) -> tuple[str, RegisterEventHandler]:
    """A parameter file with a section for each node, and what removes it when the launch ends.

    Words on a command line would not do: what a file says for a node by name goes before what they say for all.
    """
    outer = context.launch_configurations.get("ros_namespace")
    namespace = make_namespace_absolute(prefix_namespace(outer, text(context, "namespace"))) or ""
    content = {f"{namespace.rstrip('/')}/{name}": {"ros__parameters": dict(values)} for name, values in given.items()}
    with tempfile.NamedTemporaryFile("w", prefix="halsie_launch_", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(content, file)
    path = Path(file.name)
    return file.name, RegisterEventHandler(OnShutdown(on_shutdown=lambda *_: path.unlink(missing_ok=True)))


def temporary_folder(prefix: str, running: list[Any]) -> tuple[Path, RegisterEventHandler]:
    """A folder, and what removes it when the last of some processes has ended; they may be added to the list later."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))

    def ended(event: Any, _: LaunchContext) -> None:
        running[:] = [action for action in running if action is not event.action]
        if not running:
            shutil.rmtree(folder, ignore_errors=True)

    return folder, RegisterEventHandler(OnProcessExit(target_action=lambda action: action in running, on_exit=ended))


def when_ended(action: Any, then: Any) -> RegisterEventHandler:
    """Calls `then` with a process's exit code when it has ended; what it gives is done."""

    def ended(event: Any, _: LaunchContext) -> Any:
        return then(event.returncode)

    return RegisterEventHandler(OnProcessExit(target_action=action, on_exit=ended))


def _typed(value: str) -> Any:
    """Numbers and truth values as such; all the rest is text, whatever YAML would make of it."""
    try:
        return float(value) if not value.lstrip("+-").isdigit() else int(value)
    except ValueError:
        return _BOOLEANS[value] if value in ("true", "false") else value
