"""Recipes are strict; keys that were renamed are named in an error, and those of earlier checkpoints still work."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

from halsie_ros.datasets.samples import Sample  # noqa: E402
from halsie_ros.events import Events  # noqa: E402
from training.core import recipes  # noqa: E402
from training.core.command import TrainingError  # noqa: E402
from training.segmentation import task as segmentation  # noqa: E402
from training.segmentation.clip_files import save_clip  # noqa: E402
from training.segmentation.config import SegmentationConfig  # noqa: E402
from training.segmentation.export import main as export_command  # noqa: E402

EARLIER = {
    "class_set": "ddd17_6",
    "network": {
        "classes": 6, "bins": 5, "spiking": True, "mixer": True, "event_channels": (8, 8, 8), "memory": 8,
        "deep": (48, 96), "unrolled": False,
    },
    "train": {
        "kind": "scene", "root": "", "split": "train", "frames": 2, "count": 4, "labels": "", "packed": "",
        "stills": False,
    },
    "validation": {
        "kind": "scene", "root": "", "split": "validation", "frames": 2, "count": 2, "labels": "", "packed": "",
        "stills": False,
    },
    "augment": {
        "crop": (64, 64), "scale": (1.0, 1.0), "steps": 2, "cut": 0.25, "inputs": ("frames", "events"),
        "only_frames": 0.1, "only_events": 0.08, "blackout": 0.3, "drop": 0.1, "damage": 0.5, "turn": 0.3,
        "album": 0.3, "jitter": 0.0,
    },
    "loop": {
        "steps": 4, "batch": 2, "learning_rate": 0.005, "weight_decay": 0.01, "warmup_steps": 0, "average": 0.5,
        "clip_norm": 5.0, "seed": 0, "validate_every": 4, "save_every": 4, "workers": 0, "threads": 1,
        "mixed_precision": False,
    },
    "card": {
        "commercial_use": True, "data": "halves", "inputs": ["frames", "events"], "licence": "Apache-2.0",
        "recipe": "none",
    },
    "validation_stride": 1, "imagenet": "", "start": "", "class_weights": 0.25, "overlap": 0.5, "teacher": "",
    "lesson": 0.0, "lesson_frames": 0, "motion": 0.3, "loss_stride": 2, "frozen_norms": False,
}  # fmt: skip
"""What a checkpoint's `config` held before the keys were renamed, word for word."""


def earlier(folder):
    """EARLIER on packed clips of two halves."""
    labels = np.zeros((2, 64, 64), np.uint8)
    labels[:, :, 32:] = 1
    images = np.where(labels[..., None] == 1, 200, 30).astype(np.uint8).repeat(3, -1)
    events = Events.of([32] * 20, range(20), np.linspace(1, 80_000, 20), [True] * 20)
    sample = Sample("halves", np.array([40_000, 80_000]), 0, images, events, labels, np.ones(2, bool))
    save_clip(folder / "0.npz", sample)
    packed = {"packed": str(folder)}
    return {**EARLIER, "train": {**EARLIER["train"], **packed}, "validation": {**EARLIER["validation"], **packed}}


def checkpoint(folder, values):
    """Trains for half of the steps; the checkpoint then says what it said before the keys were renamed."""
    config = recipes.build(SegmentationConfig, recipes.renamed(values), "earlier")
    half = dataclasses.replace(config.loop, steps=2)
    segmentation.train(segmentation.SegmentationTask(config), half, folder, about=None)
    saved = torch.load(folder / "last.pt", weights_only=True)
    torch.save({**saved, "config": values}, folder / "last.pt")
    return config


