"""What arrival tells where stamps do not."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.events.windows import EventRing
from halsie_ros.segmentation.arrivals import FrameTimes, Lag
from halsie_ros.segmentation.synchronizer import Synchronizer, Timing


def test_the_lag_is_the_least_of_the_last_seconds():
    lag = Lag()
    for k in range(20):
        lag.observe(k * 100_000, k * 0.1 + 0.02 + (0.5 if k % 3 else 0.0))
    assert lag.value_us == 20_000
    for k in range(20, 80):
        lag.observe(k * 100_000, k * 0.1 + 0.05)
    assert lag.value_us == 50_000
    assert Lag().value_us is None


def test_a_frame_that_comes_twice_is_a_duplicate_and_one_that_comes_again_and_again_has_no_stamp():
    times = FrameTimes()
    assert [times.time_us(stamp, 70 + k) for k, stamp in enumerate((1000, 2000, 2000, 3000))] == [1, 2, None, 3]
    assert [times.time_us(5000, 80 + k) for k in range(5)] == [5, None, None, 83, 84]
    assert times.standing
    assert times.time_us(6000, 90) == 90
    assert [times.time_us(7000 + 1000 * k, 91) for k in range(10)][-1] == 16
    assert not times.standing


def run(frame_stamp, shift_us=0, seconds=4, latency_s=0.0):
    """Frames at 25 Hz and events at 100 Hz; what the steps got."""
    sync = Synchronizer(Timing(), EventRing)
    steps, start_us = [], 1_700_000_000_000_000
    for k in range(100 * seconds):
        now_s = 100 + k / 100
        t_us = start_us + k * 10_000 + shift_us
        events = Events.of(np.zeros(10), np.zeros(10), t_us - 9_000 + np.arange(10) * 1000, np.ones(10))
        sync.push_events(events, now_s)
        if k % 4 == 0:
            sync.push_frame(k, frame_stamp(start_us + k * 10_000 - round(latency_s * 1e6)) * 1000, now_s)
        while (choice := sync.choose(now_s)) is not None:
            steps.append(sync.cut(choice, now_s))
    return sync, steps


@pytest.mark.parametrize("stamp", [lambda t: 0, lambda t: 12345, lambda t: t // 1_000_000 * 1_000_000])
def test_frames_whose_stamps_do_not_advance_are_taken_at_their_arrival(stamp):
    sync, steps = run(stamp)
    assert sync.standing_stamps
    settled = [step for step in steps[10:] if step.frame is not None]
    assert len(settled) > 80
    assert all(len(step.events) == 40 and not step.late and not step.fresh for step in settled)
    assert {step.stamp_ns // 1000 for step in settled} <= {
        stamp(1_700_000_000_000_000 + k * 10_000) for k in range(400)
    }


@pytest.mark.parametrize("shift_ms", [-900, -300, -80, 0, 300, 900])
def test_the_offset_between_the_senses_is_a_number(shift_ms):
    sync, steps = run(lambda t: t, shift_ms * 1000)
    assert sync.offset_us == shift_ms * 1000
    assert not sync.standing_stamps
    used = sum(len(step.events) for step in steps[30:])
    assert (used == 0) == (shift_ms < -100)
    assert (sync.lost_events > 0) == (shift_ms < -100)
    assert (sync.late_events > 0) == (-100 < shift_ms < 0)


def test_a_slow_camera_looks_like_events_ahead():
    sync, _ = run(lambda t: t, latency_s=0.08)
    assert sync.offset_us == 80_000
