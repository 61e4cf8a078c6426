"""Fixtures of the event tests: real packets, and events of every shape."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.events import Events


@pytest.fixture(scope="session")
def evt3_messages(shared_data):
    """The CDR bytes and times of a real recording's messages: a list of (log_time_ns, payload)."""
    from rosbags.rosbag2 import Reader

    with Reader(shared_data / "events" / "event_camera_bags" / "evt3_640x480") as reader:
        return [(stamp, bytes(data)) for _, stamp, data in reader.messages()]


@pytest.fixture
def random_events():
    """Makes n events sorted by time on a sensor: random_events(n, width, height, span_us, seed, t0_us)."""

    def make(n: int, width: int = 640, height: int = 480, span_us: int = 100_000, seed: int = 0, t0_us: int = 0):
        rng = np.random.default_rng(seed)
        t = np.sort(rng.integers(t0_us, t0_us + span_us, n))
        return Events.of(rng.integers(0, width, n), rng.integers(0, height, n), t, rng.integers(0, 2, n))

    return make