def test_an_old_key_in_a_recipe_is_one_line_with_the_new_key(tmp_path, capsys):
    path = tmp_path / "old.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(yaml.dump(earlier(tmp_path), Dumper=_Lists))))
    assert segmentation.main([str(path), "--run", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: renamed keys: ") and said.count("\n") == 1
    for old, new in (
        ("lesson", "distillation_weight"),
        ("loop.average", "loop.ema_decay"),
        ("overlap", "soft_iou_wei"),
    ):
        assert f" {old} is now {new}" in said
    assert not (tmp_path / "run").exists()


class _Lists(yaml.SafeDumper):
    """Tuples as a person writes them."""


_Lists.add_representer(tuple, lambda dumper, data: dumper.represent_list(data))


def test_an_old_key_in_a_change_is_named_too(repository):
    recipe = repository / "training" / "configs" / "halsie_scene.yaml"
    with pytest.raises(TrainingError, match=r"augment\.album is now augment\.independent_frames"):
        SegmentationConfig.load(recipe, ["augment.album=0.5"])


def test_every_old_key_leads_to_a_key_of_today():
    new = recipes.renamed(EARLIER)
    assert new["loop"]["ema_decay"] == 0.5 and new["motion_weight"] == 0.3 and new["loss_output_stride"] == 2
    config = recipes.build(SegmentationConfig, new, "earlier")
    for old, key in recipes.RENAMED.items():
        values = EARLIER
        for part in old.split("."):
            values = values[part]
        found = config
        for part in key.split("."):
            found = getattr(found, part)
        assert found == values, old


def test_a_run_from_before_the_renaming_is_resumed_by_its_own_recipe_and_exported(tmp_path):
    values = earlier(tmp_path)
    config = checkpoint(tmp_path / "run", values)
    last = str(tmp_path / "run" / "last.pt")
    assert export_command([last, "--name", "before", "--models", str(tmp_path / "models")]) == 0
    assert SegmentationConfig.load(tmp_path / "run" / "last.pt") == config
    assert segmentation.main([last, "--run", str(tmp_path / "run"), "--resume", "auto"]) == 0
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert saved["step"] == 4 and saved["config"]["loop"]["ema_decay"] == 0.5
    assert SegmentationConfig.load(tmp_path / "run" / "last.pt") == config
    assert export_command([last, "--name", "after", "--models", str(tmp_path / "models")]) == 0


def test_a_file_that_is_no_checkpoint_is_no_recipe(tmp_path):
    (tmp_path / "not.pt").write_text("steps: 3")
    with pytest.raises(TrainingError, match="no checkpoint of a training"):
        SegmentationConfig.load(tmp_path / "not.pt")
    torch.save({"config": {}}, tmp_path / "bare.pt")
    with pytest.raises(TrainingError, match="says nothing of its recipe"):
        SegmentationConfig.load(tmp_path / "bare.pt")


@dataclass(frozen=True)
class Part:
    """A part of `Whole`."""

    steps: int
    rate: float = 0.5


@dataclass(frozen=True)
class Whole:
    """A recipe."""

    part: Part
    names: tuple[str, ...] = ()
    size: tuple[int, int] = (1, 2)
    parts: tuple[Part, ...] = ()
    other: Part | None = None
    on: bool = False


def test_parts_lists_and_numbers_are_built_by_their_types():
    given = {
        "part": {"steps": 3, "rate": 1}, "names": ["a"], "size": [3, 4], "parts": [{"steps": 5}],
        "other": {"steps": 6}, "on": True,
    }  # fmt: skip
    built = recipes.build(Whole, given, "recipe")
    assert built == Whole(Part(3, 1.0), ("a",), (3, 4), (Part(5),), Part(6), True)
    assert type(built.part.rate) is float
    assert recipes.build(Whole, {"part": {"steps": 3}, "other": None}, "recipe").other is None


@pytest.mark.parametrize(
    "values, said",
    [
        ({}, "recipe: lacks part"),
        ({"part": {}}, "recipe: part: lacks steps"),
        ({"part": 3}, "recipe: part is 3: give keys with values"),
        ({"part": {"steps": True}}, "recipe: part: steps is True: give a whole number"),
        ({"part": {"steps": 3.0}}, "steps is 3.0: give a whole number"),
        ({"part": {"steps": 3, "rate": "1e-3"}}, "rate is '1e-3': give a number, in YAML like 1.0e-3"),
        ({"part": {"steps": 3}, "names": "ab"}, "names is 'ab': give a list"),
        ({"part": {"steps": 3}, "names": [1]}, "names is 1: give a text"),
        ({"part": {"steps": 3}, "size": [1, 2, 3]}, r"size is \[1, 2, 3\]: give 2 values"),
        ({"part": {"steps": 3}, "parts": [{"stepz": 3}]}, "parts: unknown stepz; known are rate, steps"),
        ({"part": {"steps": 3}, "on": "yes"}, "on is 'yes': give true or false"),
        ({"part": {"steps": 3}, 7: 1}, "recipe: unknown 7"),
    ],
)
def test_what_does_not_belong_is_named(values, said):
    with pytest.raises(TrainingError, match=said):
        recipes.build(Whole, values, "recipe")


@pytest.mark.parametrize(
    "text, changes, said",
    [
        ("[1, 2]", (), r"holds \[1, 2\], not a recipe"),
        ("part: {steps: 3}", ("part.steps",), "--set part.steps: give PART.NAME=VALUE"),
        ("part: {steps: 3}", ("part.steps.more=1",), "--set part.steps.more=1: steps has no parts"),
    ],
)
def test_files_and_changes_that_are_no_recipe_are_refused(tmp_path, text, changes, said):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(TrainingError, match=said):
        recipes.load(Whole, tmp_path / "recipe.yaml", changes)
