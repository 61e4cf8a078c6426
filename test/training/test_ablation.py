"""Ablation variants: each differs from the recipe in one thing; a finished table is not trained again."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from halsie_ros.cli.output import write_json  # noqa: E402
from training import ablation  # noqa: E402
from training.segmentation import SegmentationConfig  # noqa: E402


def test_variants_differ_in_one_thing_each(repository):
    config = SegmentationConfig.load(repository / "training" / "configs" / "halsie_scene.yaml")
    made = ablation.variants(config)
    assert made["full"] == config
    assert replace(made["analogue event branch"], network=config.network) == config
    assert not made["analogue event branch"].network.spiking and not made["no mixer"].network.mixer
    assert made["trained on frames alone"].augment.inputs == ("frames",)
    assert made["trained on events alone"].augment.damage == 0
    assert made["no input is ever lost in training"].augment.damage == config.augment.damage


def test_a_finished_variant_is_read_not_trained(repository, tmp_path, monkeypatch, capsys):
    recipe = repository / "training" / "configs" / "halsie_scene.yaml"
    for number, name in enumerate(ablation.variants(SegmentationConfig.load(recipe))):
        row = dict.fromkeys(ablation.MEASURES, number / 10)
        write_json(str(tmp_path / name.replace(" ", "_") / "measured.json"), row)
    monkeypatch.setattr(ablation, "train", lambda *_, **__: pytest.fail("trained again"))
    assert ablation.main([str(recipe), "--run", str(tmp_path), "--steps", "5"]) == 0
    assert "| analogue event branch | 0.300 | 0.300 | 0.300 | 0.300 |" in capsys.readouterr().out
