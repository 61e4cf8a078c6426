"""The command: one line for every error, whole files or none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from halsie_ros.cli.main import VERBS, main
from halsie_ros.cli.output import write_atomically, write_json


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
