"""Action recognition on a set of clips.

Accuracy, speed with decoding, energy by the paper's count, share of each modality.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halsie_ros.action.clip import SPARSE_FRAMES, read_clip
from halsie_ros.action.pipeline import MODALITIES, NONE, UNKNOWN, ActionPipeline
from halsie_ros.action.state import Encoded
from halsie_ros.datasets.actions.video_sets import Clip, VideoSet
from halsie_ros.errors import ParameterError, VideoError
from halsie_ros.evaluation.energy import Cost, energy_mj, graph_cost

SHARES = {"all": MODALITIES, "image": ("image",), "motion": ("motion",), "residual": ("residual",)}

NOT_KNOWN, UNLABELLED = -1, -2
"""Truths of clips that show none of a model's classes, and of clips without a label."""


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


@dataclass
class Scored:
    """Clips and what the model said of them.

    Attributes:
        truth: the model's class id of each clip, -1 for a clip that shows none of the classes, -2 without a label.
        scores: ``(N, C)`` by what was used: "all", one modality, or "network".
        clips: as the data set lists them.
        broken: names and causes of clips that could not be used.
        joules, spikes: of each clip.
        seconds: reading, encoding and scoring took for all.
    """

    truth: list[int] = field(default_factory=list)
    scores: dict[str, list[np.ndarray]] = field(default_factory=dict)
    clips: list[Clip] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    joules: list[float] = field(default_factory=list)
    spikes: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def table(self, used: str) -> np.ndarray:
        """Scores ``(N, C)`` of one use."""
        return np.stack(self.scores[used])


