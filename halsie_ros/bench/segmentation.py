"""Time of one segmentation step at 640x480, one thread, against DeepLabV3+-MobileNetV2 in the same run.

A step with a frame counts what a noisy frame costs: its restoration by events, frame graph and step graph.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from halsie_ros.bench.harness import Row, median_seconds, row_of_times
from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.inference.session import input_names, input_shape, open_session, output_names
from halsie_ros.segmentation.agreement import CONTRAST, GAMMA
from halsie_ros.segmentation.restoration import Restored, carry, restore

DEFAULT_MODEL = "halsie_scene"
PEER = "deeplabv3plus_mobilenetv2_480x640.onnx"
HEIGHT, WIDTH = 480, 640
EVENTS_PER_PIXEL = 0.05
"""Mean count of a grid cell: about 150,000 events in 50 ms, a busy street (our choice; dense kernels hardly care)."""


def cases(args: argparse.Namespace) -> Iterator[Row]:
    """Rows `segmentation/step_640x480` (frame and step graph) and `segmentation/event_step_640x480` (step graph)."""
    card = ModelCard.load(find_model(args.model or DEFAULT_MODEL))
    frame, step = graph_runs(card, HEIGHT, WIDTH)
    restored = _restoration(HEIGHT, WIDTH) if {"frames", "events"} <= set(card.inputs) else lambda: None
    runs: list[Callable[[], object]] = [lambda: (restored(), frame(), step()), step]
    peer = _peer(args.peers) if args.peers else None
    seconds = median_seconds(*runs, *([peer] if peer else []))
    peer_s = seconds[2] if peer else None
    name = "DeepLabV3+-MobileNetV2" if peer else None
    for case, ours_s, what in (
        ("segmentation/step_640x480", seconds[0], "restoration of a noisy frame, frame and step graph"),
        ("segmentation/event_step_640x480", seconds[1], "step graph alone"),
    ):
        yield row_of_times(case, ours_s, name, peer_s, note=f"{card.name}; {what}, CPU time of one thread")


def graph_runs(card: ModelCard, height: int, width: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Functions that run the frame graph and the step graph once, on random inputs of the given size."""
    sizes = {"height": height, "width": width}
    random = np.random.default_rng(0)
    frame, step = (open_session(card.graph(role), sizes=sizes) for role in ("frame", "step"))
    image = {"image": random.random((1, 3, height, width), np.float32)}
    feed = {name: np.zeros(input_shape(step, name, sizes), np.float32) for name in input_names(step)}
    for name in feed:
        if name.startswith("events"):
            feed[name] += random.poisson(EVENTS_PER_PIXEL, feed[name].shape).astype(np.float32)
    feed["dt_us"] += card.bins * card.bin_us
    feed["frame_valid"] += 1
    feed |= dict(zip(output_names(frame), frame.run(None, image)))
    return (lambda: frame.run(None, image)), (lambda: step.run(None, feed))


def _restoration(height: int, width: int) -> Callable[[], Restored]:
    """Restores a noisy frame from the one before and the events since. It follows them, or they were not believed."""
    random = np.random.default_rng(0)
    frame, noise = random.integers(60, 160, (2, height, width, 3), np.uint8)
    count = int(EVENTS_PER_PIXEL * 10 * height * width)
    columns, rows = random.integers(0, width, count), random.integers(0, height, count)
    events = Events.of(columns, rows, np.arange(count), random.integers(0, 2, count))
    change = np.zeros((height, width, 1))
    np.add.at(change, (rows, columns), np.where(events.polarity, 1.0, -1.0)[:, None])
    after = (frame * np.exp(CONTRAST / GAMMA * change) * 0.8 + noise * 0.2).astype(np.uint8)
    before = restore(frame, None, 0)
    return lambda: restore(after, carry(before, events), 50_000)


def _peer(folder: Path) -> Callable[[], object]:
    path = folder / PEER
    if not path.is_file():
        raise ParameterError(f"--peers {folder}: no {PEER} there; give the folder with the peers' graphs")
    session = open_session(path)
    feed = {name: np.random.default_rng(0).random((1, 3, HEIGHT, WIDTH), np.float32) for name in input_names(session)}
    return lambda: session.run(None, feed)
