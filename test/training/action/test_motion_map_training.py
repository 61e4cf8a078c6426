import json

import numpy as np
import onnxruntime
import pytest
import yaml

from halsie_ros.action.motion_map import SIZE_PER_TIME
from halsie_ros.action.motion_statistics import SIZE
from training.action.config import ActionRecipe, MotionMapConfig
from training.action.motion_map import Rows, cross_validate, describe, fit, graph, main, project
from training.core.command import TrainingError
from training.core.recipes import build


def toy(count=60, classes=3, size=24, noise=0.05):
    rng = np.random.default_rng(1)
    labels = np.arange(count) % classes
    x = rng.normal(0, noise, (count, size)) + np.eye(size)[labels * 7]
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels


def write_cache(folder, clips=12):
    """Left and right movers of six people."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    motion = np.zeros((clips, 3, 4, 24, 32), np.float16)
    residual = np.zeros((clips, 3, 2, 48, 64), np.float16)
    labels = ["left" if c % 2 else "right" for c in range(clips)]
    for c in range(clips):
        column = int(rng.integers(5, 20))
        motion[c, :, 0, 8:14, column : column + 5] = 1 if labels[c] == "left" else -1
        residual[c, :, :, 16:28, 2 * column : 2 * column + 10] = 1
    np.save(folder / "image.npy", np.zeros((clips, 3, 96, 128), np.uint8))
    np.save(folder / "motion.npy", motion)
    np.save(folder / "residual.npy", residual)
    np.save(folder / "dt_us.npy", np.full((clips, 3), 66_667, np.float32))
    np.save(folder / "camera.npy", np.zeros((clips, 3, 2), np.float32))
    np.save(folder / "end_s.npy", np.zeros(clips, np.float32))
    groups = [f"g{c // 2}" for c in range(clips)]
    np.savez(
        folder / "clips.npz", gops=[1] * clips, label=labels, group=groups, path=[f"{c}.mp4" for c in range(clips)]
    )


FIELDS = {
    "classes": ["left", "right"],
    "loop": {"steps": 1, "batch": 1, "learning_rate": 1e-3},
    "card": {},
    "data": [{"cache": "c"}],
    "mirror": "never",
    "motion_map": {"times": 2},
}


def rows_of(x, labels):
    return Rows(x, labels, np.array(["a", "b"])[np.arange(len(x)) // 2 % 2], np.ones(len(x), bool))


@pytest.mark.parametrize(("kind", "name"), [("maps", "descriptor"), ("statistics", "statistics")])
def test_the_graph_says_what_kernel_ridge_regression_says(kind, name):
    x, labels = toy(40, 2, 96)
    settings = MotionMapConfig(kind=kind, components=32, ridge=0.1)
    fitted = fit(rows_of(x, labels), np.ones(40, bool), 2, settings)
    logits = 3.0 * fitted.scores(x[:1])
    wanted = 2.0 * np.exp(logits) / np.exp(logits).sum()
    session = onnxruntime.InferenceSession(graph(fitted, weight=2.0, temperature=3.0).SerializeToString())
    np.testing.assert_allclose(session.run(None, {name: x[:1]})[0], wanted, rtol=2e-2, atol=2e-3)


def test_kernel_ridge_regression_solves_its_equations():
    x, labels = toy(8, 2, 24)
    fitted = fit(rows_of(x, labels), np.ones(8, bool), 2, MotionMapConfig(ridge=0.5))
    distances = np.square(x[:, None] - x[None]).sum(2)
    kernel = np.exp(-distances / np.median(distances))
    np.testing.assert_allclose((kernel + 0.5 * np.eye(8)) @ fitted.coefficients, np.eye(2)[labels], atol=1e-3)


@pytest.mark.parametrize("kind", ["maps", "statistics"])
def test_it_tells_kinds_apart(kind):
    x, labels = toy()
    fitted = fit(rows_of(x, labels), np.arange(60) < 45, 3, MotionMapConfig(kind=kind))
    assert (fitted.scores(x[45:]).argmax(1) == labels[45:]).mean() > 0.9


def test_statistics_count_in_standard_deviations_and_not_beyond_three():
    x = np.random.default_rng(0).normal(5, [1, 100], (50, 2)).astype(np.float32)
    fitted = fit(rows_of(x, np.arange(50) % 2), np.ones(50, bool), 2, MotionMapConfig(kind="statistics"))
    np.testing.assert_allclose(fitted.support.std(0), [1, 1], rtol=0.05)
    assert np.abs(fitted.place(np.array([[1e6, -1e6]], np.float32))).tolist() == [[3, 3]]


@pytest.mark.parametrize(("count", "size"), [(20, 50), (50, 20)])
def test_the_projection_keeps_what_the_rows_span(count, size):
    x = toy(count, 2, size)[0]
    projection = project(x, 50)
    np.testing.assert_allclose(x @ projection @ projection.T, x, atol=1e-4)


def test_only_unchanged_clips_of_groups_not_seen_are_judged(tmp_path):
    write_cache(tmp_path / "c")
    recipe = build(ActionRecipe, {**FIELDS, "motion_map": {"times": 2, "nudges": True}}, "recipe")
    rows = describe(recipe, tmp_path, recipe.motion_map)
    assert rows.x.shape == (60, 2 * SIZE_PER_TIME) and rows.judged.sum() == 12
    assert cross_validate(rows, 2, recipe.motion_map, 3)["top1"] == 1.0
    rows.label[rows.group == "g0"] = 1 - rows.label[rows.group == "g0"]  # seen, these would be learned by heart
    assert cross_validate(rows, 2, recipe.motion_map, 6)["per_group"]["g0"] == 0.0


def test_mirrored_clips_join_where_the_label_stays(tmp_path):
    write_cache(tmp_path / "c")
    recipe = build(ActionRecipe, {**FIELDS, "mirror": "same"}, "recipe")
    assert len(describe(recipe, tmp_path, MotionMapConfig(times=2)).x) == 24


def test_held_out_rows_are_no_support():
    x, labels = toy()
    rows = rows_of(x, labels)
    fitted = fit(rows, rows.group != "a", 3, MotionMapConfig())
    assert len(fitted.support) == len(fitted.coefficients) == 30


def test_statistics_are_made_once_per_clip(tmp_path):
    write_cache(tmp_path / "c")
    recipe = build(ActionRecipe, {**FIELDS, "mirror": "same"}, "recipe")
    rows = describe(recipe, tmp_path, MotionMapConfig(kind="statistics", nudges=True))
    assert rows.x.shape == (12, SIZE) and rows.judged.all()


def test_an_unknown_kind_is_refused():
    with pytest.raises(TrainingError, match="'words'"):
        MotionMapConfig(kind="words")


def test_the_command_adds_the_graph_to_a_card_and_measures(tmp_path, capsys):
    write_cache(tmp_path / "c")
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(FIELDS))
    (tmp_path / "x.yaml").write_text(yaml.safe_dump({"name": "x", "graphs": {}, "sha256": {}}))
    common = [str(tmp_path / "r.yaml"), "--data", str(tmp_path)]
    main([*common, "--model", str(tmp_path / "x.yaml"), "--hold-out", "g1,g2"])
    assert "8 rows" in capsys.readouterr().out
    card = yaml.safe_load((tmp_path / "x.yaml").read_text())
    session = onnxruntime.InferenceSession(str(tmp_path / card["graphs"]["motion_map"]))
    assert session.get_inputs()[0].shape == [1, 2 * SIZE_PER_TIME]
    main([*common, "--folds", "6", "--json", str(tmp_path / "out.json")])
    assert json.loads((tmp_path / "out.json").read_text())["top1"] == 1.0


def test_a_recipe_without_an_expert_is_refused(tmp_path, capsys):
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**FIELDS, "motion_map": None}))
    assert main([str(tmp_path / "r.yaml"), "--data", str(tmp_path), "--folds", "2"]) == 1
    assert "has no motion_map" in capsys.readouterr().err
