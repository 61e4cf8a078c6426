"""Ablation variants: each differs from the recipe in one thing; a finished table is not trained again."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from halsie_ros.files import write_json  # noqa: E402
from training.networks.halsie import HalsieStream, StreamConfig  # noqa: E402
from training.segmentation import ablation  # noqa: E402
from training.segmentation.config import SegmentationConfig  # noqa: E402


def test_variants_differ_in_one_thing_each(repository):
    config = SegmentationConfig.load(repository / "training" / "configs" / "halsie_scene.yaml")
    made = ablation.variants(config)
    assert made["full"] == config
    assert replace(made["analogue event branch"], network=config.network) == config
    assert not made["analogue event branch"].network.spiking and not made["no mixer"].network.mixer
    assert made["trained on frames alone"].augment.inputs == ("frames",)
    assert made["trained on events alone"].augment.damage == 0
    assert made["no input is ever lost in training"].augment.damage == config.augment.damage


@pytest.mark.parametrize("name", ["halsie_stream", "halsie_frames"])
def test_recipes_with_independent_frames_and_view_changes_have_every_variant(name, repository):
    config = SegmentationConfig.load(repository / "training" / "configs" / f"{name}.yaml")
    assert config.augment.independent_frames and config.augment.view_change
    made = ablation.variants(config)
    assert list(made) == list(ablation.VARIANTS)
    events = made["trained on events alone"]
    assert events.augment.inputs == ("events",) and events.card["inputs"] == ["events"]
    assert events.augment.independent_frames == events.augment.view_change == events.augment.damage == 0
    assert made["trained on frames alone"].augment.independent_frames == config.augment.independent_frames


def test_only_the_variants_asked_for_are_made(repository, monkeypatch):
    config = SegmentationConfig.load(repository / "training" / "configs" / "halsie_scene.yaml")
    monkeypatch.setitem(ablation.VARIANTS, "no mixer", lambda _: pytest.fail("made"))
    assert list(ablation.variants(config, ["analogue event branch", "full"])) == ["full", "analogue event branch"]


def test_a_finished_variant_is_read_not_trained(repository, tmp_path, monkeypatch, capsys):
    recipe = repository / "training" / "configs" / "halsie_scene.yaml"
    for number, name in enumerate(ablation.variants(SegmentationConfig.load(recipe))):
        row = dict.fromkeys(ablation.MEASURES, number / 10)
        write_json(str(tmp_path / name.replace(" ", "_") / "measured.json"), row)
    monkeypatch.setattr(ablation, "train", lambda *_, **__: pytest.fail("trained again"))
    assert ablation.main([str(recipe), "--run", str(tmp_path), "--steps", "5"]) == 0
    assert "| analogue event branch | 0.300 | 0.300 | 0.300 | 0.300 |" in capsys.readouterr().out


def test_some_variants_can_be_asked_for_and_unknown_ones_are_named(repository, tmp_path, capsys):
    recipe = str(repository / "training" / "configs" / "halsie_scene.yaml")
    write_json(str(tmp_path / "full" / "measured.json"), dict.fromkeys(ablation.MEASURES, 0.5))
    given = [recipe, "--run", str(tmp_path), "--steps", "5", "--variants"]
    assert ablation.main([*given, "full"]) == 0
    assert capsys.readouterr().out.count("\n") == 3
    with pytest.raises(SystemExit):
        ablation.main([*given, "fulll"])
    assert "no variant fulll: give some of full, trained on frames alone" in capsys.readouterr().err


def test_a_variant_starts_from_what_fits_it(tmp_path):
    small = StreamConfig(classes=6, event_channels=(8, 8, 8), memory=8, deep=(48, 96))
    whole, plain = HalsieStream(small), HalsieStream(replace(small, mixer=False))
    torch.save({"average": whole.state_dict()}, tmp_path / "one.pt")
    left = ablation.start_from(plain, tmp_path / "one.pt")
    ours, theirs = plain.state_dict(), whole.state_dict()
    assert torch.equal(ours["decoder.scores.weight"], theirs["decoder.scores.weight"])
    assert 0 < left == sum(name not in theirs or theirs[name].shape != one.shape for name, one in ours.items())
