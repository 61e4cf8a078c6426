"""What changed between two results of `halsie evaluate segmentation`, and whether chance explains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.metrics import bootstrap_difference, scores_of_sums

SETTINGS = ("dataset", "split", "model", "inputs", "degrade", "protocol")
FIGURES = ("accuracy", "ms_per_step", "parameters", "macs", "accumulates", "energy_mj", "spike_rate")


def read_result(path: Path) -> dict[str, Any]:
    """A result that `evaluate segmentation --json` wrote.

    Raises:
        ParameterError: it is not there, or is something else.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path}: not a readable JSON file ({error})") from None
    if not isinstance(result, dict) or result.get("task") != "segmentation" or "per_frame" not in result:
        raise ParameterError(f"{path}: not a result of `halsie evaluate segmentation --json`")
    return result


def compare(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Differences, second minus first, on the frames that both hold; mIoU with a paired bootstrap interval.

    Raises:
        ParameterError: other classes, or no frame in common.
    """
    if first["classes"] != second["classes"]:
        raise ParameterError("the two results were scored in different classes: they cannot be compared")
    one, other = ({frame["name"]: frame for frame in result["per_frame"]} for result in (first, second))
    names = [name for name in one if name in other]
    if not names:
        raise ParameterError("the two results have no frame in common: evaluate both on the same split or bag")
    sums = [
        np.array([[frames[name][key] for key in ("right", "labelled", "found")] for name in names])
        for frames in (one, other)
    ]
    difference, low, high = bootstrap_difference(*sums)
    figures = [scores_of_sums(*part.sum(0)) for part in sums]
    return {
        "frames": len(names),
        "frames_only_in_first": len(one) - len(names),
        "frames_only_in_second": len(other) - len(names),
        "settings": {key: [first.get(key), second.get(key)] for key in SETTINGS if first.get(key) != second.get(key)},
        "miou": [figures[0].miou, figures[1].miou],
        "miou_difference": difference,
        "miou_difference_interval": [low, high],
        "significant": not low <= 0 <= high,
        "per_class": {
            name: [None if np.isnan(value) else float(value) for value in pair]
            for name, pair in zip(first["classes"], zip(figures[0].iou, figures[1].iou, strict=True), strict=True)
        },
        "figures": {key: [first.get(key), second.get(key)] for key in FIGURES},
        "environment_differs": first.get("environment") != second.get("environment"),
    }


def lines(difference: dict[str, Any]) -> list[str]:
    """The comparison as text, a figure per line."""
    low, high = difference["miou_difference_interval"]
    before, after = difference["miou"]
    verdict = "more than chance" if difference["significant"] else "chance may explain it"
    text = [f"{difference['frames']} frames in common"]
    text += [f"{key}: {pair[0]} -> {pair[1]}" for key, pair in difference["settings"].items()]
    text.append(
        f"mIoU {before:.4f} -> {after:.4f}  {difference['miou_difference']:+.4f} "
        f"(95 %: {low:+.4f} to {high:+.4f}, {verdict})"
    )
    for name, (one, other) in {**difference["per_class"], **difference["figures"]}.items():
        if one is not None and other is not None:
            text.append(f"{name:16s} {one:12.5g} -> {other:12.5g}  {other - one:+.4g}")
    if difference["environment_differs"]:
        text.append("hardware or versions differ: times cannot be compared")
    return text
