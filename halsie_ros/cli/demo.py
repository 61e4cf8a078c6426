"""`halsie demo`: the real nodes on a generated street, or on a bag, and pictures of what they published."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.demo.actions import actions_as_text, show_actions
from halsie_ros.demo.live import LiveRun, NodeCommand, run_live
from halsie_ros.errors import HalsieError, ParameterError
from halsie_ros.files import refuse_unwritable, write_atomically, write_json
from halsie_ros.segmentation.familiarity import UNKNOWN_BELOW, warning

OUTPUT = Path("demo")
DURATION_S = 5.0
LIGHTS = ("day", "dusk", "night")
SHEET_ROWS = 5
MOST_ANIMATED = 60
EVENT_WINDOW_US = 33_000
_PICTURES = (".png", ".gif")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the verb's arguments."""
    parser.add_argument("--bag", type=Path, help="a bag with an image and an event topic, instead of the street")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another street; none was ever trained on")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the demo; returns 0 when every frame was answered or accounted for."""
    missing = [name for name in ("rclpy", "PIL") if importlib.util.find_spec(name) is None]
    if missing:
        raise HalsieError(f"the demo needs ROS 2 and Pillow (no module {missing[0]}): run it as ./halsie demo")
    if args.seed < 0:
        raise ParameterError(f"--seed {args.seed}: give 0 or more")
    refuse_unwritable(OUTPUT / "summary.json")
    bag = args.bag or _build_street(args.seed)
    from halsie_ros.bags.recording import Recording

    recording = Recording(bag)
    stamps = recording.frame_stamps()
    if not stamps:
        raise HalsieError(f"{bag}: {recording.image_topic} holds no frame")
    nodes = [NodeCommand("segmentation", remap={"image": recording.image_topic, "events": recording.events_topic})]
    topics = [recording.image_topic, recording.events_topic]
    if recording.packets_topic is not None:
        nodes.append(NodeCommand("action", remap={"packets": recording.packets_topic}))
        topics.append(recording.packets_topic)
    names = " and ".join(node.name for node in nodes)
    _say(f"replaying {bag} over DDS into the real nodes, {names} ({len(stamps)} frames) …")
    live = run_live(bag, nodes, wait_for=topics)
    OUTPUT.mkdir(exist_ok=True)
    summary = _show(recording, stamps, live)
    if recording.packets_topic is not None:
        summary["action"] = show_actions(recording, live, OUTPUT / "actions.png")
    write_atomically(OUTPUT / "summary.txt", (_as_text(summary) + "\n").encode())
    write_json(str(OUTPUT / "summary.json"), summary)
    if args.json != "-":
        print(_as_text(summary))
        print(f"pictures: {', '.join(str(path) for path in sorted(OUTPUT.glob('*.*')) if path.suffix in _PICTURES)}")
    write_json(args.json, summary)
    fault = _fault(summary)
    if fault:
        _say(fault)
    return int(bool(fault))


def _fault(summary: dict[str, Any]) -> str:
    """Why the run was no success, in one line; "" where every frame was answered or accounted for."""
    failed = {name: code for name, code in summary["exit_codes"].items() if code}
    if failed:
        return f"nodes ended badly: {', '.join(f'{name} with code {code}' for name, code in failed.items())}"
    lost = summary["frames_in"] - summary["masks_out"] - sum(summary["drops"].values())
    if not summary["masks_out"]:
        return f"none of {summary['frames_in']} frames was answered: see drops in {OUTPUT / 'summary.txt'}"
    if lost > 0:
        return f"{lost} of {summary['frames_in']} frames were neither answered nor counted as dropped"
    return ""


def _say(text: str) -> None:
    print(f"halsie demo: {text}", file=sys.stderr, flush=True)


def _build_street(seed: int) -> Path:
    """The street's bag in demo/; the same seed is not made twice."""
    from halsie_ros.cli.main import build_parser

    light = LIGHTS[seed % len(LIGHTS)]
    bag = OUTPUT / f"street_{seed}_{light}"
    if not (bag / "metadata.yaml").exists():
        _say(f"driving {DURATION_S:g} s through street {seed} ({light}) …")
        start = time.monotonic()
        command = ["bag", "build", "scene", str(bag), "--seed", str(seed), "--light", light, "--person"]
        importlib.import_module("halsie_ros.bags.builders.scene").build(
            build_parser("bag").parse_args([*command, "--duration", str(DURATION_S)])
        )
        _say(f"{bag} made in {time.monotonic() - start:.0f} s")
    return bag


