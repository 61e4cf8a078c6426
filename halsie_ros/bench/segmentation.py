"""`halsie bench segmentation`: one step at 640x480, one thread, against DeepLabV3+-MobileNetV2 in the same run.

The pipeline's rows time the whole `SegmentationPipeline.step` as a node calls it: a frame of a generated street and the
events since the one before go in, mask and confidence come out. The peer's row there has its graph, which resizes its
scores to full size, and an argmax. The rows of steps time the graphs alone, on both sides.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halsie_ros.bench.harness import Row, median_seconds, row_of_times
from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.inference.session import input_names, input_shape, open_session, output_names
from halsie_ros.kernels import njit
from halsie_ros.segmentation.pipeline import SegmentationPipeline
from halsie_ros.simulation.recording import record_scene
from halsie_ros.simulation.street.scene import demo_seed

DEFAULT_MODEL = "halsie_street"
PEER = "deeplabv3plus_mobilenetv2_480x640.onnx"
PEER_NAME = "DeepLabV3+-MobileNetV2"
HEIGHT, WIDTH = 480, 640
EVENTS = 50_000
"""In the window of the step that is timed."""
_EVENTS_PER_PIXEL = 0.05
"""Mean count of a grid cell for the graphs alone (our choice; dense kernels hardly care)."""


@dataclass(frozen=True, eq=False)
class StreetStep:
    """Two frames of a generated street by day and the events between them, and the frame before with its events."""

    before: np.ndarray
    frame: np.ndarray
    noisy: np.ndarray
    earlier: Events
    events: Events
    times_us: tuple[int, int, int]

    @classmethod
    def make(cls, height: int, width: int, count: int = EVENTS) -> StreetStep:
        """Renders it; of the last window's events `count` are kept, evenly over time and place."""
        _, one, two = record_scene(demo_seed(0), 0.1, "day", width, height, frame_rate_hz=20.0)
        random = np.random.default_rng(0)
        found = two.events.between(one.t_us, two.t_us)
        kept = np.sort(random.permutation(len(found))[:count])
        noise = random.normal(0.0, 40.0, two.frame.shape)
        noisy = np.clip(two.frame + noise, 0, 255).astype(np.uint8)
        return cls(one.frame, two.frame, noisy, one.events, found[kept], (0, one.t_us, two.t_us))


def cases(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the whole step, with a frame, from events alone and with a noisy frame; and of the graphs alone."""
    peer = _peer(args.peers) if args.peers else None
    card = ModelCard.load(find_model(args.model or DEFAULT_MODEL))
    pipeline, street = SegmentationPipeline(card), StreetStep.make(HEIGHT, WIDTH)
    noisy = {"frames", "events"} <= set(card.inputs)
    steps = pipeline_runs(pipeline, street)
    runs = [*(steps if noisy else steps[:2]), *([lambda: _argmax(peer()[0])] if peer else [])]
    seconds = median_seconds(*runs)
    peer_s, name = (seconds[-1], PEER_NAME) if peer else (None, None)
    note = f"{card.name}; whole step, {len(street.events)} events of a street"
    beside = "; peer with its resize and argmax" if peer else ""
    for case, ours_s, what in zip(
        ("pipeline_640x480", "pipeline_events_640x480", "pipeline_noisy_640x480"),
        seconds[: len(steps) if noisy else 2],
        ("with a good frame", "no frame", "with a noisy frame, restored"),
    ):
        yield row_of_times(f"segmentation/{case}", ours_s, name, peer_s, note=f"{note}, {what}{beside}")
    frame, step = graph_runs(card, HEIGHT, WIDTH)
    seconds = median_seconds(lambda: (frame(), step()), step, *([peer] if peer else []))
    peer_s = seconds[2] if peer else None
    for case, ours_s, what in (
        ("step_640x480", seconds[0], "frame and step"),
        ("event_step_640x480", seconds[1], "step"),
    ):
        yield row_of_times(f"segmentation/{case}", ours_s, name, peer_s, note=f"{card.name}; graphs alone, {what}")


def pipeline_runs(pipeline: SegmentationPipeline, street: StreetStep) -> list[Callable[[], object]]:
    """Functions that run the step with a good frame, without one, and with a noisy one, each from the same state.

    Raises:
        ParameterError: the good frame was restored or the noisy one was not: the names would lie.
    """
    start, middle, end = street.times_us
    state = pipeline.step(street.before, street.earlier, None, t0_us=start, t1_us=middle).state

    def run(frame: np.ndarray | None) -> float | None:
        return pipeline.step(frame, street.events, state, t0_us=middle, t1_us=end).frame_weight

    good, noisy = run(street.frame), run(street.noisy)
    if good != 1.0 or (noisy == 1.0 and {"frames", "events"} <= set(pipeline.card.inputs)):
        raise ParameterError(f"bench: weight of the good frame {good}, of the noisy one {noisy}: wanted 1 and below")
    return [lambda: run(street.frame), lambda: run(None), lambda: run(street.noisy)]


def graph_runs(card: ModelCard, height: int, width: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Functions that run the frame graph and the step graph once, on random inputs of the given size."""
    sizes = {"height": height, "width": width}
    random = np.random.default_rng(0)
    frame, step = (open_session(card.graph(role), sizes=sizes) for role in ("frame", "step"))
    image = {"image": random.random((1, 3, height, width), np.float32)}
    feed = {name: np.zeros(input_shape(step, name, sizes), np.float32) for name in input_names(step)}
    for name in feed:
        if name.startswith("events"):
            feed[name] += random.poisson(_EVENTS_PER_PIXEL, feed[name].shape).astype(np.float32)
    feed["dt_us"] += card.bins * card.bin_us
    feed["frame_valid"] += 1
    feed |= dict(zip(output_names(frame), frame.run(None, image)))
    return (lambda: frame.run(None, image)), (lambda: step.run(None, feed))


def _peer(folder: Path) -> Callable[[], list[np.ndarray]]:
    path = folder / PEER
    if not path.is_file():
        raise ParameterError(f"--peers {folder}: no {PEER} there; give the folder with the peers' graphs")
    session = open_session(path)
    feed = {name: np.random.default_rng(0).random((1, 3, HEIGHT, WIDTH), np.float32) for name in input_names(session)}
    return lambda: session.run(None, feed)


@njit()
def _argmax(scores: np.ndarray) -> np.ndarray:
    """Class ids of ``(1, C, H, W)`` scores, in one pass: numpy takes ten times as long."""
    _, classes, height, width = scores.shape
    mask = np.zeros((height, width), np.uint8)
    best = np.empty(width, np.float32)
    for y in range(height):
        best[:] = scores[0, 0, y]
        for c in range(1, classes):
            for x in range(width):
                more = scores[0, c, y, x] > best[x]
                mask[y, x] = c if more else mask[y, x]
                best[x] = scores[0, c, y, x] if more else best[x]
    return mask
