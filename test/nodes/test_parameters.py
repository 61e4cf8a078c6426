import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from halsie_ros.errors import ParameterError
from halsie_ros.nodes.parameters import Parameter, Parameters

DECLARED = (
    Parameter("rate_hz", 5.0, "How often.", low=0.0, high=100.0),
    Parameter("threads", 1, "How many.", low=1, high=8, read_only=True),
    Parameter("mode", "resize", "Which way.", choices=("identity", "resize")),
    Parameter("matrix", [], "3x3 by rows.", lengths=(0, 9)),
    Parameter("autostart", True, "Start at once."),
)


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(**given):
        overrides = [RosParameter(name, value=value) for name, value in given.items()]
        nodes.append(Node("probe", context=context, parameter_overrides=overrides, start_parameter_services=False))
        return nodes[-1]

    yield make
    for made in nodes:
        made.destroy_node()
    rclpy.shutdown(context=context)


def test_defaults_hold_until_something_else_is_given(node):
    values = Parameters(node(mode="identity"), DECLARED)
    assert {name: values[name] for name in values} == {
        "rate_hz": 5.0,
        "threads": 1,
        "mode": "identity",
        "matrix": [],
        "autostart": True,
    }


def test_a_whole_number_will_do_for_a_fraction(node):
    values = Parameters(node(rate_hz=100, matrix=[1, 0, 0, 0, 1, 0, 0, 0, 1]), DECLARED)
    assert values["rate_hz"] == 100.0 and isinstance(values["rate_hz"], float)
    assert values["matrix"] == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rate_hz": -1.0}, "parameter rate_hz is -1.0: give a value from 0 to 100"),
        ({"rate_hz": float("nan")}, "parameter rate_hz is nan: give a finite number"),
        ({"rate_hz": "fast"}, "parameter rate_hz is fast: give a value of type float"),
        ({"threads": 9}, "parameter threads is 9: give a value from 1 to 8"),
        ({"threads": True}, "parameter threads is True: give a value of type int"),
        ({"mode": "homografy"}, "parameter mode is 'homografy': give one of identity, resize"),
        ({"matrix": [1.0, 2.0]}, r"parameter matrix is \[1.0, 2.0\]: give 0 or 9 finite numbers"),
        ({"rate": 3.0}, "parameter rate is not known to probe: did you mean rate_hz?"),
    ],
)
def test_a_bad_value_or_name_is_refused_at_start(node, given, said):
    with pytest.raises(ParameterError, match=said):
        Parameters(node(**given), DECLARED)


def test_a_stranger_in_a_shared_file_is_no_error(node):
    assert Parameters(node(camera_serial="1234"), DECLARED)["rate_hz"] == 5.0


def test_a_bad_value_is_refused_at_run_time_and_a_good_one_taken(node):
    probe = node()
    changed = []
    values = Parameters(probe, DECLARED, changed.append)
    results = probe.set_parameters(
        [RosParameter("rate_hz", value=101.0), RosParameter("threads", value=2), RosParameter("rate_hz", value=7)]
    )
    assert [result.successful for result in results] == [False, False, True]
    assert "rate_hz" in results[0].reason and "threads" in results[1].reason
    assert values["rate_hz"] == 7.0 and values["threads"] == 1
    assert changed == ["rate_hz"]


def test_descriptions_and_ranges_are_told(node):
    probe = node()
    Parameters(probe, DECLARED)
    assert "identity, resize" in probe.describe_parameter("mode").description
    assert probe.describe_parameter("rate_hz").floating_point_range[0].to_value == 100.0
    assert probe.describe_parameter("threads").integer_range[0].from_value == 1
    assert probe.describe_parameter("threads").read_only
