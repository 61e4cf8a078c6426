"""`halsie models`: lists, checks, exits 1 for a damaged model."""

from __future__ import annotations

import json
import shutil

from halsie_ros.cli.main import main


def test_check_finds_every_model_whole(tmp_path):
    assert main(["models", "check", "--json", str(tmp_path / "out.json")]) == 0
    rows = {row["name"]: row for row in json.loads((tmp_path / "out.json").read_text())}
    assert rows["halsie_scene"]["commercial_use"] is True
    assert rows["halsie_scene"]["error"] is None and rows["halsie_scene"]["task"] == "segmentation"


def test_a_damaged_model_fails_the_check_but_not_the_list(repository, tmp_path, monkeypatch, capsys):
    for path in (repository / "models").glob("halsie_scene*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "halsie_scene_frame.onnx").write_bytes(b"cut off")
    monkeypatch.setenv("HALSIE_MODELS", str(tmp_path))
    assert main(["models"]) == 0
    assert main(["models", "check"]) == 1
    assert "DAMAGED" in capsys.readouterr().out


def test_a_folder_of_models_that_is_not_there_is_told_and_fails_the_check(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HALSIE_MODELS", str(tmp_path / "nowhere"))
    assert main(["models"]) == 0
    assert main(["models", "check"]) == 1
    assert f"HALSIE_MODELS names {tmp_path}/nowhere, which is no folder" in capsys.readouterr().out


def test_json_on_standard_output_is_all_of_it(capsys):
    assert main(["models", "--json", "-"]) == 0
    assert "halsie_scene" in {row["name"] for row in json.loads(capsys.readouterr().out)}


def test_warm_compiles_what_the_models_need_and_the_second_time_nothing(repository, tmp_path, monkeypatch):
    for path in (repository / "models").glob("actions_mhad*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setenv("HALSIE_MODELS", str(tmp_path))
    report = tmp_path / "out.json"
    for _ in range(2):
        assert main(["models", "warm", "--json", str(report)]) == 0
    row = next(row for row in json.loads(report.read_text()) if row["name"] == "actions_mhad")
    assert row["error"] is None and row["compiled"] == 0
    (tmp_path / "actions_mhad_head.onnx").write_bytes(b"cut off")
    assert main(["models", "warm"]) == 1
