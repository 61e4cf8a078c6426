"""Cards: found by path and name, read, refused with the thing and the remedy named."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import yaml

from halsie_ros.errors import ModelError
from halsie_ros.inference.cards import ModelCard, find_model, model_folders


@pytest.fixture
def fields(tmp_path):
    """A whole card's fields; its one graph lies in tmp_path."""
    (tmp_path / "toy_step.onnx").write_bytes(b"graph")
    return {
        "name": "toy",
        "task": "segmentation",
        "graphs": {"step": "toy_step.onnx"},
        "sha256": {"step": hashlib.sha256(b"graph").hexdigest()},
        "classes": ["road", "car"],
        "palette": [[1, 2, 3], [4, 5, 6]],
        "commercial_use": False,
        "licence": "CC BY-NC 4.0",
        "data": "none",
        "recipe": "none",
        "measured": {"miou": 0.5},
    }


def written(folder, fields, name="toy"):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def test_a_card_is_read_and_its_graphs_verified(tmp_path, fields):
    card = ModelCard.load(written(tmp_path, fields))
    card.verify()
    assert card.classes == ("road", "car")
    assert card.palette.tolist() == [[1, 2, 3], [4, 5, 6]] and card.palette.dtype == np.uint8
    assert (card.bins, card.bin_us, card.size_multiple, card.inputs) == (5, 10_000, 1, ())
    assert card.graph("step") == tmp_path / "toy_step.onnx"
    assert card.size_bytes == 5 and card.measured == {"miou": 0.5} and not card.commercial_use


@pytest.mark.parametrize(
    "change, said",
    [
        ({"licence": None}, "lacks licence"),
        ({"colour": 1}, "has unknown colour"),
        ({"palette": [[1, 2, 3]]}, "wrong type"),
        ({"bins": "many"}, "wrong type"),
        ({"graphs": ["a"]}, "wrong type"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, fields, change, said):
    changed = {name: value for name, value in {**fields, **change}.items() if value is not None}
    with pytest.raises(ModelError, match=said) as caught:
        ModelCard.load(written(tmp_path, changed))
    assert str(tmp_path / "toy.yaml") in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: [", "\x00"])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    path = tmp_path / "no.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match="not a model card"):
        ModelCard.load(path)


def test_a_missing_card_names_the_command_that_lists_models(tmp_path):
    with pytest.raises(ModelError, match="halsie models"):
        ModelCard.load(tmp_path / "gone.yaml")


def test_another_graph_than_the_cards_is_refused(tmp_path, fields):
    card = ModelCard.load(written(tmp_path, fields))
    (tmp_path / "toy_step.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"toy_step\.onnx: sha256 .* differs"):
        card.verify()
    (tmp_path / "toy_step.onnx").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        card.verify()


def test_a_role_that_the_model_lacks_is_named(tmp_path, fields):
    with pytest.raises(ModelError, match="segmentation model without a frame graph"):
        ModelCard.load(written(tmp_path, fields)).graph("frame")


def test_models_are_found_by_path_then_by_name_in_the_named_folders(tmp_path, fields, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "share" / "halsie_ros" / "models"
    for folder in (first, second):
        folder.mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    in_second = written(second, fields)
    assert find_model("toy") == in_second
    monkeypatch.setenv("HALSIE_MODELS", str(first))
    in_first = written(first, fields)
    assert find_model("toy") == in_first
    assert find_model(str(in_second)) == in_second
    assert model_folders()[0] == first


def test_an_unknown_name_lists_the_known_ones(tmp_path, fields, monkeypatch):
    monkeypatch.setenv("HALSIE_MODELS", str(tmp_path))
    written(tmp_path, fields)
    with pytest.raises(ModelError, match=r"model 'halsie_moon' is not here: known are .*toy"):
        find_model("halsie_moon")
    with pytest.raises(ModelError, match="no such model card"):
        find_model(tmp_path / "moon.yaml")


def test_every_model_of_the_repository_is_whole(repository):
    cards = sorted((repository / "models").glob("*.yaml"))
    assert cards
    for path in cards:
        card = ModelCard.load(path)
        card.verify()
        assert card.name == path.stem
        assert all(file.stat().st_size <= 10e6 for file in card.graphs.values())
