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
    ],
)
def test_a_bad_value_is_refused_at_start(node, given, said):
    with pytest.raises(ParameterError, match=said):
        Parameters(node(**given), DECLARED)


class Ear:
    """Takes a node's log lines."""

    def __init__(self, node):
        self.lines = {"info": [], "warning": []}
        self._logger = node.get_logger()
        node.get_logger = lambda: self

    def info(self, text):
        self.lines["info"].append(text)

    def warning(self, text):
        self.lines["warning"].append(text)


def test_strangers_in_a_shared_file_are_mentioned_and_a_misspelling_is_a_warning_with_the_right_name(node):
    probe = node(camera_serial="1234", frame_rate="fast", rate=3.0)
    ear = Ear(probe)
    assert Parameters(probe, DECLARED)["rate_hz"] == 5.0
    assert ear.lines == {
        "info": ["parameters that probe does not know are ignored: camera_serial, frame_rate"],
        "warning": ["parameter rate is not known to probe and ignored: did you mean rate_hz?"],
    }


def test_a_bad_value_is_refused_at_run_time_and_a_good_one_taken(node):
    probe = node()
    changed = []
    values = Parameters(probe, DECLARED, lambda: changed.append(values["rate_hz"]))
    results = probe.set_parameters(
        [RosParameter("rate_hz", value=101.0), RosParameter("threads", value=2), RosParameter("rate_hz", value=7)]
    )
    assert [result.successful for result in results] == [False, False, True]
    assert "rate_hz" in results[0].reason and "threads" in results[1].reason
    assert values["rate_hz"] == 7.0 and values["threads"] == 1
    assert changed == [7.0]


def slower_than_ten(values):
    if values["rate_hz"] > 10 and values["mode"] == "identity":
        raise ParameterError(f"parameter rate_hz is {values['rate_hz']:g}: give at most 10 with mode identity")


def test_a_conflict_is_refused_with_its_reason_whichever_parameter_comes_first(node):
    for first, second in (("rate_hz", 20.0), ("mode", "identity")), (("mode", "identity"), ("rate_hz", 20.0)):
        probe = node()
        changed = []
        values = Parameters(probe, DECLARED, lambda changed=changed: changed.append(1), slower_than_ten)
        one, two = RosParameter(*first[:1], value=first[1]), RosParameter(*second[:1], value=second[1])
        results = probe.set_parameters([one, two])
        assert [result.successful for result in results] == [True, False]
        assert results[1].reason == "parameter rate_hz is 20: give at most 10 with mode identity"
        assert values[second[0]] == {"rate_hz": 5.0, "mode": "resize"}[second[0]]
        assert probe.get_parameter(second[0]).value == values[second[0]]
        assert changed == [1]


def test_an_atomic_call_is_judged_as_a_whole(node):
    probe = node(rate_hz=20.0)
    values = Parameters(probe, DECLARED, check=slower_than_ten)
    refused = [RosParameter("rate_hz", value=30.0), RosParameter("mode", value="identity")]
    assert not probe.set_parameters_atomically(refused).successful
    assert (values["rate_hz"], values["mode"]) == (20.0, "resize")
    taken = [RosParameter("mode", value="identity"), RosParameter("rate_hz", value=5.0)]
    assert probe.set_parameters_atomically(taken).successful
    assert (values["rate_hz"], values["mode"]) == (5.0, "identity")


def test_values_that_contradict_each_other_are_refused_at_start(node):
    with pytest.raises(ParameterError, match="give at most 10 with mode identity"):
        Parameters(node(rate_hz=20.0, mode="identity"), DECLARED, check=slower_than_ten)


def test_a_whole_number_does_not_change_the_type_of_a_float(node):
    probe = node(rate_hz=50)
    Parameters(probe, DECLARED)
    assert probe.get_parameter("rate_hz").type_ == RosParameter.Type.DOUBLE
    assert probe.set_parameters([RosParameter("rate_hz", value=25)])[0].successful
    assert probe.get_parameter("rate_hz").type_ == RosParameter.Type.DOUBLE
    assert probe.get_parameter("rate_hz").value == 25.0
    assert not probe.set_parameters([RosParameter("rate_hz", value="fast")])[0].successful
    assert not probe.set_parameters([RosParameter("rate_hz")])[0].successful
    assert probe.get_parameter("rate_hz").value == 25.0


@pytest.mark.parametrize("given", [{}, {"matrix": None}, {"matrix": []}, {"matrix": [1] + 8 * [0]}])
def test_a_matrix_is_a_list_of_doubles_also_when_it_is_empty(node, given):
    probe = node(**given)
    values = Parameters(probe, DECLARED)
    assert values["matrix"] == [float(v) for v in given.get("matrix") or []]
    assert probe.describe_parameter("matrix").type == RosParameter.Type.DOUBLE_ARRAY.value
    assert probe.get_parameter("matrix").type_ == RosParameter.Type.DOUBLE_ARRAY


def test_descriptions_and_ranges_are_told(node):
    probe = node()
    Parameters(probe, DECLARED)
    assert "identity, resize" in probe.describe_parameter("mode").description
    assert probe.describe_parameter("rate_hz").floating_point_range[0].to_value == 100.0
    assert probe.describe_parameter("threads").integer_range[0].from_value == 1
    assert probe.describe_parameter("threads").read_only
