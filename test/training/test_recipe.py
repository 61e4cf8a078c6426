"""Recipes run from data to a model with one command; here on recordings of 0.4 s in the official layouts."""

from __future__ import annotations

import importlib
import json
import shlex
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import yaml  # noqa: E402

from halsie_ros.cli.main import main as halsie  # noqa: E402
from halsie_ros.simulation.miniatures import write_ddd17_ess, write_dsec, write_mvsec  # noqa: E402
from training import recipe  # noqa: E402
from training.core.command import TrainingError  # noqa: E402
from training.networks.halsie import HalsieStream, StreamConfig  # noqa: E402
from training.segmentation.config import SegmentationConfig  # noqa: E402


@pytest.fixture(scope="module")
def data(vga_take, davis_take, tmp_path_factory):
    """A folder with one short recording for each part of each data set, and weights to start from."""
    root = tmp_path_factory.mktemp("data")
    for name in ("zurich_city_00_a", "zurich_city_13_a"):
        write_dsec(root / "DSEC", name, vga_take)
    for name in ("outdoor_day1", "outdoor_day2"):
        write_mvsec(root / "MVSEC", name, davis_take)
    for name in ("dir0", "dir1"):
        write_ddd17_ess(root / "DDD17", name, davis_take)
    stages = HalsieStream(StreamConfig(classes=2)).frame_branch.things.state_dict()
    torch.save({f"features.{name}": value for name, value in stages.items()}, root / "mobilenet_v2-b0353104.pth")
    return root


RECORDINGS = {"dsec": ("zurich_city_00_a", "zurich_city_13_a"), "ddd17": ("dir0", "dir1")}
"""One for each part, of those of `data`."""


def shrunk(repository, name, data, folder):
    """The repository's recipe for a data set, of one recording each, with small steps, that writes to a folder."""
    text = (repository / "training" / "configs" / f"halsie_{name}.yaml").read_text()
    path = folder / f"halsie_{name}.yaml"
    text = text.replace(f"training/configs/halsie_{name}.yaml", str(path))
    text = text.replace("../data/", f"{data}/").replace("runs/", f"{folder}/runs/")
    values = yaml.safe_load(text)
    values["augment"]["crop"] = [96, 128]
    values["loop"].update(steps=2, batch=1, workers=0, warmup_steps=1, validate_every=1, save_every=1)
    if name in RECORDINGS:
        values["train"]["split"], values["validation"]["split"] = RECORDINGS[name]
    chain = values["card"]["recipe"]
    chain = chain.replace("_motion.pt --set", "_motion.pt --steps 1 --examples 4 --set")
    values["card"]["recipe"] = f"{chain} --models {folder}/models"
    path.write_text(yaml.safe_dump(values))
    return path


def in_this_process(config):
    """As `recipe.main` with the config, but quicker."""
    return next(filter(None, (importlib.import_module(m).main(rest) for _, _, m, *rest in recipe.commands(config))), 0)


def as_a_person_would(config):
    return recipe.main([str(config)])


@pytest.mark.parametrize(
    "folder, split, run",
    [
        ("MVSEC", "outdoor_day1", in_this_process),
        ("DDD17", "ess_valid", in_this_process),
        ("DSEC", "zurich_city_13_a", as_a_person_would),
    ],
)
def test_a_recipe_leads_from_official_files_to_a_model_that_is_evaluated(
    folder, split, run, repository, data, tmp_path, monkeypatch
):
    monkeypatch.chdir(repository)
    name, report = folder.lower(), tmp_path / "report.json"
    assert run(shrunk(repository, name, data, tmp_path)) == 0
    asked = ["evaluate", "segmentation", "--dataset", name, "--root", str(data / folder), "--split", split]
    if name == "mvsec":
        asked += ["--labels", str(data / folder / "labels")]
    assert halsie([*asked, "--model", str(tmp_path / "models" / f"halsie_{name}.yaml"), "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["frames"] >= 2 and 0 < found["miou"] < 1


def test_the_chain_stops_where_a_command_fails(tmp_path, capfd):
    config = tmp_path / "broken.yaml"
    config.write_text(
        "card: {recipe: python -m training.segmentation.clips nowhere.yaml && "
        "python -m training.segmentation.export never --name never}"
    )
    assert recipe.main([str(config)]) == 1
    said = capfd.readouterr()
    assert "[1/2] python -m training.segmentation.clips nowhere.yaml" in said.out and "[2/2]" not in said.out
    assert "stopped with status 1" in said.err


@pytest.mark.parametrize(
    "text, message",
    [
        ("class_set: x", "card has no recipe"),
        ("card: {recipe: python -m training.segmentation.clips a && rm -r b}", "recipe says 'rm -r b'"),
        ("card: {recipe: python training/clips.py}", "give commands python -m training"),
    ],
)
def test_what_is_no_recipe_is_refused(text, message, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(TrainingError, match=message):
        recipe.commands(config)


def test_every_segmentation_recipe_of_the_repository_is_a_chain_of_its_own_commands(repository):
    for path in sorted((repository / "training" / "configs").glob("[chs]*.yaml")):
        for command in recipe.commands(path):
            importlib.import_module(command[2])


@pytest.mark.parametrize("name", ["halsie_frames", "halsie_scene", "halsie_stream", "halsie_street"])
def test_the_recipe_of_a_shipped_model_is_one_command_that_ends_in_the_model(name, repository, monkeypatch):
    """Every command's recipe and changes are read as the command reads them; what it writes, a later one takes."""
    monkeypatch.chdir(repository)
    chain = recipe.commands(repository / "training" / "configs" / f"{name}.yaml")
    assert recipe.chain_of(yaml.safe_load((repository / "models" / f"{name}.yaml").read_text())["recipe"]) == chain
    written = set()
    for _, _, module, first, *rest in chain:
        assert module == importlib.import_module(module).__name__
        given = {rest[rest.index("--out") + 1]} if "--out" in rest else set()
        if module == "training.pseudo_labels":
            written |= given
            continue
        if first.endswith(".pt"):
            assert first in written
            continue
        changes = rest[rest.index("--set") + 1 :] if "--set" in rest else []
        loaded = SegmentationConfig.load(Path(first), [one for one in changes if one != "--set"])
        sources = {"train": loaded.train.parts or (loaded.train,)}
        sources["validation"] = loaded.validation.parts or (loaded.validation,)
        guesses = [one.labels for part in sources.values() for one in part if one.labels.startswith("runs/")]
        if module == "training.segmentation.clips":
            part = rest[rest.index("--part") + 1] if "--part" in rest else "train"
            needed, given = guesses, given or {one.packed for one in sources[part] if one.packed}
        else:
            packed = [one.packed for part in sources.values() for one in part]
            needed = [loaded.start, loaded.teacher, *packed, *guesses]
        missing = [one for one in needed if one and not one.startswith("models/") and one not in written]
        assert not missing, f"{module} {first} {shlex.join(rest)}: {missing} are not there yet"
        written |= given
        if "--run" in rest:
            written |= {f"{rest[rest.index('--run') + 1]}/{kind}.pt" for kind in ("last", "best")}
    assert chain[-1][2] == "training.segmentation.export" and name in chain[-1]
