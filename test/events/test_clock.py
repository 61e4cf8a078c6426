"""Sensor time to host time: drift, jitter, and the kinds of jumps told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.events.clock import Jump, SensorClock
from halsie_ros.events.messages import EventBatch, EventTopicDecoder, encode_event_packet
from halsie_ros.events.strays import without_strays

HOST0_NS = 1_700_000_000_000_000_000


def stream(seconds: float, *, drift_ppm: float = 0.0, jitter_us: float = 0.0, rate_hz: int = 250, seed: int = 0):
    """Packets as (sensor us, true host us, stamp ns): the latency is never below 0.2 ms."""
    rng = np.random.default_rng(seed)
    for k in range(int(seconds * rate_hz)):
        t_us = 5_000_000 + k * 1_000_000 // rate_hz
        true_us = HOST0_NS // 1000 + (t_us - 5_000_000) * (1 + drift_ppm * 1e-6)
        latency = 200 + rng.exponential(jitter_us) if jitter_us else 200
        yield t_us, true_us, int((true_us + latency) * 1000)


def test_first_offset_is_stamp_minus_sensor_time():
    clock = SensorClock()
    assert clock.to_host_ns(5, stamp_ns=1000) == 1000
    assert clock.to_host_ns(6) == 2000
    assert clock.to_host_ns(np.array([5, 7])).tolist() == [1000, 3000]


@pytest.mark.parametrize("drift_ppm", [-100, 0, 100])
def test_drift_and_jitter_leave_a_small_error_and_order(drift_ppm):
    clock = SensorClock()
    errors, previous = [], -1
    for t_us, true_us, stamp_ns in stream(120, drift_ppm=drift_ppm, jitter_us=1000):
        assert clock.observe(t_us, stamp_ns) is Jump.NONE
        host_us = clock.to_host_ns(t_us) // 1000
        assert host_us > previous
        previous = host_us
        errors.append(host_us - true_us - 200)
    settled = np.abs(errors[len(errors) // 4 :])
    # 120 s of 100 ppm are 12,000 us; the estimate stays within a quarter of a millisecond.
    assert settled.max() < 250
    assert clock.drift_ppm == pytest.approx(drift_ppm, abs=40)


def test_late_first_packet_is_forgiven():
    clock = SensorClock()
    packets = list(stream(5))
    for index, (t_us, _, stamp_ns) in enumerate(packets):
        clock.observe(t_us, stamp_ns + (40_000_000 if index == 0 else 0))
    t_us, true_us, _ = packets[-1]
    assert abs(clock.to_host_ns(t_us) / 1000 - true_us - 200) < 50


def test_stall_of_the_bus_does_not_move_the_clock():
    clock = SensorClock()
    for index, (t_us, true_us, stamp_ns) in enumerate(stream(6)):
        stall = 300_000_000 if 700 <= index < 760 else 0
        assert clock.observe(t_us, stamp_ns + stall) is Jump.NONE
        assert abs(clock.to_host_ns(t_us) / 1000 - true_us - 200) < 50


def test_wrap_of_evt3_time_is_not_seen_by_the_clock():
    decoder, clock = EventTopicDecoder("event_camera_msgs/msg/EventPacket"), SensorClock()
    for k in range(400):
        t_us = 9_000_000 + k * 50_000
        payload = encode_event_packet(
            Events.of([1], [1], [t_us], [1]),
            encoding="evt3",
            width=8,
            height=8,
            stamp_ns=HOST0_NS + k * 50_000_000,
            frame_id="",
            seq=k,
        )
        localized, jump = clock.localize(decoder.push(payload))
        assert jump is Jump.NONE
        assert localized.events.t_us[0] == localized.end_us == HOST0_NS // 1000 + k * 50_000


def observe(clock, pairs):
    return [clock.observe(t_us, HOST0_NS + stamp_us * 1000) for t_us, stamp_us in pairs]


STEADY = [(k * 10_000, k * 10_000) for k in range(300)]


def test_gap_is_told_and_keeps_the_offset():
    clock = SensorClock()
    observe(clock, STEADY)
    offset = clock.offset_us
    assert observe(clock, [(9_000_000, 9_000_000)]) == [Jump.GAP]
    assert clock.offset_us == offset
    assert not Jump.GAP.resets


def test_recording_that_starts_again_is_a_loop():
    clock = SensorClock()
    observe(clock, STEADY)
    assert observe(clock, STEADY[:2]) == [Jump.LOOP, Jump.NONE]
    assert Jump.LOOP.resets


def test_jump_back_to_the_middle_is_no_loop():
    clock = SensorClock()
    observe(clock, STEADY)
    assert observe(clock, STEADY[150:152]) == [Jump.BACKWARD, Jump.NONE]


def test_host_clock_set_back_is_a_backward_jump_and_offsets_start_anew():
    clock = SensorClock()
    observe(clock, STEADY)
    assert observe(clock, [(3_000_000, -7_000_000)]) == [Jump.BACKWARD]
    assert clock.to_host_ns(3_000_000) == HOST0_NS - 7_000_000_000


def test_sensor_that_starts_again_is_a_step():
    clock = SensorClock()
    observe(clock, STEADY)
    assert observe(clock, [(5, 3_010_000)]) == [Jump.STEP]
    assert clock.to_host_ns(5) == HOST0_NS + 3_010_000_000


def test_host_clock_set_forward_is_a_step_once_it_stays():
    clock = SensorClock()
    observe(clock, STEADY)
    jumps = observe(clock, [(t + 3_000_000, s + 63_000_000) for t, s in STEADY[:110]])
    assert [jump for jump in jumps if jump is not Jump.NONE] == [Jump.STEP]
    assert clock.to_host_ns(4_090_000) == HOST0_NS + 64_090_000_000


def batch(times, *, sensor_clock: bool) -> EventBatch:
    events = Events.of(np.zeros(len(times)), np.zeros(len(times)), times, np.ones(len(times)))
    span = (times[0], times[-1]) if times else None
    return EventBatch(events, 50_000_000, "", 4, 4, "x", sensor_clock=sensor_clock, span_us=span)


@pytest.mark.parametrize(
    ("source", "sensor_clock", "expected"),
    [
        ("auto", True, [50_000, 50_010]),
        ("auto", False, [100, 110]),
        ("header", False, [50_000, 50_010]),
        ("header", True, [50_000, 50_010]),
        ("sensor", True, [100, 110]),
    ],
)
def test_source_says_which_times_events_get(source, sensor_clock, expected):
    localized, _ = SensorClock(source).localize(batch([100, 110], sensor_clock=sensor_clock))
    assert localized.events.t_us.tolist() == expected
    assert localized.span_us == tuple(expected)


def test_batch_that_tells_no_time_changes_nothing_and_ends_at_its_stamp():
    told = batch([], sensor_clock=True)
    localized, jump = SensorClock().localize(told)
    assert (len(localized.events), localized.span_us, jump) == (0, None, Jump.NONE)
    assert localized.end_us == told.stamp_ns // 1000


def test_unknown_source_names_the_known_ones():
    with pytest.raises(ParameterError, match="event time source 'gps': one of auto, sensor, header"):
        SensorClock("gps")


def array_batch(times, stamp_us):
    told = batch(list(times), sensor_clock=False)
    return replace(told, stamp_ns=HOST0_NS + stamp_us * 1000)


@pytest.mark.parametrize(
    ("origin_us", "ppm", "kept"),
    [(HOST0_NS // 1000, 0, True), (HOST0_NS // 1000, 50, False), (0, 0, False), (77, -80, False)],
)
def test_stamps_of_events_are_kept_unless_they_are_of_another_clock_or_run_away(origin_us, ppm, kept):
    clock = SensorClock()
    for second in range(3600):
        host_us = second * 1_000_000
        first = round(origin_us + host_us * (1 + ppm * 1e-6))
        found, jump = clock.localize(array_batch(range(first, first + 1000, 10), host_us + 1500))
        assert not jump.resets
        error_us = found.events.t_us[0] - (HOST0_NS // 1000 + host_us)
        assert abs(error_us) < (1 if kept else 25_000)
    if not kept:
        assert abs(error_us) < 2_500, "after an hour"
        assert clock.drifted_us == pytest.approx(-3600 * ppm, abs=500)
    own = SensorClock("sensor")
    assert own.localize(array_batch([5, 6], 0))[0].events.t_us.tolist() == [5, 6]


@pytest.mark.parametrize("shift_us", [999_000, -999_000, 3_600_000_000])
@pytest.mark.parametrize("place", [0, 50, -1])
@pytest.mark.parametrize("sensor_clock", [False, True])
def test_one_stray_event_in_a_message_is_counted_and_starts_nothing_anew(shift_us, place, sensor_clock):
    clock, strays = SensorClock(), 0
    for k in range(100):
        times = HOST0_NS // 1000 + k * 10_000 + np.arange(100) * 100
        if k % 10 == 5:
            times[place] += shift_us
        told = replace(array_batch(times.tolist(), k * 10_000), sensor_clock=sensor_clock)
        found, jump = clock.localize(told)
        assert jump is Jump.NONE
        strays += found.dropped.get("stray_time", 0)
        assert len(found.events) == 100 - (k % 10 == 5)
        assert abs(found.end_us - (HOST0_NS // 1000 + k * 10_000 + 9900)) < 200
    assert strays == 10


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_small_message_that_is_astray_as_a_whole_is_believed_only_when_repeated(count):
    clock, jumps = SensorClock(), []
    for k in range(60):
        astray = 5_000_000 if k == 20 or k >= 40 else 0
        times = 1_000_000 + k * 10_000 - astray + np.arange(count)
        found, jump = clock.localize(replace(array_batch(times.tolist(), k * 10_000), sensor_clock=True))
        jumps.append(jump)
        assert found.dropped.get("stray_time", 0) == (count if k in (20, 40) else 0)
    assert [k for k, jump in enumerate(jumps) if jump.resets] == [41]


@pytest.mark.parametrize("step_s", [1, None])
def test_header_stamps_that_stand_still_or_count_whole_seconds_are_no_jumps(step_s):
    clock = SensorClock()
    for k in range(1000):
        host_us = 300_000 + k * 10_000
        stamp_us = 300_000 if step_s is None else host_us // 1_000_000 * 1_000_000
        assert not clock.observe(5_000_000 + k * 10_000, HOST0_NS + stamp_us * 1000).resets
    assert clock.coarse_stamps
    error_us = clock.to_host_ns(5_000_000 + 9_990_000) // 1000 - (HOST0_NS // 1000 + 300_000 + 9_990_000)
    assert abs(error_us) < 15_000


def test_a_message_that_spans_long_is_no_stray():
    times = np.linspace(0, 3_000_000, 300).astype(np.int64)
    events = Events.of(np.zeros(300), np.zeros(300), times, np.ones(300))
    assert without_strays(events)[1] == 0
    two = Events.of(np.zeros(4), np.zeros(4), [0, 1, 9_000_000, 9_000_001], np.ones(4))
    assert without_strays(two)[1] == 0, "two times, not a slip"


@pytest.mark.parametrize("late_us", [0, 300_000])
def test_a_late_start_or_a_busy_host_moves_no_event_that_has_a_host_stamp_of_its_own(late_us):
    clock, rng = SensorClock(), np.random.default_rng(4)
    for k in range(3000):
        latency = 1500 + rng.exponential(3000) + (late_us if k < 3 else 0) + (80_000 if 1000 <= k < 1100 else 0)
        first = HOST0_NS // 1000 + k * 10_000
        found, jump = clock.localize(array_batch(range(first, first + 1000, 10), round(k * 10_000 + latency)))
        assert found.events.t_us[0] == first and jump is Jump.NONE
