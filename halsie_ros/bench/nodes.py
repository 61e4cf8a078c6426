"""`halsie bench nodes`: what nodes do with a stream, from message bytes to the published mask.

The first row needs no ROS: the event path, in CPU time. The others run the segmentation node as a process of its own,
on this machine's ROS, with a replay and a recorder beside it: a generated street driven to and fro, its events thinned
or thickened to a rate. Their times are of the wall clock: how many processors are free decides as much as the package.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.bags.builders.common import EVENTS_TOPIC, IMAGE_TOPIC, START_US, EventTopic, write_image
from halsie_ros.bags.writer import BagWriter
from halsie_ros.bench.events import EventPath, path_seconds
from halsie_ros.bench.harness import Row
from halsie_ros.demo.live import LiveRun, NodeCommand, run_live
from halsie_ros.events import Events
from halsie_ros.simulation.recording import Moment, record_scene
from halsie_ros.simulation.street.scene import demo_seed

DEFAULT_MODEL = "halsie_scene"
_ROOM_S = 1.0
"""Of street that is rendered; longer drives go to and fro in it."""


@dataclass(frozen=True)
class Load:
    """What a node gets: pictures of a size at a rate, events at a rate, and its parameters."""

    name: str
    width: int
    height: int
    frame_rate_hz: float
    events_per_s: float
    duration_s: float = 4.0
    parameters: dict[str, Any] = field(default_factory=dict)


LOADS = (
    Load("640x480_30hz_2M", 640, 480, 30.0, 2e6),
    Load("640x480_30hz_4M", 640, 480, 30.0, 4e6),
    Load("640x480_20hz_2M", 640, 480, 20.0, 2e6),
    Load("640x480_20hz_4M", 640, 480, 20.0, 4e6),
    Load("346x260_masks_100hz", 346, 260, 25.0, 1e6, parameters={"mask_rate_hz": 100.0}),
    Load("640x480_20hz_20M", 640, 480, 20.0, 20e6, duration_s=2.0),
)


def cases(args: argparse.Namespace) -> Iterator[Row]:
    """The event path at 2 Mevents/s, then a few rows for each load."""
    packet_us, packets, rate = 1000, 1000, 2e6
    path = EventPath(packet_us=packet_us, model=args.model or DEFAULT_MODEL)
    seconds = path_seconds(path, rate, packet_us=packet_us, packets=packets, runs=5)
    share = seconds / (packets * packet_us / 1e6)
    note = f"CPU time from message bytes to the grid (first layer's currents), 640x480: {share:.3f} of a core"
    yield Row("nodes/events_2M_per_s", "Mevents/s", rate / share / 1e6, note=note)
    if importlib.util.find_spec("rclpy") is None:
        print("halsie bench: no module rclpy, so no node is run: source ROS 2, or use ./halsie", file=sys.stderr)
        return
    for load in LOADS:
        yield from _live(load, args.model or DEFAULT_MODEL)


def _live(load: Load, model: str) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="halsie-bench-") as folder:
        bag = Path(folder) / load.name
        stamps = build(load, bag)
        node = NodeCommand(
            "segmentation",
            remap={"image": IMAGE_TOPIC, "events": EVENTS_TOPIC},
            parameters={"model": model, **load.parameters},
        )
        run = run_live(bag, [node], wait_for=[IMAGE_TOPIC, EVENTS_TOPIC])
    yield from rows(load, stamps, run)


def rows(load: Load, stamps: list[int], run: LiveRun) -> Iterator[Row]:
    """What one run shows: frames answered, latency, what a mask costs, memory."""
    statuses = run.log["diagnostics"].items()
    values: dict[str, Any] = next((status["values"] for name, status in statuses if name.endswith("segmentation")), {})
    answered = [stamp for stamp in stamps if stamp in run.masks]
    drops = ", ".join(f"{number} {cause}" for cause, number in run.drops().items()) or "no drops counted"
    case = f"nodes/{load.name}"
    yield Row(f"{case}/answered", "of frames", len(answered) / len(stamps), note=f"{len(stamps)} frames; {drops}")
    if load.parameters.get("mask_rate_hz"):
        rate = len(run.masks) / load.duration_s
        yield Row(f"{case}/masks", "masks/s", rate, note=f"{load.parameters['mask_rate_hz']:g} asked for")
    timed = [stamp for stamp in answered if stamp in run.sent_ns and stamp in run.arrived_ns]
    latencies = [(run.arrived_ns[stamp] - run.sent_ns[stamp]) / 1e6 for stamp in timed]
    if latencies:
        p50, p95 = np.percentile(latencies, [50, 95])
        yield Row(f"{case}/latency_p50", "ms", float(p50), note="frame sent to mask received")
        yield Row(f"{case}/latency_p95", "ms", float(p95), note="the same")
    step_ms, work_ms = (float(values.get(name, "nan")) for name in ("step_cpu_ms", "worker_cpu_ms"))
    yield Row(
        f"{case}/step_cpu", "ms", step_ms, note="SegmentationPipeline.step, CPU time, median of steps with a frame"
    )
    yield Row(f"{case}/overhead_cpu", "ms", work_ms - step_ms, note="what the node's worker does beyond it, likewise")
    cpu_s, peak_mb = run.usage.get("segmentation", (float("nan"), float("nan")))
    yield Row(f"{case}/cpu", "of a core", cpu_s / load.duration_s, note="of the whole node while the bag was replayed")
    yield Row(f"{case}/memory", "MB", peak_mb, note="peak resident set of the node")


def build(load: Load, bag: Path) -> list[int]:
    """Writes a load's bag; gives the frames' stamps, ns."""
    period_us = round(1e6 / load.frame_rate_hz)
    room = list(record_scene(demo_seed(0), _ROOM_S, "day", load.width, load.height, frame_rate_hz=load.frame_rate_hz))
    random = np.random.default_rng(0)
    stamps = []
    with BagWriter(bag, "mcap") as writer:
        topic = EventTopic(writer, "evt3", load.width, load.height)
        for number, (frame, events) in enumerate(to_and_fro(room, int(load.duration_s * load.frame_rate_hz))):
            t_us = START_US + number * period_us
            wanted = round(load.events_per_s * period_us / 1e6)
            if number:
                topic.push(
                    at_rate(events, wanted, period_us, (load.height, load.width), random).shifted(t_us), t_us + 1
                )
            write_image(writer, IMAGE_TOPIC, frame, t_us)
            stamps.append(t_us * 1000)
        topic.finish()
    return stamps


def to_and_fro(room: list[Moment], count: int) -> Iterator[tuple[np.ndarray, Events]]:
    """So many frames with the events that led to each, times relative to the frame, at or below 0: the room forwards,
    then backwards (light that grew shrinks then), and so on."""
    last = len(room) - 1
    for number in range(count):
        place = (number - 1) % (2 * last) + 1 if number else 0
        if place <= last:
            moment = room[place]
            yield moment.frame, moment.events.shifted(-moment.t_us)
            continue
        after, before = room[2 * last - place + 1], room[2 * last - place]
        events = after.events[::-1]
        yield before.frame, Events.of(events.x, events.y, before.t_us - events.t_us, ~events.polarity)


def at_rate(events: Events, count: int, period_us: int, size: tuple[int, int], random: np.random.Generator) -> Events:
    """So many events of a period before 0: some of the given ones, or all and copies a pixel and a little time away."""
    if not len(events):
        return events
    chosen = random.permutation(len(events))[:count]
    more = random.integers(0, len(events), max(count - len(events), 0))
    index = np.concatenate([chosen, more])
    shift = np.zeros((3, len(index)), np.int64)
    shift[:, len(chosen) :] = random.integers(-1, 2, (3, len(more))) * [[1], [1], [period_us // 20]]
    x = np.clip(events.x[index] + shift[0], 0, size[1] - 1)
    y = np.clip(events.y[index] + shift[1], 0, size[0] - 1)
    t = np.clip(events.t_us[index] + shift[2], 1 - period_us, 0)
    order = np.argsort(t, kind="stable")
    return Events.of(x[order], y[order], t[order], events.polarity[index][order])
