"""`./halsie`'s set-up: resumes after an interruption, notices changes, names what is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap as bootstrap_module
from tools import bootstrap_venv


@pytest.fixture
def venv(tmp_path, monkeypatch):
    """What the set-up does, its virtual environment in a scratch folder."""
    monkeypatch.setattr(bootstrap_venv, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap_venv, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(bootstrap_venv, "LOG", tmp_path / "log")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    return bootstrap_venv


@pytest.fixture
def bootstrap(venv, tmp_path, monkeypatch):
    """The set-up, its record in the scratch folder."""
    monkeypatch.setattr(bootstrap_module, "RECORD", tmp_path / "record.json")
    return bootstrap_module


@pytest.fixture(autouse=True)
def handler_of_sigterm():
    """`main` takes SIGTERM over for the process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def recording_steps(module, done, digests, failing=None):
    def maker(name):
        def make():
            if name == failing:
                raise KeyboardInterrupt
            done.append(name)

        return make

    return lambda: [module.Step(name, digest, maker(name)) for name, digest in digests.items()]


def test_an_interrupted_set_up_goes_on_with_the_step_that_was_cut(bootstrap, monkeypatch):
    done, digests = [], {"a": "1", "b": "1", "c": "1"}
    monkeypatch.setattr(bootstrap, "steps", recording_steps(bootstrap, done, digests, failing="b"))
    with pytest.raises(KeyboardInterrupt):
        bootstrap.set_up()
    monkeypatch.setattr(bootstrap, "steps", recording_steps(bootstrap, done, digests))
    bootstrap.set_up()
    assert done == ["a", "b", "c"]
    bootstrap.set_up()
    assert done == ["a", "b", "c"], "a complete set-up does nothing"


def test_a_changed_step_is_redone_with_all_that_follow_it(bootstrap, monkeypatch):
    done = []
    monkeypatch.setattr(bootstrap, "steps", recording_steps(bootstrap, done, {"a": "1", "b": "1", "c": "1"}))
    bootstrap.set_up()
    done.clear()
    monkeypatch.setattr(bootstrap, "steps", recording_steps(bootstrap, done, {"a": "1", "b": "2", "c": "1"}))
    bootstrap.set_up()
    assert done == ["b", "c"]


def test_a_damaged_record_means_that_nothing_is_done_yet(bootstrap, monkeypatch):
    done = []
    bootstrap.RECORD.write_text('{"a": ')
    monkeypatch.setattr(bootstrap, "steps", recording_steps(bootstrap, done, {"a": "1"}))
    bootstrap.set_up()
    assert done == ["a"] and json.loads(bootstrap.RECORD.read_text()) == {"a": "1"}


def test_everything_that_is_missing_is_named_in_one_line(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda tool: None)
    monkeypatch.setattr(bootstrap.sysconfig, "get_path", lambda name: "/nowhere")
    assert bootstrap.main(["setup"]) == 1
    assert capsys.readouterr().err == (
        "halsie: missing: python3-dev, g++, make. Install with: sudo apt-get install -y python3-dev g++ make\n"
    )


def test_a_place_that_cannot_be_written_is_one_line(bootstrap, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(bootstrap.venv, "VENV", tmp_path / "file" / "venv")
    monkeypatch.setattr(bootstrap, "missing_tools", list)
    assert bootstrap.main(["setup"]) == 1
    error = capsys.readouterr().err
    assert error == f"halsie: set-up: {tmp_path}/file/venv cannot be used (Not a directory): make room there\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_test_run_stops_its_tests_too(bootstrap, tmp_path, number):
    program = "import os, signal, time; os.kill(os.getppid(), int(os.environ['NUMBER'])); time.sleep(60)"
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\necho $$ > "{tmp_path}/pid"\nexec "{sys.executable}" -c "{program}"\n')
    script.chmod(0o755)
    words = (
        "import sys; from tools import bootstrap; bootstrap.set_up = lambda **_: None; "
        f"bootstrap.venv_python = lambda: {str(script)!r}; sys.exit(bootstrap.main(['test', 'x']))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", words],
        env={**os.environ, "NUMBER": str(int(number))},
        timeout=30,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # under nohup and in background jobs it is ignored
    )
    assert answer.returncode == 130
    state = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert not state.exists() or " Z " in state.read_text()  # gone, or dead and not yet collected


def test_a_failing_command_is_reported_by_its_own_error_line(venv):
    with pytest.raises(venv.SetupError, match=r"failed: error: no such wheel \(log: .*log\)"):
        venv.call(["bash", "-c", "echo noise; echo 'error: no such wheel'; exit 3"])


def test_the_wheels_cmake_files_get_this_machines_include_folders(venv, tmp_path, monkeypatch):
    exported = tmp_path / "share" / "std_msgs" / "cmake" / "export.cmake"
    exported.parent.mkdir(parents=True)
    exported.write_text(
        'INCLUDES "${P}/include;/opt/python/cp311-cp311/include/python3.11;'
        '/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"\nother line\n'
    )
    answer = subprocess.CompletedProcess([], 0, stdout="/my/python\n/my/numpy\n")
    monkeypatch.setattr(venv.subprocess, "run", lambda *_, **__: answer)
    venv.mend_exported_paths()
    assert exported.read_text() == 'INCLUDES "${P}/include;/my/python;/my/numpy"\nother line\n'


def test_a_sourced_ros_install_is_recognised_and_our_own_prefix_is_not(venv, tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    (tmp_path / "share" / "rclpy").mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert venv.ros_install() == ""
    other = tmp_path.parent / (tmp_path.name + "-opt-ros")
    (other / "share" / "rclpy").mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{other}")
    assert venv.ros_install() == "jazzy"


def test_the_set_up_runs_as_a_file_with_the_standard_library_alone(repository, tmp_path):
    """As `./halsie` starts it: no site-packages, from any folder, nothing of ours on the path."""
    program = (
        "import runpy, sys; sys.argv[0] = sys.argv[1]; sys.path[0] = 'scratch'; "
        "runpy.run_path(sys.argv[1], run_name='set-up'); "
        "foreign = ('numpy', 'yaml', 'halsie_ros', 'tools'); "
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in foreign))"
    )
    file = repository / "tools" / "bootstrap.py"
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "_ROS", "LD_"))}
    words = [sys.executable, "-S", "-E", "-c", program, str(file)]
    answer = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=bare)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == str(["tools", "tools.bootstrap_venv"])


def test_ros2_launch_finds_the_launch_files_which_does_not_look_into_linked_folders(venv, monkeypatch):
    monkeypatch.setattr(venv, "pip", lambda *_: None)
    (venv.VENV / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    share = venv.VENV / "share" / "halsie_ros"
    share.mkdir(parents=True)
    (share / "launch").symlink_to(bootstrap_venv.ROOT / "launch")  # as it was set up once
    for _ in range(2):
        venv.install_halsie()
        found = {name for _, _, names in os.walk(share) for name in names}
        assert {path.name for path in (bootstrap_venv.ROOT / "launch").glob("*.launch.py")} <= found


def test_a_ros_that_is_too_old_is_named(bootstrap, monkeypatch, tmp_path, capsys):
    (tmp_path / "opt" / "share" / "rclpy").mkdir(parents=True)
    monkeypatch.setattr(bootstrap_venv, "VENV", tmp_path / "venv")
    monkeypatch.setenv("ROS_DISTRO", "humble")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "opt"))
    assert bootstrap.main(["setup"]) == 1
    told = "halsie: ROS 2 humble is sourced, which is too old: source Jazzy or Kilted, or none in this shell\n"
    assert capsys.readouterr().err == told
