"""Commands say in one line what a person can mend; a mistake of the program keeps its traceback."""

from __future__ import annotations

import importlib

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from halsie_ros.errors import HalsieError  # noqa: E402
from training.core.command import TrainingError, command, setting_up  # noqa: E402

COMMANDS = {
    "segmentation": ["--run", "run"],
    "segmentation.teacher": ["--run", "run"],
    "segmentation.clips": ["--out", "clips"],
    "segmentation.teach_motion": ["--packed", "clips", "--out", "motion.pt"],
    "recipe": [],
    "segmentation.ablation": ["--run", "run", "--steps", "3"],
    "action": ["--data", "data", "--run", "run"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_missing_recipe_is_one_line(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert importlib.import_module(f"training.{name}").main(["gone.yaml", *COMMANDS[name]]) == 1
    assert capsys.readouterr().err == "error: gone.yaml: No such file or directory\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["segmentation", "segmentation.teacher", "segmentation.teach_motion", "segmentation.ablation"]
)
def test_missing_data_and_conflicts_are_one_line(name, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe = str(
        repository / "training" / "configs" / ("camvid_teacher" if name.endswith("teacher") else "halsie_dsec")
    )
    arguments = [
        f"{recipe}.yaml",
        *COMMANDS[name],
        "--set",
        "train.packed=nowhere",
        "imagenet=",
        "teacher=",
        "distillation_weight=0",
    ]
    main = importlib.import_module(f"training.{name}").main
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and ": no packed clips; write them with" in said and said.count("\n") == 1
    assert main([*arguments, "loop.workers=-1"]) == 1
    assert "loop.workers is -1" in capsys.readouterr().err


def test_what_is_no_mistake_of_a_person_is_not_caught():
    @command
    def broken(where):
        with setting_up():
            if where == "before":
                raise ValueError("refused,\n  give another")
        raise ValueError("a bug")

    assert broken("before") == 1
    with pytest.raises(ValueError, match="a bug"):
        broken("after")


def test_errors_of_the_package_are_one_line_wherever_they_come_from(capsys):
    @command
    def refused():
        raise HalsieError("thing:\n wrong")

    assert refused() == 1
    assert capsys.readouterr().err == "error: thing: wrong\n"


def test_opening_names_the_file(tmp_path):
    with pytest.raises(TrainingError, match=r"gone: No such file or directory$"), setting_up():
        (tmp_path / "gone").read_text()
