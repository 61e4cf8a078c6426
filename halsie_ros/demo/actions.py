"""The demo's second sense: what the action node said, against what the person did."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.action.pipeline import UNKNOWN
from halsie_ros.bags.recording import Recording
from halsie_ros.demo.live import LiveRun

WINDOW_NS = 3_200_000_000
"""The network looks back over 8 groups of 12 frames at 30 Hz: until then a label still speaks of the action before."""


def show_actions(recording: Recording, live: LiveRun, path: Path) -> dict[str, Any]:
    """Draws the timeline and returns the figures.

    Returns:
        ``labels`` (how many came), ``accuracy`` (share of right ones among those whose whole window shows one action;
        "unknown" counts as wrong), ``accuracy_all`` (among all), ``lag_s`` (median time from a change of action to its
        first right label; an action that is never named counts whole), ``changes`` (changes of label per change of
        action), ``unknown`` (share of all), ``timeline`` (per action: seconds, what was said how often). Accuracies,
        lag and changes are None where the bag has no truth.
    """
    said = [(entry["stamp_ns"], entry["results"][0][0]) for entry in live.log["classifications"] if entry["results"]]
    spans = _spans(recording)
    rows, lags_s, right, right_settled, settled = [], [], 0, 0, 0
    for start_ns, end_ns, action in spans:
        inside = [(stamp, label) for stamp, label in said if start_ns <= stamp < end_ns]
        right += sum(label == action for _, label in inside)
        first_ns = next((stamp for stamp, label in inside if label == action), end_ns)
        lags_s.append((first_ns - start_ns) / 1e9)
        late = [label for stamp, label in inside if stamp >= start_ns + WINDOW_NS]
        settled += len(late)
        right_settled += sum(label == action for label in late)
        counts = Counter(label for _, label in inside).most_common()
        rows.append({"from_s": (start_ns - spans[0][0]) / 1e9, "action": action, "said": dict(counts)})
    if said:
        _draw(spans or [(said[0][0], said[-1][0] + 1, "")], said, path)
    judged = sum(start <= stamp < end for stamp, _ in said for start, end, _ in spans)
    return {
        "labels": len(said),
        "accuracy": right_settled / settled if settled else None,
        "accuracy_all": right / judged if judged else None,
        "lag_s": float(np.median(lags_s)) if lags_s else None,
        "changes": flicker(said, len(spans)),
        "unknown": sum(label == UNKNOWN for _, label in said) / len(said) if said else None,
        "timeline": rows,
    }


def flicker(said: list[tuple[int, str]], actions: int) -> float | None:
    """Changes of label per change of action, of which the first action is one; None without actions.

    "unknown" is no label: it says nothing, and is passed over.
    """
    labels = [label for _, label in said if label != UNKNOWN]
    changes = sum(one != other for one, other in itertools.pairwise(labels)) + bool(labels)
    return changes / actions if actions else None


def actions_as_text(figures: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"action labels {figures['labels']}"]
    if figures["accuracy"] is not None:
        lines[0] += (
            f", {figures['accuracy']:.0%} right where the network's window shows one action "
            f"({figures['accuracy_all']:.0%} of all), {figures['lag_s']:.1f} s after a change, "
            f"{figures['changes']:.1f} changes of label per action"
        )
    for row in figures["timeline"]:
        said = ", ".join(f"{label} {number}" for label, number in row["said"].items()) or "nothing"
        lines.append(f"  {row['from_s']:5.1f} s  {row['action']:16s} said: {said}")
    return "\n".join(lines)


def _spans(recording: Recording) -> list[tuple[int, int, str]]:
    ends = [stamp for stamp, _ in recording.actions[1:]] + [recording.end_ns + 1]
    return [(start, end, action) for (start, action), end in zip(recording.actions, ends)]


def _draw(spans: list[tuple[int, int, str]], said: list[tuple[int, str]], path: Path) -> None:
    """Truth as bars, labels as dots, a row per class that occurs; PNG."""
    from PIL import Image, ImageDraw, ImageFont

    from halsie_ros.demo.pictures import save_png

    names = list(dict.fromkeys([action for _, _, action in spans if action] + [label for _, label in said]))
    start_ns, end_ns = spans[0][0], spans[-1][1]
    left, row, width, top = 170, 26, 1000, 40
    picture = Image.new("RGB", (left + width + 20, top + row * len(names) + 34), (24, 26, 30))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    draw.text((12, 10), "bars: what the person does; dots: what the action node says", (226, 228, 232), font)
    scale = width / (end_ns - start_ns)
    for index, name in enumerate(names):
        y = top + index * row
        draw.text((12, y + 4), name, (226, 228, 232), font)
        draw.line((left, y + row - 1, left + width, y + row - 1), (52, 56, 62))
        for first, last, action in spans:
            if action == name:
                box = (left + (first - start_ns) * scale, y + 4, left + (last - start_ns) * scale, y + row - 5)
                draw.rectangle(box, (52, 92, 150))
    for stamp, label in said:
        x, y = left + (stamp - start_ns) * scale, top + names.index(label) * row + row // 2
        right = any(first <= stamp < last and action == label for first, last, action in spans)
        draw.ellipse((x - 4, y - 5, x + 4, y + 3), (96, 220, 120) if right else (240, 120, 80))
    for second in range(0, int((end_ns - start_ns) / 1e9) + 1, 5):
        x = left + second * 1e9 * scale
        draw.text((x, top + row * len(names) + 8), f"{second} s", (160, 164, 170), font)
    save_png(picture, path)
