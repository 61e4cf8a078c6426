"""Fits the motion-map expert: kernel ridge regression on descriptors of clips, written as an ONNX graph beside a model.

    python -m training.action.motion_map CONFIG --data CACHES --model models/actions_mhad.yaml [--hold-out GROUP,…]
    python -m training.action.motion_map CONFIG --data CACHES --folds 7 [--json FILE]

Scores are ``weight * softmax(temperature * exp(-g |z - s|^2) A)`` for the training clips' s; the pipeline adds them to
the network's probabilities. z is a descriptor's projection, or statistics in standard deviations, at most 3. The
recipe's `motion_map` has the settings. `--folds` measures the expert alone on groups (subjects, sources) that it has
not seen, and writes no model; as many folds as groups leave out one at a time.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from halsie_ros.action.inputs import Step
from halsie_ros.action.motion_map import Nudge, descriptor, mirrored, step_map
from halsie_ros.action.motion_statistics import statistics
from halsie_ros.evaluation.action import interval
from halsie_ros.evaluation.energy import graph_cost
from halsie_ros.files import write_atomically, write_json
from training.action.config import ActionRecipe, MotionMapConfig
from training.action.data import ClipSource
from training.core.command import TrainingError, command, setting_up
from training.core.onnx_graphs import OPSET
from training.core.recipes import add_set_argument, load

LIMIT = 3.0
"""Standard deviations beyond which statistics tell no more."""
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


def describe(recipe: ActionRecipe, data: Path, settings: MotionMapConfig) -> Rows:
    """Every clip of a recipe's sources: itself, mirrored where mirroring keeps the label, nudged where settings say."""
    rows, labels, groups, judged = [], [], [], []
    for given in recipe.data:
        if given.expert == "no":
            continue
        source = given.open(data)
        nudges = NUDGES if settings.nudges and given.validate else NUDGES[:1]
        for clip, (label, group) in enumerate(zip(source.labels, source.groups)):
            maps = clip_maps(source, clip, settings.gops)
            if settings.kind == "statistics":  # they hardly change where a clip is mirrored or moved
                rows.append(statistics(maps))
                labels.append(recipe.classes.index(label))
                groups.append(group)
                judged.append(given.validate)
                continue
            views = (maps, mirrored(maps)) if recipe.mirror == "same" and given.expert == "copies" else (maps,)
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


@dataclass
class Expert:
    """A fitted expert: ``z = clip((x - mean) * scale, 3)`` for statistics, ``z = x projection`` for maps.

    Attributes:
        support: z of the training clips ``(N, D)``.
        g: slope of the kernel.
        coefficients: ``(N, C)``.
        projection: ``(inputs, D)``; None for statistics.
        mean, scale: ``(inputs,)``; None for maps.
    """

    support: np.ndarray
    g: float
    coefficients: np.ndarray
    projection: np.ndarray | None = None
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None

    def place(self, x: np.ndarray) -> np.ndarray:
        """z of rows ``(M, inputs)``."""
        placed: np.ndarray = (
            np.clip((x - self.mean) * self.scale, -LIMIT, LIMIT) if self.projection is None else x @ self.projection
        )
        return placed

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Before the temperature: ``(M, C)``."""
        result: np.ndarray = np.exp(-self.g * squared_distances(self.place(x), self.support)) @ self.coefficients
        return result


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``(M, N)`` of rows ``(M, D)`` and ``(N, D)``."""
    result: np.ndarray = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return result


def fit(rows: Rows, chosen: np.ndarray, classes: int, settings: MotionMapConfig) -> Expert:
    """Kernel ridge regression on the rows that are `chosen (N,) bool`."""
    x = rows.x[chosen]
    if settings.kind == "maps":
        fitted = Expert(x, 0.0, x, projection=project(x, settings.components))
    else:
        fitted = Expert(x, 0.0, x, mean=x.mean(0), scale=1 / (x.std(0) + np.float32(1e-6)))
    fitted.support = fitted.place(x)
    distances = squared_distances(fitted.support, fitted.support)
    fitted.g = settings.sharpness / float(np.median(distances))
    kernel = np.exp(-fitted.g * distances) + settings.ridge * np.eye(len(x))
    fitted.coefficients = np.linalg.solve(kernel, np.eye(classes)[rows.label[chosen]])
    return fitted


