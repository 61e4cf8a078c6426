"""The demo's first sense: the masks that the segmentation node published, scored and drawn."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.recording import Recording, perception_topics
from halsie_ros.classes import ClassSet
from halsie_ros.demo.live import LiveRun
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.bag import label_classes
from halsie_ros.evaluation.live import LiveScore, percentiles
from halsie_ros.evaluation.result import CommonClasses, class_set_of
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.segmentation.familiarity import UNKNOWN_BELOW, warning
from halsie_ros.segmentation.overlay import draw_events

SHEET_ROWS = 5
MOST_ANIMATED = 60
EVENT_WINDOW_US = 33_000


def show_masks(recording: Recording, stamps: list[int], live: LiveRun, folder: Path) -> dict[str, Any]:
    """Scores what came and draws it, sheet.png and animation.gif in `folder`.

    Args:
        recording: the bag that was replayed.
        stamps: of its frames, ns.
        live: what the nodes published.
        folder: for the pictures.

    Returns:
        The summary of the run.
    """
    card = ModelCard.load(find_model(_diagnostics(live, "segmentation")["model"]))
    score = judge(recording, live, card)
    _draw(recording, stamps, live, card, score.latency_ms(live.sent_ns), folder)
    answered = [stamp for stamp in set(stamps) if stamp in live.masks]
    p50_ms, p95_ms = percentiles(score.latency_ms(live.sent_ns).values())
    drops = live.drops()
    received = int(_diagnostics(live, "image").get("messages", len(stamps)))
    if received < len(stamps):  # best effort: the transport lost them, the node never saw them
        drops["never_received"] = len(stamps) - received
    known = _diagnostics(live, "segmentation").get("scene_known")
    return {
        "bag": str(recording.path),
        "image_topic": recording.image_topic,
        "events_topic": recording.events_topic,
        "frames_in": len(stamps),
        "masks_out": len(answered),
        "latency_ms": {"p50": p50_ms, "p95": p95_ms},
        "drops": drops,
        "miou": score.tally.miou,
        "model": card.name,
        "scene_known": float(known) if known is not None else None,
        "frame_ids": live.log["frame_ids"],
        "labels": live.log["label_info"].get("segmentation", {}),
        "exit_codes": live.exit_codes,
    }


def judge(recording: Recording, live: LiveRun, card: ModelCard) -> LiveScore:
    """What the node `evaluate` would have made of the run, had it listened.

    Labels that mean something else than the model's classes are left aside.
    """
    classes = _classes(recording, card)
    own = class_set_of(card.classes)
    if own is None:
        raise ParameterError(f"{card.name}: its classes are none of ours: its masks cannot be judged")
    score = LiveScore(card, classes or own)
    for name, status in live.log["diagnostics"].items():
        score.status(name.rpartition(": ")[2], status["values"])
    frames = ((stamp, 0, picture) for stamp, picture in recording.frames())
    labels = ((stamp, 1, label) for stamp, label in recording.truth())
    for stamp, is_label, pixels in heapq.merge(frames, labels, key=lambda item: item[:2]):
        if is_label:
            if classes is not None:
                score.label(stamp, pixels)
            continue
        if stamp in live.sent_ns:
            score.image(stamp, live.sent_ns[stamp], pixels)
        if stamp in live.masks:
            score.mask(stamp, live.arrived_ns[stamp], live.masks[stamp])
    return score


def _classes(recording: Recording, card: ModelCard) -> ClassSet | None:
    """What the bag's labels mean; None where they cannot be compared with the model's masks."""
    try:
        with open_bag(recording.path) as bag:
            topics = perception_topics(bag, images=recording.image_topic, events=recording.events_topic)
            classes = label_classes(bag, topics, card.classes)
        CommonClasses(card, classes)
    except ParameterError:
        return None
    return classes


def masks_as_text(summary: dict[str, Any]) -> list[str]:
    """The summary for people."""
    latency = summary["latency_ms"]
    lines = [
        f"bag           {summary['bag']} ({summary['image_topic']}, {summary['events_topic']})",
        f"model         {summary['model']}",
        f"frames in     {summary['frames_in']}",
        f"masks out     {summary['masks_out']}",
        f"drops         {', '.join(f'{n} {cause}' for cause, n in summary['drops'].items()) or 'none'}",
    ]
    if latency["p50"] is not None:
        lines.append(
            f"latency       p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms (frame sent to mask received)"
        )
    if summary["miou"] is not None:
        lines.append(f"mIoU          {summary['miou']:.3f} against the scene's own labels")
    if summary["scene_known"] is not None:
        lines.append(f"scene known   {summary['scene_known']:.2f} of its pixels, at the end")
        if summary["scene_known"] < UNKNOWN_BELOW:
            lines.append(f"              {warning(summary['model'], summary['scene_known'])}")
    return lines


def _draw(
    recording: Recording,
    stamps: list[int],
    live: LiveRun,
    card: ModelCard,
    latency_ms: dict[int, float],
    folder: Path,
) -> None:
    """Some frames, events, masks and truth side by side."""
    from halsie_ros.demo.pictures import Shot, animation, contact_sheet

    step = max(1, -(-len(stamps) // MOST_ANIMATED))
    chosen = set(stamps[::step])
    truth = {stamp: label for stamp, label in recording.truth() if stamp in chosen}
    windows = recording.windows([stamp // 1000 for stamp in sorted(chosen)], EVENT_WINDOW_US)
    size = _event_size(live)
    shots = []
    for stamp, frame in recording.frames():
        if stamp not in chosen:
            continue
        chosen.discard(stamp)
        drawn = draw_events(next(windows), *(size or frame.shape[:2]))
        note = f"mask after {latency_ms[stamp]:.0f} ms" if stamp in latency_ms else "no mask"
        shots.append(Shot((stamp - stamps[0]) / 1e9, frame, drawn, live.masks.get(stamp), truth.get(stamp), note))
    rows = [shots[index] for index in np.unique(np.linspace(0, len(shots) - 1, SHEET_ROWS + 1).round().astype(int))[1:]]
    contact_sheet(rows or shots, card, f"halsie_ros: {recording.path.name}, model {card.name}", folder / "sheet.png")
    period_ms = (stamps[-1] - stamps[0]) / 1e6 / max(len(stamps) - 1, 1)
    animation(shots, card, folder / "animation.gif", max(20, round(step * period_ms)))


def _event_size(live: LiveRun) -> tuple[int, int] | None:
    """Rows and columns of the event sensor, from the node's diagnostics."""
    values: dict[str, Any] = _diagnostics(live, "events")
    height, width = int(values.get("height", 0)), int(values.get("width", 0))
    return (height, width) if height and width else None


def _diagnostics(live: LiveRun, part: str) -> dict[str, Any]:
    """The values of a node's last status whose name ends with `part`; empty where none came."""
    found = (status["values"] for name, status in live.log["diagnostics"].items() if name.endswith(part))
    return next(found, {})
