"""The launch files by themselves: wrong arguments, nodes that end, and what is left behind."""

import os
import re
import signal

import pytest

REFUSED = {
    "a truth value": ({"segmentation": "flase"}, "launch argument segmentation is 'flase': give true or false"),
    "nothing to start": (
        {"segmentation": "false", "action": "false"},
        "launch arguments segmentation and action are both false: nothing is left to start",
    ),
    "required and respawn": (
        {"required": "true", "respawn": "true"},
        "launch arguments required and respawn are both true: give one of them",
    ),
}
PID = re.compile(r"\[(\w+)-\d+\]: process started with pid \[(\d+)\]")


def pids(process, name):
    """Process ids of a node, in the order of their starts."""
    return [int(pid) for node, pid in PID.findall(process.output) if node == name]


@pytest.mark.parametrize("case", REFUSED)
def test_arguments_that_make_no_sense_are_refused_in_one_line(launch, case):
    arguments, said = REFUSED[case]
    process = launch("perception", **arguments)
    process.popen.wait(30)
    assert said in process.output and "process started" not in process.output


@pytest.mark.parametrize("required", ["true", "false"])
def test_a_node_that_ends_takes_the_others_along_only_where_it_is_required(launch, required):
    process = launch("perception", segmentation_model="nothing", required=required)
    process.wait_for("model 'nothing' is not here")
    if required == "true":
        process.popen.wait(30)
    else:
        process.wait_for("active, waiting for /packets")
        assert process.stop() == 0
    assert "Traceback" not in process.output


def test_a_node_is_started_again_where_that_is_asked(launch):
    process = launch("segmentation", respawn="true", autostart="false")
    process.wait_for("process started")
    os.kill(pids(process, "segmentation")[0], signal.SIGKILL)
    process.wait_for("process has died")
    process.wait_for("process started", times=2)
    assert process.stop() == 0


@pytest.mark.parametrize("one_process", ["true", "false"])
def test_arguments_go_before_the_parameter_files_and_nothing_temporary_stays(launch, tmp_path, one_process):
    process = launch("perception", one_process=one_process, namespace="/robot", mask_rate_hz="-3", autostart="false")
    process.wait_for("parameter mask_rate_hz is -3")
    process.stop()
    assert not [*(tmp_path / "tmp").glob("halsie*"), *(tmp_path / "tmp").glob("launch*")]


def test_an_evaluation_of_a_bag_that_cannot_be_read_ends(launch, tmp_path):
    process = launch("evaluate", bag=tmp_path / "nowhere", report=tmp_path / "report.html")
    process.popen.wait(60)
    assert "nowhere does not exist" in process.output
    assert not [*(tmp_path / "tmp").glob("halsie*"), *(tmp_path / "tmp").glob("launch*")]
