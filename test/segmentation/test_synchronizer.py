"""Times by hand: frames at 100 ms, 150 ms …; every packet holds one event per millisecond unless a test says so."""

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.events.windows import EventRing
from halsie_ros.segmentation.synchronizer import Synchronizer, Timing

MS = 1000


def make(**timing):
    return Synchronizer(Timing(**timing), lambda: EventRing(10_000))


def packet(first_ms, last_ms):
    """One event per millisecond, from first to last."""
    t_us = np.arange(first_ms, last_ms + 1) * MS
    return Events.of(np.zeros(len(t_us)), np.zeros(len(t_us)), t_us, np.ones(len(t_us), bool))


def frame(sync, ms, now_s):
    sync.push_frame(f"frame {ms}", ms * 1_000_000, now_s)


def step(sync, now_s):
    choice = sync.choose(now_s)
    return None if choice is None else sync.cut(choice, now_s)


def span_ms(made):
    return made.t0_us // MS, made.t1_us // MS


def times_ms(made):
    return list(made.events.t_us // MS)


def test_a_frame_waits_until_the_events_have_passed_it():
    sync = make()
    sync.push_events(packet(91, 99), 0.000)
    frame(sync, 100, 0.001)
    assert step(sync, 0.002) is None
    assert sync.deadline_s(0.002) == pytest.approx(0.021)
    sync.push_events(packet(100, 104), 0.010)
    made = step(sync, 0.010)
    assert (made.frame, made.stamp_ns, made.received_s) == ("frame 100", 100_000_000, 0.001)
    assert span_ms(made) == (50, 100) and made.fresh
    assert times_ms(made) == list(range(91, 101))
    assert made.use_frame and made.use_events


def test_windows_join_without_gap_or_overlap():
    sync = make()
    sync.push_events(packet(91, 120), 0.0)
    frame(sync, 100, 0.0)
    step(sync, 0.0)
    sync.push_events(packet(121, 160), 0.05)
    frame(sync, 150, 0.05)
    made = step(sync, 0.05)
    assert span_ms(made) == (100, 150) and not made.fresh
    assert times_ms(made) == list(range(101, 151))


def test_after_max_wait_a_frame_goes_with_what_is_there_and_late_events_are_counted():
    sync = make()
    sync.push_events(packet(91, 95), 0.000)
    frame(sync, 100, 0.001)
    assert step(sync, 0.0209) is None
    assert times_ms(step(sync, 0.0211)) == list(range(91, 96))
    sync.push_events(packet(98, 150), 0.05)
    assert sync.late_events == 3
    frame(sync, 150, 0.05)
    assert len(step(sync, 0.05).events) == 53  # the late three are in this window


def test_without_events_frames_do_not_wait():
    sync = make()
    frame(sync, 100, 0.0)
    made = step(sync, 0.0)
    assert made.frame == "frame 100" and not made.use_events and len(made.events) == 0


def test_silent_events_are_waited_for_no_longer_and_a_quiet_scene_is_not_silent():
    sync = make(timeout_ms=100)
    sync.push_events(packet(91, 95), 0.0)
    frame(sync, 300, 0.2)
    assert not step(sync, 0.2).use_events
    sync.push_events(Events.empty(), 0.21, stamp_us=320 * MS)
    frame(sync, 310, 0.22)
    made = step(sync, 0.22)
    assert made.use_events and span_ms(made) == (300, 310)


def test_under_overload_the_newest_frame_wins_and_the_others_are_counted():
    sync = make()
    for ms in (100, 110, 120, 130):
        frame(sync, ms, ms / 1e3)
    assert step(sync, 0.131).frame == "frame 130"
    assert step(sync, 0.131) is None
    assert sync.counts["superseded"] == 3


def test_after_an_excused_delay_the_frames_that_queued_up_are_answered_in_turn():
    sync = make()
    sync.excuse()
    for ms in (100, 110, 120, 130):
        frame(sync, ms, ms / 1e3)
    assert [step(sync, 0.131).frame for _ in range(4)] == [f"frame {ms}" for ms in (100, 110, 120, 130)]
    assert step(sync, 0.132) is None  # caught up: the excuse is over
    for ms in (140, 150, 160):
        frame(sync, ms, ms / 1e3)
    assert step(sync, 0.161).frame == "frame 160"
    assert sync.counts == {"superseded": 2}


def drive(step_ms, period_ms=33, frames=90, hiccup=None, excused=False):
    """A camera and a worker that takes `step_ms` a frame, on a clock of whole milliseconds: the synchroniser and for
    each mask when it came, its frame's age then, and its step.

    `hiccup` is (frame, ms): that step takes longer, and may be excused."""
    sync, masks, free_ms, busy = make(), [], 0, None
    for now_ms in range(frames * period_ms):
        now_s = now_ms / 1e3
        sync.push_events(Events.empty(), now_s, stamp_us=now_ms * MS)
        if now_ms % period_ms == 0:
            frame(sync, now_ms, now_s)
        if busy is not None and now_ms >= free_ms:
            if hiccup is not None and free_ms - busy[0] == hiccup[1] and excused:
                sync.excuse()
            else:
                sync.took((free_ms - busy[0]) / 1e3)
            masks.append((free_ms, free_ms - busy[1].stamp_ns // 1_000_000, busy[1]))
            busy = None
        if busy is None and (made := step(sync, now_s)) is not None:
            assert made.stamp_ns // 1_000_000 <= now_ms
            late = hiccup is not None and made.stamp_ns // 1_000_000 == hiccup[0] * period_ms
            free_ms, busy = now_ms + (hiccup[1] if late else step_ms), (now_ms, made)
    return sync, masks


def test_a_worker_that_keeps_up_gets_every_frame_also_after_one_slow_step():
    for hiccup in (None, (40, 80)):
        sync, masks = drive(25, hiccup=hiccup)
        assert len(masks) >= 88 and not sync.counts["superseded"]
        assert not any(made.hurried for _, _, made in masks)
        assert masks[-1][1] <= 26  # caught up


@pytest.mark.parametrize("step_ms", [34, 45, 55, 62])
def test_under_lasting_overload_masks_come_within_two_periods_and_every_loss_is_counted(step_ms):
    sync, masks = drive(step_ms)
    settled = [age for at, age, _ in masks if at > 500]
    assert max(settled) <= 2 * 33 + 2
    assert len(masks) >= 0.45 * 90  # half of the frames, or nearly all where only a little is lacking
    numbers = [made.stamp_ns for _, _, made in masks]
    assert numbers == sorted(set(numbers))
    assert 90 - len(masks) - 3 <= sync.counts["superseded"] <= 90 - len(masks)
    assert sum(made.hurried for _, _, made in masks) > 0


@pytest.mark.parametrize(("step_ms", "lost"), [(20, 0), (32, 6)])
def test_an_excused_delay_costs_no_frame_where_the_worker_catches_up_and_no_lasting_latency_where_not(step_ms, lost):
    sync, masks = drive(step_ms, hiccup=(0, 200), excused=True)
    assert sync.counts["superseded"] <= lost and (lost > 0) == (sync.counts["superseded"] > 0)
    assert max(age for at, age, _ in masks if at > 700) <= 2 * 33 + 2


def test_a_worker_slower_than_two_periods_takes_the_newest_frame_each_time():
    sync, masks = drive(100)
    assert len(masks) >= 0.9 * 90 * 33 / 100
    assert max(age for at, age, _ in masks if at > 500) <= 100 + 33 + 1
    assert sync.counts["superseded"] >= 50


def test_a_frame_that_is_late_is_answered_when_no_next_one_comes():
    sync, _ = drive(50, frames=30)
    last_s = 30 * 33 / 1e3
    frame(sync, 30 * 33, last_s)
    sync.push_events(Events.empty(), last_s, stamp_us=40 * 33 * MS)
    while step(sync, last_s + 0.019) is not None:
        pass
    frame(sync, 31 * 33, last_s + 0.020)
    assert step(sync, last_s + 0.040) is None  # 20 + 50 ms would be more than two periods: the next one is better
    assert sync.deadline_s(last_s + 0.040) <= last_s + 0.020 + 1.26 * 0.033
    assert step(sync, last_s + 0.070).frame == "frame 1023"


def test_two_frames_that_one_packet_completes_are_both_answered():
    sync = make()
    sync.push_events(packet(91, 95), 0.0)
    frame(sync, 100, 0.001)
    frame(sync, 110, 0.002)
    sync.push_events(packet(96, 115), 0.003)
    assert [step(sync, 0.003).frame, step(sync, 0.003).frame] == ["frame 100", "frame 110"]
    assert not sync.counts


def test_a_frame_with_the_stamp_of_the_last_one_is_dropped_and_counted():
    sync = make()
    frame(sync, 100, 0.0)
    frame(sync, 100, 0.0)
    assert step(sync, 0.0) and step(sync, 0.1) is None
    assert sync.counts == {"duplicate_frame": 1}


def test_masks_come_between_frames_at_the_rate_asked_for():
    sync = make(mask_rate_hz=100)
    sync.push_events(packet(91, 101), 0.0)
    frame(sync, 100, 0.0)
    assert step(sync, 0.0).frame
    sync.push_events(packet(102, 125), 0.025)
    made = [step(sync, 0.025), step(sync, 0.025)]
    assert [m.stamp_ns // 1_000_000 for m in made] == [110, 120]
    assert all(m.frame is None and m.use_frame and m.use_events and not m.fresh for m in made)
    assert [len(m.events) for m in made] == [10, 10]
    assert step(sync, 0.025) is None
    assert not sync.counts


def test_a_mask_past_the_expected_frame_waits_for_it():
    sync = make(mask_rate_hz=100)
    for ms in (100, 120):
        sync.push_events(packet(ms - 9, ms + 1), ms / 1e3)
        frame(sync, ms, ms / 1e3)
        while step(sync, ms / 1e3):
            pass
    sync.push_events(packet(122, 141), 0.141)
    assert step(sync, 0.141).stamp_ns == 130_000_000
    assert step(sync, 0.142) is None  # a frame at 140 is expected
    assert sync.deadline_s(0.142) == pytest.approx(0.162)
    frame(sync, 139, 0.150)
    assert step(sync, 0.150).frame == "frame 139"


def test_a_frame_that_events_have_overtaken_gets_no_window_and_is_counted():
    sync = make(mask_rate_hz=100)
    sync.push_events(packet(91, 101), 0.0)
    frame(sync, 100, 0.0)
    step(sync, 0.0)
    sync.push_events(packet(102, 131), 0.03)
    while step(sync, 0.03):
        pass
    frame(sync, 115, 0.04)
    made = step(sync, 0.04)
    assert (
        made.stamp_ns == 115_000_000
        and made.t1_us == 130 * MS
        and made.t0_us == made.t1_us - 1
        and len(made.events) == 0
    )
    sync.push_events(packet(132, 141), 0.05)
    assert step(sync, 0.05) is None  # the next frame may be as late
    assert times_ms(step(sync, 0.071)) == list(range(131, 141))  # the late one took nothing of this window
    assert sync.counts == {"late_frame": 1}


def test_event_steps_are_merged_when_they_fall_behind():
    sync = make(mask_rate_hz=100)
    sync.push_events(packet(91, 101), 0.0)
    frame(sync, 100, 0.0)
    step(sync, 0.0)
    sync.push_events(packet(102, 175), 0.1)
    assert span_ms(step(sync, 0.1)) == (100, 170)
    assert sync.counts == {"merged_step": 6}


def test_without_frames_events_go_on_alone():
    sync = make(timeout_ms=100)
    sync.push_events(packet(91, 101), 0.0)
    frame(sync, 100, 0.0)
    step(sync, 0.0)
    sync.push_events(packet(102, 190), 0.09)
    assert step(sync, 0.09) is None  # a frame may still come
    assert sync.deadline_s(0.09) == pytest.approx(0.1)
    sync.push_events(packet(191, 206), 0.105)
    made = step(sync, 0.105)
    assert made.frame is None and not made.use_frame and made.use_events
    assert span_ms(made) == (156, 206) and made.fresh  # too much has passed since the frame
    sync.push_events(packet(207, 260), 0.16)
    made = step(sync, 0.16)
    assert span_ms(made) == (206, 256) and not made.fresh


def test_events_without_any_frame_start_after_the_timeout():
    sync = make(timeout_ms=100)
    sync.push_events(packet(1, 50), 0.0)
    assert step(sync, 0.05) is None
    assert sync.deadline_s(0.05) == pytest.approx(0.1)
    sync.push_events(packet(51, 101), 0.101)
    made = step(sync, 0.101)
    assert span_ms(made) == (51, 101) and made.fresh and not made.use_frame


@pytest.mark.parametrize("first", ["frame", "events"])
def test_a_jump_backwards_starts_anew_whichever_stream_notices_first(first):
    sync = make()
    sync.push_events(packet(1091, 1105), 0.0)
    frame(sync, 1100, 0.0)
    assert step(sync, 0.0)
    frame(sync, 1120, 0.02)  # still waits for its events when time jumps
    messages = {"frame": lambda: frame(sync, 100, 0.03), "events": lambda: sync.push_events(packet(91, 105), 0.03)}
    messages.pop(first)()
    last_of_old = step(sync, 0.03)
    assert last_of_old.frame == "frame 1120" and not last_of_old.fresh
    messages.popitem()[1]()
    made = step(sync, 0.03)
    assert made.frame == "frame 100" and made.fresh and span_ms(made) == (50, 100)
    assert times_ms(made) == list(range(91, 101))
    assert sync.counts == {"time_jump": 1}


def test_what_the_other_stream_still_sends_from_before_the_jump_stays_there():
    sync = make()
    sync.push_events(packet(1091, 1105), 0.0)
    frame(sync, 1100, 0.0)
    step(sync, 0.0)
    frame(sync, 100, 0.01)  # the frames have jumped
    sync.push_events(packet(1106, 1110), 0.011)  # the events not yet
    assert step(sync, 0.011) is None
    sync.push_events(packet(91, 105), 0.012)
    assert times_ms(step(sync, 0.012)) == list(range(91, 101))
    assert sync.counts == {"time_jump": 1}


def test_jumps_of_one_stream_only_do_not_part_the_two_for_good():
    sync = make(timeout_ms=100)
    sync.push_events(packet(1091, 1105), 0.0)
    frame(sync, 1100, 0.0)
    step(sync, 0.0)
    sync.push_events(packet(991, 1005), 0.01)  # a correction of the events' clock
    for ms in range(20, 220, 20):
        sync.push_events(packet(1000 + ms, 1021 + ms), ms / 1e3)
        frame(sync, 1100 + ms, ms / 1e3)
    while step(sync, 0.225):
        pass
    sync.push_events(packet(1300, 1325), 0.23)
    frame(sync, 1320, 0.23)
    made = step(sync, 0.23)
    assert made.frame == "frame 1320" and times_ms(made)[-1] == 1320


def test_a_gap_longer_than_the_timeout_starts_anew():
    sync = make(timeout_ms=100)
    frame(sync, 100, 0.0)
    step(sync, 0.0)
    frame(sync, 400, 0.3)
    made = step(sync, 0.3)
    assert made.fresh and span_ms(made) == (350, 400)
    assert sync.counts == {"gap": 1}


def test_clocks_that_differ_show_as_skew():
    sync = make()
    assert sync.skew_us is None
    frame(sync, 100, 0.0)
    sync.push_events(packet(5091, 5100), 0.0)
    assert sync.skew_us == 5_000 * MS


def test_a_timeout_within_the_wait_is_refused():
    with pytest.raises(ParameterError, match="timeout_ms is 10: give more than max_wait_ms"):
        Timing(max_wait_ms=20, timeout_ms=10)
