"""Own classes: from a folder of labelled pictures to a model that the pipeline loads, by one command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from halsie_ros.segmentation import SegmentationPipeline
from training import own_classes


@pytest.fixture
def folder(tmp_path):
    """Discs (class 1) on grounds of two kinds (0 and 2), in three recordings."""
    random = np.random.default_rng(0)
    for number in range(12):
        y, x = np.mgrid[:96, :128]
        label = np.where(y > 60, 2, 0).astype(np.uint8)
        cx, cy = random.integers(20, 108), random.integers(20, 76)
        label[(x - cx) ** 2 + (y - cy) ** 2 < 250] = 1
        colours = np.array([(70, 110, 200), (220, 40, 40), (90, 90, 90)])
        picture = colours[label] + random.normal(0, 12, (96, 128, 1))
        label[:4] = 255
        name = f"yard{number % 3}_{number:04d}"
        for kind, array in (("images", picture.clip(0, 255).astype(np.uint8)), ("labels", label)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / kind / f"{name}.png")
    (tmp_path / "classes.txt").write_text("air\nball 220 40 40\nground\n")
    return tmp_path


def run(folder, *options):
    words = [str(folder), "--models", str(folder / "models"), "--run", str(folder / "run"), "--steps", "40"]
    return own_classes.main([*words, "--batch", "4", "--name", "balls", *options])


def test_a_folder_becomes_a_model_that_finds_its_classes(folder, capsys):
    assert run(folder, "--json", str(folder / "figures.json")) == 0
    said = capsys.readouterr().out
    assert "12 pictures, 3 recordings, left out: yard2" in said
    assert "12 pictures of 3 recordings are few" in said
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["frames"] == 4 and set(figures["per_class"]) == {"air", "ball", "ground"}
    assert figures["miou"] > 0.5
    pipeline = SegmentationPipeline(folder / "models" / "balls.yaml")
    assert pipeline.card.classes == ("air", "ball", "ground")
    assert pipeline.card.measured["left_out"] == ["yard2"]
    picture = np.array(Image.open(folder / "images" / "yard2_0002.png"))
    assert set(np.unique(pipeline.step(picture, None, None, t0_us=0, t1_us=50_000, size=(96, 128)).mask)) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "classes.txt").unlink(), "classes.txt: not here"),
        (lambda folder: (folder / "classes.txt").write_text("ball\n"), "1 classes; give 2 to 64"),
        (lambda folder: (folder / "classes.txt").write_text("a\nb\n"), "holds ids 2; classes.txt has 2 classes"),
        (lambda folder: (folder / "classes.txt").write_text("a\nb\na\n"), "line 3, 'a': give each class once"),
        (
            lambda folder: Image.new("L", (5, 5)).save(folder / "labels" / "yard0_0000.png"),
            "5x5 pixels, its picture has 128x96",
        ),
        (
            lambda folder: Image.new("RGB", (128, 96), (1, 2, 3)).save(folder / "labels" / "yard0_0000.png"),
            "holds the colour 1 2 3, which classes.txt does not name",
        ),
        (lambda folder: [path.unlink() for path in (folder / "labels").iterdir()], "none of 12 pictures has a label"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_in_one_line_before_training(folder, capsys, damage, said):
    damage(folder)
    assert run(folder) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (folder / "run").exists()


def test_a_single_recording_has_a_figure_that_says_so(folder):
    pictures = own_classes.own.load(folder)
    assert own_classes.held_out(pictures) == ("yard2",)
    alone = pictures.only("yard0")
    assert own_classes.held_out(alone) == ()
    assert "says nothing of new places" in own_classes.trust(alone, ())


def test_coloured_labels_are_read_by_their_colours(folder):
    (folder / "classes.txt").write_text("air 10 20 30\nball 220 40 40\nground 90 90 90\n")
    before = own_classes.own.load(folder).label(0)
    colours = np.array([(10, 20, 30), (220, 40, 40), (90, 90, 90)], np.uint8)
    path = own_classes.own.load(folder).pictures[0].label
    coloured = colours[np.where(before == 255, 0, before)]
    coloured[before == 255] = 0
    Image.fromarray(coloured).save(path)
    assert np.array_equal(own_classes.own.load(folder).label(0), before)
