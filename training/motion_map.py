"""Fits the motion-map expert: kernel ridge regression on descriptors of clips, written as an ONNX graph beside a model.

    python -m training.motion_map CONFIG --data CACHES --model models/actions_mhad.yaml [--hold-out subject06,subject07]
    python -m training.motion_map CONFIG --data CACHES --folds 7 [--json FILE]

Scores are ``weight * softmax(temperature * exp(2 g (x P S' - 1)) A)`` for projected descriptors S of the training
clips; the pipeline adds them to the network's probabilities. The recipe's `motion_map` has the settings. `--folds`
measures the expert alone on groups (subjects, sources) that it has not seen, and writes no model; as many folds as
groups leave out one at a time.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from halsie_ros.action.inputs import Step
from halsie_ros.action.motion_map import Nudge, descriptor, mirrored, step_map
from halsie_ros.cli.output import write_atomically, write_json
from halsie_ros.evaluation.action import interval
from training.action import MotionMapConfig, Recipe
from training.action_data import ClipSource
from training.export import OPSET

NUDGES = (Nudge(), Nudge(rows=1), Nudge(rows=-1), Nudge(columns=1), Nudge(columns=-1))


@dataclass
class Rows:
    """Descriptors of clips and of their copies.

    Attributes:
        x: ``(N, D) float32``.
        label, group: of each row.
        judged: ``(N,) bool``: rows of unchanged clips of sources that are validated on.
    """

    x: np.ndarray
    label: np.ndarray
    group: np.ndarray
    judged: np.ndarray


def clip_maps(source: ClipSource, clip: int, gops: int) -> np.ndarray:
    """Maps ``(T, 10, 24, 32)`` of one clip's steps, as the pipeline would make them."""
    arrays = source.gops(clip, gops, None)
    return np.stack([
        step_map(Step(motion[t].astype(np.float32), residual[t].astype(np.float32), float(dt)))
        for motion, residual, dt_us in zip(arrays["motion"], arrays["residual"], arrays["dt_us"])
        for t, dt in enumerate(dt_us)
        if dt > 0
    ])  # fmt: skip


def describe(recipe: Recipe, data: Path, settings: MotionMapConfig) -> Rows:
    """Every clip of a recipe's sources: itself, mirrored where mirroring keeps the label, nudged where settings say."""
    rows, labels, groups, judged = [], [], [], []
    for given in recipe.data:
        source = given.open(data)
        nudges = NUDGES if settings.nudges and given.validate else NUDGES[:1]
        for clip, (label, group) in enumerate(zip(source.labels, source.groups)):
            maps = clip_maps(source, clip, settings.gops)
            views = (maps, mirrored(maps)) if recipe.mirror == "same" else (maps,)
            for number, (view, nudge) in enumerate((v, n) for v in views for n in nudges):
                rows.append(descriptor(view, settings.times, nudge))
                labels.append(recipe.classes.index(label))
                groups.append(group)
                judged.append(given.validate and not number)
    return Rows(np.stack(rows), np.array(labels), np.array(groups), np.array(judged))


def project(x: np.ndarray, components: int) -> np.ndarray:
    """The `components` strongest directions ``(D, components)`` of rows ``(N, D)``, all of them where N is smaller."""
    small = (x @ x.T if len(x) < x.shape[1] else x.T @ x).astype(np.float64)
    values, vectors = np.linalg.eigh(small)
    values, vectors = values[::-1][:components], vectors[:, ::-1][:, :components]
    vectors = vectors[:, values > values[0] * 1e-9]
    if len(x) < x.shape[1]:
        vectors = x.T @ vectors
        vectors = vectors / np.linalg.norm(vectors, axis=0)
    return vectors.astype(np.float32)


def fit(x: np.ndarray, labels: np.ndarray, classes: int, *, sharpness: float, ridge: float) -> tuple[float, np.ndarray]:
    """Kernel ridge regression.

    Args:
        x: projected descriptors ``(N, D)``, of length 1 or a little less.
        labels: ``(N,)``.
        classes: C.
        sharpness: of the Gaussian kernel, in inverse median squared distances.
        ridge: added to the kernel's diagonal.

    Returns:
        g, and the coefficients A ``(N, C)``.
    """
    distances = 2 - 2 * x @ x.T
    g = sharpness / float(np.median(distances))
    kernel = np.exp(-g * distances) + ridge * np.eye(len(x))
    return g, np.linalg.solve(kernel, np.eye(classes)[labels])


def expert(rows: Rows, chosen: np.ndarray, classes: int, settings: MotionMapConfig) -> tuple[np.ndarray, ...]:
    """Fits on the rows that are `chosen (N,) bool`: projection, support, slope g, coefficients."""
    projection = project(rows.x[chosen], settings.components)
    support = rows.x[chosen] @ projection
    g, coefficients = fit(support, rows.label[chosen], classes, sharpness=settings.sharpness, ridge=settings.ridge)
    return projection, support, np.float64(g), coefficients


