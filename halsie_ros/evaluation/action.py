"""Action recognition on a set of clips.

Accuracy, speed with decoding, energy by the paper's count, share of each modality.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from halsie_ros.action.clip import SPARSE_FRAMES, read_clip
from halsie_ros.action.pipeline import MODALITIES, ActionPipeline, Encoded
from halsie_ros.datasets.actions.video_sets import VideoSet
from halsie_ros.errors import ParameterError, VideoError
from halsie_ros.evaluation.energy import Cost, energy_mj, graph_cost

SHARES = {"all": MODALITIES, "image": ("image",), "motion": ("motion",), "residual": ("residual",)}


class EnergyMeter:
    """Joules of encoded clips: 4.6 pJ a multiply-accumulate, 0.9 pJ an accumulate, spike rates as measured."""

    def __init__(self, pipeline: ActionPipeline) -> None:
        self.costs: dict[str, Cost] = {role: graph_cost(path, 0, 0) for role, path in pipeline.card.graphs.items()}

    def joules(self, encoded: Encoded) -> float:
        """Energy of one clip, the head run once."""
        if not encoded.steps:
            return 0.0
        macs = (
            encoded.images * self.costs["i_frame"].macs
            + encoded.steps * self.costs["p_frame"].macs
            + sum(cost.macs for role, cost in self.costs.items() if role in ("head", "motion_map"))
        )
        return energy_mj(macs, encoded.steps * self.costs["p_frame"].accumulates(encoded.spikes)) * 1e-3


def evaluate(
    pipeline: ActionPipeline, found: VideoSet, *, frames_per_gop: int = SPARSE_FRAMES, progress: bool = False
) -> dict[str, Any]:
    """Scores every clip once.

    A clip that cannot be read counts as missing, not as wrong: it is listed under `broken`.

    Raises:
        ParameterError: the model lacks a class of the data set, or no clip could be read.
    """
    lacking = sorted(set(found.classes) - set(pipeline.classes))
    if lacking:
        raise ParameterError(
            f"{pipeline.card.name} does not know {len(lacking)} classes of {found.name}, such as {lacking[0]!r}: "
            "choose a model that was trained for them"
        )
    to_class = np.array([pipeline.classes.index(name) for name in found.classes])
    meter = EnergyMeter(pipeline)
    truths, groups, broken, joules, spikes = [], [], [], [], []
    probabilities: dict[str, list[np.ndarray]] = {share: [] for share in SHARES}
    seconds = 0.0
    for number, clip in enumerate(found.clips):
        start = time.perf_counter()
        try:
            segments = read_clip(clip.path, segments=pipeline.segments, frames_per_gop=frames_per_gop)
        except VideoError as error:
            broken.append(f"{clip.name}: {error}")
            continue
        encoded = pipeline.encode(segments)
        scores = pipeline.score(encoded)
        seconds += time.perf_counter() - start
        if not encoded.steps:
            broken.append(f"{clip.name}: no trusted I-frame followed by P-frames")
            continue
        probabilities["all"].append(scores)
        for share in ("image", "motion", "residual"):
            probabilities[share].append(pipeline.score(encoded, SHARES[share]))
        truths.append(to_class[clip.label])
        groups.append(clip.group)
        joules.append(meter.joules(encoded))
        spikes.append(encoded.spikes)
        if progress:
            print(f"\r{number + 1}/{len(found.clips)}", end="", file=sys.stderr, flush=True)
    if not truths:
        raise ParameterError(f"{found.name}: none of {len(found.clips)} clips could be read, e.g. {broken[0]}")
    truth = np.array(truths)
    table = {share: np.stack(rows) for share, rows in probabilities.items()}
    right = table["all"].argmax(1) == truth
    five = (np.argsort(-table["all"], 1)[:, :5] == truth[:, None]).any(1)
    confusion = np.zeros((len(found.classes), len(pipeline.classes)), int)
    for row, column in zip(np.searchsorted(np.sort(to_class), truth), table["all"].argmax(1)):
        confusion[np.argsort(to_class)[row], column] += 1
    return {
        "model": pipeline.card.name,
        "dataset": found.name,
        "clips": len(truth),
        "missing": list(found.missing),
        "broken": broken,
        "top1": float(right.mean()),
        "top5": float(five.mean()),
        "interval95": list(interval(right, groups)),
        "per_class": {
            name: float(right[truth == to_class[i]].mean()) if (truth == to_class[i]).any() else None
            for i, name in enumerate(found.classes)
        },
        "per_group": {g: float(right[np.array(groups) == g].mean()) for g in sorted(set(groups)) if g},
        "confusion": {"rows": list(found.classes), "columns": list(pipeline.classes), "counts": confusion.tolist()},
        "modalities": {share: float((rows.argmax(1) == truth).mean()) for share, rows in table.items()},
        "videos_per_s": len(truth) / seconds,
        "energy_j": float(np.mean(joules)),
        "spikes": {layer: float(np.mean([s[layer] for s in spikes])) for layer in spikes[0]},
    }


def interval(right: np.ndarray, groups: list[str], *, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of `right (N,) bool`.

    Whole groups are drawn where at least ten are known (clips of one source are not independent), else clips.
    """
    rng = np.random.default_rng(seed)
    names, index = np.unique(groups, return_inverse=True)
    if len(names) < 10:
        index = np.arange(len(right))
    hits, sizes = np.bincount(index, weights=right), np.bincount(index)
    drawn = rng.integers(0, len(sizes), (draws, len(sizes)))
    means = hits[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def summary(result: dict[str, Any]) -> list[str]:
    """The result in a few lines."""
    low, high = result["interval95"]
    return [
        f"{result['model']} on {result['dataset']}, {result['clips']} clips "
        f"({len(result['missing'])} missing, {len(result['broken'])} broken)",
        f"top-1 {result['top1']:.4f} (95 %: {low:.4f} to {high:.4f})   top-5 {result['top5']:.4f}",
        "   ".join(f"{name} {'-' if hit is None else f'{hit:.2f}'}" for name, hit in result["per_class"].items()),
        "modalities: " + "   ".join(f"{name} {hit:.4f}" for name, hit in result["modalities"].items()),
        f"{result['videos_per_s']:.1f} videos/s with decoding, one process   "
        f"{result['energy_j'] * 1e3:.2f} mJ per video",
    ]