def cross_validate(rows: Rows, classes: int, settings: MotionMapConfig, folds: int) -> dict[str, Any]:
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
        fitted = fit(rows, fold != number, classes, settings)
        judged = rows.judged & (fold == number)
        scores = fitted.scores(rows.x[judged])
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


def graph(fitted: Expert, *, weight: float, temperature: float, joins: str = "sum") -> onnx.ModelProto:
    """The expert as a graph: `descriptor` or `statistics` ``(1, inputs)`` to ``(1, C)``.

    The output is called `scores`, added to the network's probabilities, or `factors`, which multiply them.
    """
    maps = fitted.projection is not None
    stored = np.float16 if maps else np.float32
    name = "descriptor" if maps else "statistics"
    constants = {
        "support_stored": fitted.support.T.astype(stored),
        "lengths": np.square(fitted.support.astype(stored).astype(np.float32)).sum(1)[None],
        "coefficients": (fitted.coefficients * temperature).astype(np.float32),
        "weight": np.float32(weight if joins == "sum" else 1.0),
        "minus_slope": np.float32(-fitted.g),
        "two": np.float32(2),
    }
    if fitted.projection is not None:
        constants["projection_half"] = fitted.projection.astype(np.float16)
        place = [("Cast", ["projection_half"], "projection"), ("MatMul", [name, "projection"], "z")]
    else:
        constants |= {"mean": fitted.mean, "scale": fitted.scale}
        constants |= {"least": np.float32(-LIMIT), "most": np.float32(LIMIT)}
        place = [
            ("Sub", [name, "mean"], "centred"),
            ("Mul", ["centred", "scale"], "scaled"),
            ("Clip", ["scaled", "least", "most"], "z"),
        ]
    steps = [
        ("Cast", ["support_stored"], "support"),
        *place,
        ("ReduceSumSquare", ["z"], "length"),
        ("MatMul", ["z", "support"], "likeness"),
        ("Mul", ["likeness", "two"], "likeness_twice"),
        ("Sub", ["lengths", "likeness_twice"], "apart"),
        ("Add", ["apart", "length"], "distances"),
        ("Mul", ["distances", "minus_slope"], "exponent"),
        ("Exp", ["exponent"], "kernel"),
        ("MatMul", ["kernel", "coefficients"], "logits"),
        ("Softmax", ["logits"], "probabilities"),
        ("Mul", ["probabilities", "weight"], "scores" if joins == "sum" else "factors"),
    ]
    more: dict[str, dict[str, Any]] = {
        "Cast": {"to": TensorProto.FLOAT},
        "ReduceSumSquare": {"axes": [1]},
        "Softmax": {"axis": -1},
    }
    nodes = [helper.make_node(kind, given, [made], made, **more.get(kind, {})) for kind, given, made in steps]
    value = helper.make_tensor_value_info
    inputs = len(fitted.projection) if fitted.projection is not None else fitted.support.shape[1]
    body = helper.make_graph(
        nodes, "motion_map", [value(name, TensorProto.FLOAT, [1, inputs])],
        [value(steps[-1][2], TensorProto.FLOAT, [1, fitted.coefficients.shape[1]])],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in constants.items()],
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
    if "measured" in card:
        card["measured"]["macs"]["motion_map"] = int(graph_cost(path.parent / file, 0, 0).macs)
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    write_atomically(path, text.encode())
    return len(content)


@command
def main(arguments: list[str] | None = None) -> int:
    """Fits or measures the expert; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the caches")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, help="the card that gets the expert")
    what.add_argument("--folds", type=int, help="measure instead: leave groups out, in so many folds")
    parser.add_argument("--hold-out", default="", help="groups that are left out of --model, separated by commas")
    parser.add_argument("--json", metavar="FILE", help="of --folds")
    add_set_argument(parser)
    args = parser.parse_args(arguments)
    with setting_up():
        recipe = load(ActionRecipe, args.config, args.set)
    if recipe.motion_map is None:
        raise TrainingError(f"{args.config} has no motion_map: give its settings there")
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
        return 0
    chosen = ~np.isin(rows.group, args.hold_out.split(","))
    fitted = fit(rows, chosen, classes, settings)
    size = add_to_card(
        args.model, graph(fitted, weight=settings.weight, temperature=settings.temperature, joins=settings.joins)
    )
    print(f"{args.model.stem}_motion_map.onnx: {len(fitted.support)} rows, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
