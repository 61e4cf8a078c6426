"""Defaults are said three times, by node, parameter file and launch file: they must not differ."""

import ast
import re

import pytest
import yaml

from halsie_ros.nodes import action, event_monitor, replay, segmentation
from halsie_ros.nodes.managed import AUTOSTART

DECLARED = {
    "segmentation": (AUTOSTART, *segmentation.PARAMETERS),
    "action": (AUTOSTART, *action.PARAMETERS),
    "event_monitor": event_monitor.PARAMETERS,
}


def constants(path):
    """The upper-case literals of a launch file, without importing launch."""
    tree = ast.parse(path.read_text())
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("TOPICS", "OVERRIDES", "PARAMETERS")
    }


@pytest.mark.parametrize("name", DECLARED)
def test_the_parameter_file_holds_the_nodes_defaults(repository, name):
    text = (repository / "config" / f"{name}.yaml").read_text()
    values = yaml.safe_load(text)[f"/**/{name}"]["ros__parameters"]
    expected = {parameter.name: parameter.default for parameter in DECLARED[name]}
    commented = set(re.findall(r"^    # (\w+): \[", text, re.MULTILINE))  # ROS has no empty list of numbers
    assert values == {key: value for key, value in expected.items() if value != []}
    assert commented == {key for key, value in expected.items() if value == []}
    assert {key: type(value) for key, value in values.items()} == {key: type(expected[key]) for key in values}


@pytest.mark.parametrize("name", ["segmentation", "action"])
def test_launch_files_override_only_what_the_node_knows(repository, name):
    known = {parameter.name for parameter in DECLARED[name]}
    own = constants(repository / "launch" / f"{name}.launch.py")
    both = constants(repository / "launch" / "perception.launch.py")
    assert set(own["OVERRIDES"]) <= known
    assert {parameter for parameter, _ in both["OVERRIDES"][name].values()} <= known
    assert both["TOPICS"][name] == own["TOPICS"]


def test_the_replay_launch_file_has_the_nodes_parameters_and_defaults(repository):
    launched = constants(repository / "launch" / "replay.launch.py")["PARAMETERS"]
    declared = {parameter.name: parameter for parameter in replay.PARAMETERS}
    assert set(launched) <= set(declared)
    for name, (default, _) in launched.items():
        if default is not None:
            assert type(declared[name].default)(yaml.safe_load(default) or "") == declared[name].default
