import os
import signal
import textwrap

import pytest

from halsie_ros.nodes import runtime

TALKER = """
    import sys, threading, time
    from rclpy.node import Node
    from std_msgs.msg import String
    from halsie_ros.errors import ParameterError
    from halsie_ros.nodes.runtime import spin_node

    class Talker(Node):
        def __init__(self):
            super().__init__("talker")
            self.publisher = self.create_publisher(String, "chatter", 10)
            self.create_timer(0.001, self.talk)
        def talk(self):
            self.publisher.publish(String(data="x"))
            MORE

    def create():
        START
        return Talker()

    sys.exit(spin_node(create))
"""


@pytest.fixture
def talker(start, tmp_path):
    def run(*arguments, start_code="pass", more="print('talking', flush=True) if sys else None"):
        script = tmp_path / "talker.py"
        script.write_text(textwrap.dedent(TALKER).replace("START", start_code).replace("MORE", more))
        return start(script, *arguments)

    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_ends_a_busy_node_cleanly_also_when_it_comes_again(talker, number, times):
    process = talker()
    process.wait_for("talking")
    assert process.stop(number, times) == 0
    assert set(process.output.split()) == {"talking"}


def test_a_signal_during_the_start_ends_it_cleanly(talker):
    process = talker(start_code="print('loading', flush=True); time.sleep(30)")
    process.wait_for("loading")
    assert process.stop(signal.SIGINT, 2) == 0
    assert process.output.split() == ["loading"]


def test_an_error_at_start_is_one_line_and_exit_code_1(talker):
    process = talker(start_code="raise ParameterError('parameter x is 3: give a value from 0 to 1')")
    assert process.wait() == 1
    assert process.output == "talker: parameter x is 3: give a value from 0 to 1\n"


def test_wrong_ros_arguments_end_in_our_line_and_exit_code_1(talker):
    process = talker("--ros-args", "--params-file", "nowhere.yaml")
    assert process.wait() == 1
    lines = process.output.splitlines()  # rcl has its say first
    assert lines[-1].startswith("talker: the ROS arguments cannot be used") and "nowhere.yaml" in lines[-1]
    assert not any("Traceback" in line for line in lines)


def test_an_unexpected_error_in_a_callback_is_shown_and_ends_the_process(talker):
    process = talker(more="raise KeyError('a bug')")
    assert process.wait() == 2
    assert "KeyError: 'a bug'" in process.output


def test_our_fastdds_profile_is_set_by_both_names(monkeypatch, repository):
    for name in runtime._PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    runtime.use_fastdds_profile()
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        assert runtime.os.environ[name] == str(repository / "config" / "fastdds.xml")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"])
def test_a_profile_of_the_user_is_left_alone(monkeypatch, name):
    for variable in runtime._PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, "/mine.xml")
    runtime.use_fastdds_profile()
    assert [runtime.os.environ.get(v) for v in runtime._PROFILE_VARIABLES].count("/mine.xml") == 1
    assert sum(v in runtime.os.environ for v in runtime._PROFILE_VARIABLES) == 1


def test_a_signal_while_kernels_are_compiled_ends_the_start_without_a_traceback(start, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    process = start("-m", "halsie_ros.nodes.segmentation")
    process.wait_for("compiling kernels", 60.0)
    assert process.stop(signal.SIGINT, 2) == 0
    licence, compiling = process.output.splitlines()  # nothing after them
    assert "is not for commercial use" in licence and "compiling kernels" in compiling


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_the_process_without_a_traceback(start, tmp_path, monkeypatch, number):
    slow = "import sys\nprint('importing', flush=True)\nimport time\ntime.sleep(30)\n"
    (tmp_path / "av.py").write_text(slow)  # what the node needs, and takes its time
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    process = start("-m", "halsie_ros.nodes.action")
    process.wait_for("importing")
    assert process.stop(number, 2) == 0
    assert process.output == "importing\n"


def test_an_old_ros_is_one_clear_line(start, tmp_path, monkeypatch):
    (tmp_path / "rclpy").mkdir()
    (tmp_path / "rclpy" / "__init__.py").write_text("")  # without event_handler, as Humble's
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("ROS_DISTRO", "humble")
    process = start("-m", "halsie_ros.nodes.segmentation")
    assert process.wait() == 1
    assert process.output == (
        "halsie_ros: ROS 2 humble is too old for the nodes: source Jazzy or Kilted, "
        "or run ./halsie in a shell where no ROS is sourced\n"
    )