def _show(recording: Any, stamps: list[int], live: LiveRun) -> dict[str, Any]:
    """Scores what came and draws it; returns the summary."""
    from halsie_ros.demo.pictures import Shot, animation, contact_sheet
    from halsie_ros.evaluation.metrics import confusion, scores
    from halsie_ros.inference.cards import ModelCard, find_model
    from halsie_ros.segmentation.overlay import draw_events

    card = ModelCard.load(find_model(_diagnostics(live, "segmentation")["model"]))
    classes = len(card.classes)
    counts = np.zeros((classes, classes), np.int64)
    truth = dict(recording.truth())
    scored = 0
    for stamp, mask in live.masks.items():
        if stamp in truth and truth[stamp].shape == mask.shape:
            counts += confusion(mask, truth[stamp], classes)
            scored += 1
    step = max(1, -(-len(stamps) // MOST_ANIMATED))
    chosen = set(stamps[::step])
    windows = recording.windows([stamp // 1000 for stamp in sorted(chosen)], EVENT_WINDOW_US)
    shots = []
    size = _event_size(live)
    for stamp, frame in recording.frames():
        if stamp not in chosen:
            continue
        chosen.discard(stamp)
        drawn = draw_events(next(windows), *(size or frame.shape[:2]))
        latency = live.latency_ms.get(stamp)
        note = "no mask" if latency is None else f"mask after {latency:.0f} ms"
        shots.append(Shot((stamp - stamps[0]) / 1e9, frame, drawn, live.masks.get(stamp), truth.get(stamp), note))
    rows = [shots[index] for index in np.unique(np.linspace(0, len(shots) - 1, SHEET_ROWS + 1).round().astype(int))[1:]]
    contact_sheet(rows or shots, card, f"halsie_ros: {recording.path.name}, model {card.name}", OUTPUT / "sheet.png")
    period_ms = (stamps[-1] - stamps[0]) / 1e6 / max(len(stamps) - 1, 1)
    animation(shots, card, OUTPUT / "animation.gif", max(20, round(step * period_ms)))
    return _summary(recording, stamps, live, float(scores(counts).miou) if scored else None)


def _event_size(live: LiveRun) -> tuple[int, int] | None:
    """Rows and columns of the event sensor, from the node's diagnostics."""
    values: dict[str, Any] = _diagnostics(live, "events")
    height, width = int(values.get("height", 0)), int(values.get("width", 0))
    return (height, width) if height and width else None


def _diagnostics(live: LiveRun, part: str) -> dict[str, Any]:
    """The values of a node's last status whose name ends with `part`; empty where none came."""
    found = (status["values"] for name, status in live.log["diagnostics"].items() if name.endswith(part))
    return next(found, {})


def _summary(recording: Any, stamps: list[int], live: LiveRun, miou: float | None) -> dict[str, Any]:
    answered = [stamp for stamp in set(stamps) if stamp in live.masks]
    latencies = [live.latency_ms[stamp] for stamp in answered if stamp in live.latency_ms]
    p50, p95 = np.percentile(latencies, [50, 95]).tolist() if latencies else (None, None)
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
        "latency_ms": {"p50": p50, "p95": p95},
        "drops": drops,
        "miou": miou,
        "model": _diagnostics(live, "segmentation")["model"],
        "scene_known": float(known) if known is not None else None,
        "frame_ids": live.log["frame_ids"],
        "labels": live.log["label_info"].get("segmentation", {}),
        "exit_codes": live.exit_codes,
    }


def _as_text(summary: dict[str, Any]) -> str:
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
    if "action" in summary:
        lines.append(actions_as_text(summary["action"]))
    lines.append(f"exit codes    {', '.join(f'{name} {code}' for name, code in summary['exit_codes'].items())}")
    return "\n".join(lines)
