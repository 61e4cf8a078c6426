"""The node bench: the loads it makes and the rows it reads off a run; never its times."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from halsie_ros.bench import events, nodes
from halsie_ros.cli.bench import NAMES
from halsie_ros.demo.live import LiveRun
from halsie_ros.events import Events
from halsie_ros.simulation.recording import Moment


def room(count=3, period_us=100):
    """Frames that are numbers, and an event for each step: at (number, 0), 10 us before its frame, ON."""
    moments = []
    for k in range(count):
        led = Events.of([k], [0], [k * period_us - 10], [1]) if k else Events.empty()
        moments.append(Moment(k * period_us, np.full((1, 1, 3), k, np.uint8), np.zeros((1, 1), np.uint8), led))
    return moments


def test_a_drive_to_and_fro_takes_back_the_events_that_led_there():
    seen = [
        (int(frame.max()), events.x.tolist(), events.t_us.tolist(), events.polarity.tolist())
        for frame, events in nodes.to_and_fro(room(), 6)
    ]
    assert seen == [
        (0, [], [], []),
        (1, [1], [-10], [True]),
        (2, [2], [-10], [True]),
        (1, [2], [-90], [False]),
        (0, [1], [-90], [False]),
        (1, [1], [-10], [True]),
    ]


@pytest.mark.parametrize("count", [40, 500])
def test_events_are_thinned_or_thickened_to_a_rate_in_their_place_and_time(count):
    random = np.random.default_rng(1)
    times = np.sort(random.integers(-950, -50, 100))
    given = Events.of(random.integers(0, 30, 100), random.integers(0, 20, 100), times, random.integers(0, 2, 100))
    made = nodes.at_rate(given, count, 1000, (20, 30), np.random.default_rng(0))
    assert len(made) == count
    assert (np.diff(made.t_us) >= 0).all() and made.t_us.min() > -1000 and made.t_us.max() <= 0
    far = np.abs(made.x[:, None].astype(int) - given.x) + np.abs(made.y[:, None].astype(int) - given.y)
    assert far.min(1).max() <= 2


def test_rows_tell_frames_answered_latency_overhead_and_memory():
    load = nodes.Load("street", 4, 4, 10.0, 1e6, duration_s=2.0)
    mask = np.zeros((4, 4), np.uint8)
    arrived = {stamp: stamp * 1_000_000 + 10_000_000 * stamp for stamp in (1, 2, 3)}
    sent = {stamp: stamp * 1_000_000 for stamp in (1, 2, 3, 4)}
    run = LiveRun(dict.fromkeys((1, 2, 3), mask), arrived, sent, usage={"segmentation": (1.0, 300.0)})
    values = {"step_cpu_ms": "20.5", "worker_cpu_ms": "22.0", "dropped_superseded": "1"}
    run.log["diagnostics"] = {"segmentation: segmentation": {"values": values}}
    made = {row.case.removeprefix("nodes/street/"): row for row in nodes.rows(load, [1, 2, 3, 4], run)}
    assert made["answered"].ours == 0.75 and "1 superseded" in made["answered"].note
    assert made["latency_p50"].ours == 20 and made["latency_p95"].ours == pytest.approx(29)
    assert made["overhead_cpu"].ours == 1.5 and made["cpu"].ours == 0.5 and made["memory"].ours == 300


def test_without_ros_the_path_of_events_is_timed_all_the_same(monkeypatch, capsys):
    monkeypatch.setattr(nodes.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(events, "median_seconds", lambda *functions, **_: [0.1])
    (row,) = nodes.cases(argparse.Namespace(model=None))
    assert (row.case, row.unit) == ("nodes/events_2M_per_s", "Mevents/s") and row.ours == pytest.approx(20)
    assert "source ROS 2" in capsys.readouterr().err
    assert "nodes" in NAMES