def cross_validate(rows: Rows, classes: int, settings: MotionMapConfig, folds: int) -> dict:
    """The expert alone on groups that it has not seen.

    Args:
        rows: by :func:`describe`.
        classes: C.
        settings: of the expert.
        folds: groups are dealt out to so many, shuffled with a fixed seed.

    Returns:
        `top1`, `interval95`, `clips`, `surprise` (mean negative log likelihood: lets a temperature be chosen),
        `per_group`.
    """
    names = np.unique(rows.group[rows.judged])
    fold_of = dict(zip(np.random.default_rng(0).permutation(names), np.arange(len(names)) % folds))
    fold = np.array([fold_of.get(group, -1) for group in rows.group])
    right, groups, likelihood = [], [], []
    for number in range(folds):
        projection, support, g, coefficients = expert(rows, fold != number, classes, settings)
        judged = rows.judged & (fold == number)
        scores = np.exp(2 * g * (rows.x[judged] @ projection @ support.T - 1)) @ coefficients
        logs = settings.temperature * scores
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        likelihood += logs[np.arange(len(logs)), rows.label[judged]].tolist()
        right.append(scores.argmax(1) == rows.label[judged])
        groups += rows.group[judged].tolist()
    hits = np.concatenate(right)
    return {
        "top1": float(hits.mean()),
        "interval95": list(interval(hits, groups)),
        "clips": len(hits),
        "surprise": -float(np.mean(likelihood)),
        "per_group": {str(name): float(hits[np.array(groups) == name].mean()) for name in names},
    }


def graph(
    projection: np.ndarray, x: np.ndarray, g: float, coefficients: np.ndarray, *, weight: float, temperature: float
) -> onnx.ModelProto:
    """The expert as a graph: `descriptor` ``(1, times * SIZE_PER_TIME)`` to `scores` ``(1, C)``."""
    classes = coefficients.shape[1]
    initializers = [
        numpy_helper.from_array(projection.astype(np.float16), "projection_half"),
        numpy_helper.from_array(x.T.astype(np.float16), "support_half"),
        numpy_helper.from_array((coefficients * temperature).astype(np.float32), "coefficients"),
        numpy_helper.from_array(np.float32(weight), "weight"),
        numpy_helper.from_array(np.float32(1), "one"),
        numpy_helper.from_array(np.float32(2 * g), "slope"),
    ]
    nodes = [
        helper.make_node("Cast", ["support_half"], ["support"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Cast", ["projection_half"], ["projection"], "cast_projection", to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["descriptor", "projection"], ["projected"], "projected"),
        helper.make_node("MatMul", ["projected", "support"], ["likeness"], "likeness"),
        helper.make_node("Sub", ["likeness", "one"], ["below"], "below"),
        helper.make_node("Mul", ["below", "slope"], ["exponent"], "exponent"),
        helper.make_node("Exp", ["exponent"], ["kernel"], "kernel"),
        helper.make_node("MatMul", ["kernel", "coefficients"], ["logits"], "logits"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "probabilities", axis=-1),
        helper.make_node("Mul", ["probabilities", "weight"], ["scores"], "scores"),
    ]
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        nodes, "motion_map", [value("descriptor", TensorProto.FLOAT, [1, len(projection)])],
        [value("scores", TensorProto.FLOAT, [1, classes])], initializers,
    )  # fmt: skip
    model = helper.make_model(body, producer_name="halsie_ros", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def add_to_card(path: Path, model: onnx.ModelProto) -> int:
    """Writes the graph beside a model's card and names it there; gives its size in bytes."""
    content = model.SerializeToString()
    card = yaml.safe_load(path.read_text())
    file = f"{card['name']}_motion_map.onnx"
    write_atomically(path.parent / file, content)
    card["graphs"]["motion_map"] = file
    card["sha256"]["motion_map"] = hashlib.sha256(content).hexdigest()
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    write_atomically(path, text.encode())
    return len(content)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the caches")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, help="the card that gets the expert")
    what.add_argument("--folds", type=int, help="measure instead: leave groups out, in so many folds")
    parser.add_argument("--hold-out", default="", help="groups that are left out of --model, separated by commas")
    parser.add_argument("--json", metavar="FILE", help="of --folds")
    args = parser.parse_args(arguments)
    recipe = Recipe.of(yaml.safe_load(args.config.read_text()))
    if recipe.motion_map is None:
        parser.error(f"{args.config} has no motion_map: give its settings there")
    settings, classes = recipe.motion_map, len(recipe.classes)
    rows = describe(recipe, args.data, settings)
    if args.folds:
        result = cross_validate(rows, classes, settings, args.folds)
        low, high = result["interval95"]
        each = "   ".join(f"{name} {hit:.3f}" for name, hit in result["per_group"].items())
        print(
            f"top-1 {result['top1']:.4f} (95 %: {low:.4f} to {high:.4f}) of {result['clips']} clips, "
            f"surprise {result['surprise']:.3f}   {each}"
        )
        write_json(args.json, result)
        return
    chosen = ~np.isin(rows.group, args.hold_out.split(","))
    projection, support, g, coefficients = expert(rows, chosen, classes, settings)
    model = graph(projection, support, float(g), coefficients, weight=settings.weight, temperature=settings.temperature)
    size = add_to_card(args.model, model)
    print(f"{args.model.stem}_motion_map.onnx: {len(support)} rows, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
