"""Fits the motion-map expert: kernel ridge regression on descriptors of clips, written as an ONNX graph beside a model.

    python -m training.motion_map CONFIG --data CACHES --model models/actions_mhad.yaml [--hold-out subject06,subject07]

Scores are ``weight * exp(2 g (x P S' - 1)) A`` for projected descriptors S of the training clips; the pipeline adds
them to the network's probabilities. Shifted copies are added, and mirrored ones where mirroring keeps the label.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from halsie_ros.action.inputs import Step
from halsie_ros.action.motion_map import descriptor, step_map
from halsie_ros.cli.output import write_atomically
from training.action import Recipe
from training.action_data import ClipSource
from training.export import OPSET

SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))


def clip_maps(source: ClipSource, clip: int, gops: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps ``(K, 6, 24, 32)`` and ages ``(K,)`` of one clip, as the pipeline would make them."""
    arrays = source.gops(clip, gops, None)
    maps = []
    for motion, residual, dt_us in zip(arrays["motion"], arrays["residual"], arrays["dt_us"]):
        steps = [
            step_map(Step(motion[t].astype(np.float32), residual[t].astype(np.float32), float(dt)))
            for t, dt in enumerate(dt_us)
            if dt > 0
        ]
        maps.append(np.mean(steps, 0) if steps else np.zeros((6, 24, 32), np.float32))
    return np.stack(maps), arrays["end_s"][-1] - arrays["end_s"]


def mirrored(maps: np.ndarray) -> np.ndarray:
    """Maps of the mirrored clip."""
    return maps[:, [2, 1, 0, 3, 4, 5], :, ::-1]


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


def graph(projection: np.ndarray, x: np.ndarray, g: float, coefficients: np.ndarray, weight: float) -> onnx.ModelProto:
    """The expert as a graph: `descriptor` ``(1, times * SIZE_PER_TIME)`` to `scores` ``(1, C)``."""
    classes = coefficients.shape[1]
    initializers = [
        numpy_helper.from_array(projection.astype(np.float16), "projection_half"),
        numpy_helper.from_array(x.T.astype(np.float16), "support_half"),
        numpy_helper.from_array((coefficients * weight).astype(np.float32), "coefficients"),
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
        helper.make_node("MatMul", ["kernel", "coefficients"], ["scores"], "scores"),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the caches")
    parser.add_argument("--model", type=Path, required=True, help="the card that gets the expert")
    parser.add_argument("--hold-out", default="", help="groups that are left out, separated by commas")
    parser.add_argument("--gops", type=int, default=8)
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--components", type=int, default=512, help="to which descriptors are projected")
    parser.add_argument("--sharpness", type=float, default=1.0)
    parser.add_argument("--ridge", type=float, default=0.1)
    parser.add_argument("--weight", type=float, default=3.0, help="against the network's probabilities (%(default)s)")
    args = parser.parse_args()
    recipe = Recipe.of(yaml.safe_load(args.config.read_text()))
    rows, labels = [], []
    for given in recipe.data:
        source = given.open(args.data)
        for clip, (label, group) in enumerate(zip(source.labels, source.groups)):
            if group in args.hold_out.split(","):
                continue
            maps, age_s = clip_maps(source, clip, args.gops)
            for view in (maps, mirrored(maps)) if recipe.mirror == "same" and given.validate else (maps,):
                for shift in SHIFTS if given.validate else SHIFTS[:1]:
                    rows.append(descriptor(view, age_s, args.times, shift))
                    labels.append(recipe.classes.index(label))
    x = np.stack(rows)
    _, vectors = np.linalg.eigh((x.T @ x).astype(np.float64))
    projection = vectors[:, ::-1][:, : args.components].astype(np.float32)
    x = x @ projection
    g, coefficients = fit(x, np.array(labels), len(recipe.classes), sharpness=args.sharpness, ridge=args.ridge)
    content = graph(projection, x, g, coefficients, args.weight).SerializeToString()
    card = yaml.safe_load(args.model.read_text())
    file = f"{card['name']}_motion_map.onnx"
    write_atomically(args.model.parent / file, content)
    card["graphs"]["motion_map"] = file
    card["sha256"]["motion_map"] = hashlib.sha256(content).hexdigest()
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    write_atomically(args.model, text.encode())
    print(f"{file}: {len(x)} clips, {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
