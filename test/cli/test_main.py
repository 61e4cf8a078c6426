"""The command: one line for every error, whole files or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from halsie_ros.cli.main import VERBS, main
from halsie_ros.errors import HalsieError
from halsie_ros.files import refuse_unwritable, write_atomically, write_json


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0 and f"halsie {verb}" in capsys.readouterr().out


def test_an_unknown_verb_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        main(["dmeo"])
    assert end.value.code == 2 and "invalid choice" in capsys.readouterr().err


def test_an_error_is_one_line_and_code_one(tmp_path, capsys):
    assert main(["bag", "info", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err == (
        f"halsie bag: {tmp_path}/nowhere does not exist: name a rosbag2 folder, an .mcap, a .db3 or a ROS 1 .bag file\n"
    )


def test_json_takes_numpy_and_goes_to_a_file_or_standard_output(tmp_path, capsys):
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": tmp_path}
    write_json("-", value)
    write_json(str(tmp_path / "new" / "out.json"), value)
    expected = {"a": 0.5, "b": [0, 1], "c": str(tmp_path)}
    assert json.loads(capsys.readouterr().out) == expected
    assert json.loads((tmp_path / "new" / "out.json").read_text()) == expected


def test_a_file_is_replaced_whole_or_left_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "out"
    write_atomically(file, b"old")
    monkeypatch.setattr("os.fdopen", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_write_names_the_file_and_not_the_temporary_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file/out") as caught:
        write_atomically(tmp_path / "file" / "out", b"")
    assert caught.value.filename == str(tmp_path / "file" / "out")


def test_a_result_that_could_not_be_written_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refuse_unwritable(tmp_path / "new" / "folder" / "out.json")
    with pytest.raises(HalsieError, match="is no folder"):
        refuse_unwritable(tmp_path / "file" / "out.json")
    assert main(["bag", "info", str(tmp_path / "nowhere"), "--json", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"halsie bag: {tmp_path} is a folder: name a file in it\n"


def halsie(words, shell):
    """The command in a shell: its code, standard output and standard error."""
    command = shell.replace("halsie", f"{sys.executable} -m halsie_ros.cli.main {words}")
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, env=buffered)
    return answer.returncode, answer.stdout, answer.stderr


def test_a_reader_that_leaves_ends_the_command_quietly():
    for words in ("--help", "models", "models --json -"):
        code, _, error = halsie(words, "halsie | true; exit ${PIPESTATUS[0]}")
        assert (code, error) == (141, ""), words  # 128 + SIGPIPE, as of every other command


def test_a_full_disk_behind_standard_output_is_one_line():
    code, _, error = halsie("models", "halsie > /dev/full")
    assert code == 1 and error.count("\n") == 1
    assert error.startswith("halsie models: standard output cannot be used (No space left on device)")


def test_closed_outputs_hurt_nobody():
    for words in ("models", "models --json -"):
        assert halsie(words, "halsie >&-") == (0, "", "")
        assert halsie(words, "halsie 2>&-")[0] == 0
