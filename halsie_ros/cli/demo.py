"""`halsie demo`: the real nodes on a generated street, or on a bag, and pictures of what they published."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.demo.actions import actions_as_text, show_actions
from halsie_ros.demo.live import NodeCommand, run_live
from halsie_ros.demo.masks import masks_as_text, show_masks
from halsie_ros.errors import HalsieError, ParameterError
from halsie_ros.files import refuse_unwritable, write_atomically, write_json

OUTPUT = Path("demo")
DURATION_S = 5.0
LIGHTS = ("day", "dusk", "night")
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
    summary = show_masks(recording, stamps, live, OUTPUT)
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


def _as_text(summary: dict[str, Any]) -> str:
    lines = masks_as_text(summary)
    if "action" in summary:
        lines.append(actions_as_text(summary["action"]))
    lines.append(f"exit codes    {', '.join(f'{name} {code}' for name, code in summary['exit_codes'].items())}")
    return "\n".join(lines)