def evaluate(
    pipeline: ActionPipeline,
    found: VideoSet,
    *,
    frames_per_gop: int = SPARSE_FRAMES,
    open_set: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Scores every clip once.

    A clip that cannot be read counts as missing, not as wrong: it is listed under `broken`. Clips labelled "none" show
    none of the model's classes; accuracies are of the others, and of the classes other than "none" (the best of these
    is taken), while `right`, `silent` and `false_labels` are by the rule of the node, with its confidence.

    Args:
        pipeline: the model.
        found: clips.
        frames_per_gop: read of long clips.
        open_set: classes that the model does not know stand for none of its classes.
        progress: count on stderr.

    Raises:
        ParameterError: the model lacks a class of the data set, or no clip could be read.
    """
    return figures(pipeline, found, score(pipeline, found, frames_per_gop, open_set=open_set, progress=progress))


def score(
    pipeline: ActionPipeline, found: VideoSet, frames_per_gop: int, *, open_set: bool = False, progress: bool = False
) -> Scored:
    """Reads, encodes and scores every clip; see :func:`evaluate`."""
    lacking = sorted(set(found.classes) - set(pipeline.classes) - {NONE})
    if lacking and not open_set:
        raise ParameterError(
            f"{pipeline.card.name} does not know {len(lacking)} classes of {found.name}, such as {lacking[0]!r}: "
            "choose a model that was trained for them, or --open-set: they are none of its classes then"
        )
    known = [name for name in pipeline.classes if name != NONE]
    to_class = [pipeline.classes.index(name) if name in known else NOT_KNOWN for name in found.classes]
    meter, result = EnergyMeter(pipeline), Scored(scores={used: [] for used in (*SHARES, "network")})
    for number, clip in enumerate(found.clips):
        start = time.perf_counter()
        try:
            segments = read_clip(clip.path, segments=pipeline.segments, frames_per_gop=frames_per_gop)
        except VideoError as error:
            result.broken.append((clip.name, str(error)))
            continue
        encoded = pipeline.encode(segments)
        scores = pipeline.score(encoded)
        result.seconds += time.perf_counter() - start
        if not encoded.steps:
            result.broken.append((clip.name, "no trusted I-frame followed by P-frames"))
            continue
        result.scores["all"].append(scores)
        for used in MODALITIES:
            result.scores[used].append(pipeline.score(encoded, SHARES[used]))
        result.scores["network"].append(pipeline.score(encoded, experts=False))
        result.truth.append(to_class[clip.label] if clip.label >= 0 else UNLABELLED)
        result.clips.append(clip)
        result.joules.append(meter.joules(encoded))
        result.spikes.append(encoded.spikes)
        if progress:
            print(f"\r{number + 1}/{len(found.clips)}", end="", file=sys.stderr, flush=True)
    if not result.truth:
        causes = f", e.g. {': '.join(result.broken[0])}" if result.broken else ""
        raise ParameterError(f"{found.name}: none of {len(found.clips)} clips could be read{causes}")
    return result


def figures(pipeline: ActionPipeline, found: VideoSet, scored: Scored) -> dict[str, Any]:
    """The figures of scored clips; those that need labels, or clips of none of the classes, are None without."""
    truth, groups = np.array(scored.truth), np.array([clip.group for clip in scored.clips])
    known, columns = truth >= 0, np.array([name != NONE for name in pipeline.classes])
    tables = {used: np.where(columns, scored.table(used), -1.0)[known] for used in scored.scores}
    best, labels = tables["all"].argmax(1), truth[known]
    right = best == labels
    confusion = np.zeros((len(found.classes), len(pipeline.classes)), int)
    rows = np.array([clip.label for clip in scored.clips])[known]
    np.add.at(confusion, (rows, best), 1)
    five = (np.argsort(-tables["all"], 1)[:, :5] == labels[:, None]).any(1)
    by_group = groups[known]
    used = {share: _mean(table.argmax(1) == labels) for share, table in tables.items()}
    return {
        "model": pipeline.card.name,
        "dataset": found.name,
        "clips": len(truth),
        "missing": list(found.missing),
        "broken": [f"{name}: {cause}" for name, cause in scored.broken],
        "unusable": unusable(found, scored),
        "top1": used["all"],
        "top5": _mean(five),
        "network_alone": used.pop("network"),
        "interval95": list(interval(right, by_group.tolist())) if len(right) else None,
        **open_set_figures(pipeline, truth, scored.table("all")),
        "per_class": {name: _mean(right[rows == i]) for i, name in enumerate(found.classes)},
        "per_group": {g: _mean(right[by_group == g]) for g in sorted(set(by_group.tolist())) if g},
        "confusion": {"rows": list(found.classes), "columns": list(pipeline.classes), "counts": confusion.tolist()},
        "modalities": used,
        "videos_per_s": len(truth) / scored.seconds,
        "energy_j": float(np.mean(scored.joules)),
        "spikes": {layer: float(np.mean([s[layer] for s in scored.spikes])) for layer in scored.spikes[0]},
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def open_set_figures(pipeline: ActionPipeline, truth: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """How labels and silence fare.

    Args:
        pipeline: whose rule says the labels.
        truth: as `Scored` has it.
        scores: ``(N, C)``.

    Returns:
        `confidence`; `right` (share of the clips that show a class which are called it), `silent` (share of them called
        unknown), `false_labels` (share of the clips that show none which get a label), `auroc` (of the best class's
        score, clips that show a class against those that show none) and `risk_coverage`: for a confidence that rises,
        the share of all labelled clips that get a label, and the share of these labels that are wrong.
    """
    known, none = truth >= 0, truth == NOT_KNOWN
    said = np.array([pipeline.label(row)[0] != UNKNOWN for row in scores])
    wrong = scores.argmax(1) != truth
    columns = np.array([name != NONE for name in pipeline.classes])
    best = scores[:, columns].max(1)
    named = scores.argmax(1) == np.flatnonzero(columns)[scores[:, columns].argmax(1)]  # "none" is not ahead
    judged = known | none
    curve = []
    for confidence in np.linspace(0, 1, 41) if judged.any() else ():
        labelled = judged & named & (best >= confidence)
        risk = float(wrong[labelled].mean()) if labelled.any() else 0.0
        coverage = float(labelled.sum() / judged.sum())
        curve.append({"confidence": round(float(confidence), 3), "coverage": coverage, "risk": risk})
    return {
        "confidence": pipeline.confidence,
        "right": _mean(said[known] & ~wrong[known]),
        "silent": _mean(~said[known]),
        "false_labels": _mean(said[none]),
        "auroc": auroc(best[known], best[none]),
        "risk_coverage": curve,
    }


def auroc(higher: np.ndarray, lower: np.ndarray) -> float | None:
    """Share of pairs in which the first is higher, ties by half; None where there are no pairs."""
    if not len(higher) or not len(lower):
        return None
    order = np.sort(lower)
    below = np.searchsorted(order, higher, "left") + np.searchsorted(order, higher, "right")
    return float(below.mean() / 2 / len(order))


def unusable(found: VideoSet, scored: Scored) -> dict[str, int]:
    """How many clips could not be used, by cause; paths and numbers are left out of causes."""
    paths = {clip.name: str(clip.path) for clip in found.clips}
    causes = Counter(re.sub(r"\d+", "N", cause.replace(paths[name], "it")) for name, cause in scored.broken)
    if found.missing:
        causes["not there"] = len(found.missing)
    return dict(causes.most_common())


def predictions(pipeline: ActionPipeline, scored: Scored) -> list[list[str]]:
    """Rows of a csv: path, what the node would say, then the five best entries with their scores."""
    rows = [["path", "label", *(f"{what}{place}" for place in range(1, 6) for what in ("class", "score"))]]
    for clip, scores in zip(scored.clips, scored.scores["all"]):
        best = np.argsort(-scores, kind="stable")[:5]
        pairs = [text for i in best for text in (pipeline.classes[i], f"{scores[i]:.4f}")]
        rows.append([clip.name, pipeline.label(scores)[0], *pairs])
    return rows


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
    """The result in a few lines; a set of which much could not be used says so first."""
    lines, lost = [], len(result["missing"]) + len(result["broken"])
    if lost > 0.05 * (lost + result["clips"]):
        causes = "; ".join(f"{number} {cause}" for cause, number in result["unusable"].items())
        lines.append(f"{lost} of {lost + result['clips']} clips could not be used: {causes}")
    lines.append(
        f"{result['model']} on {result['dataset']}, {result['clips']} clips "
        f"({len(result['missing'])} missing, {len(result['broken'])} broken)"
    )
    if result["top1"] is not None:
        low, high = result["interval95"]
        lines += [
            f"top-1 {result['top1']:.4f} (95 %: {low:.4f} to {high:.4f})   top-5 {result['top5']:.4f}   "
            f"network alone {result['network_alone']:.4f}",
            "   ".join(f"{name} {'-' if hit is None else f'{hit:.2f}'}" for name, hit in result["per_class"].items()),
            "modalities: " + "   ".join(f"{name} {hit:.4f}" for name, hit in result["modalities"].items()),
        ]
    shares = ("right", "silent", "false_labels", "auroc")
    parts = [f"{name} {result[name]:.4f}" for name in shares if result[name] is not None]
    if parts:
        lines.append(f"at confidence {result['confidence']:.2f}: " + "   ".join(parts))
    lines.append(
        f"{result['videos_per_s']:.1f} videos/s with decoding, one process   "
        f"{result['energy_j'] * 1e3:.2f} mJ per video"
    )
    return lines
