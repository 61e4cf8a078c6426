"""The ring of events: cuts, late and unordered packets, bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.events.windows import EventRing


def at(*times, x: int = 0) -> Events:
    return Events.of(np.full(len(times), x), np.zeros(len(times)), times, np.ones(len(times)))


def test_cut_is_open_on_the_left_and_closed_on_the_right():
    ring = EventRing(16)
    ring.push(at(10, 20, 30))
    assert ring.cut(10, 30).t_us.tolist() == [20, 30]
    assert ring.cut(30, 40).t_us.tolist() == []
    assert ring.cut(40, 5).t_us.tolist() == []


def test_successive_cuts_give_every_event_once_over_many_turns_of_the_ring(random_events):
    ring = EventRing(1000)
    events = random_events(20_000)
    events = Events(events.x, events.y, np.arange(1, 20_001) * 10, events.polarity)
    parts = []
    for stop in range(500, 20_001, 500):
        ring.push(events[stop - 500 : stop])
        parts.append(ring.cut((stop - 500) * 10, stop * 10))
    taken = Events.concatenate(parts)
    for name in Events.__slots__:
        assert np.array_equal(getattr(taken, name), getattr(events, name))
    assert (ring.late, ring.too_late, ring.overflowed, ring.out_of_order) == (0, 0, 0, 0)


def test_packets_out_of_order_within_the_tolerance_give_what_sorting_gives(random_events):
    events = random_events(3000, span_us=300_000)
    rng = np.random.default_rng(2)
    arrival = np.argsort(events.t_us + rng.integers(0, 5000, 3000), kind="stable")
    ring = EventRing(4096, tolerance_us=5000)
    start, parts = -1, []
    for packet in np.array_split(arrival, 100):
        ring.push(events[packet])
        if ring.watermark_us > start:
            parts.append(ring.cut(start, ring.watermark_us))
            start = ring.watermark_us
    parts.append(ring.cut(start, 300_000))
    taken = Events.concatenate(parts)
    assert np.array_equal(taken.t_us, events.t_us)
    assert sorted(zip(taken.t_us, taken.x, taken.y)) == sorted(zip(events.t_us, events.x, events.y))
    assert (ring.late, ring.too_late, ring.overflowed) == (0, 0, 0)
    assert ring.out_of_order > 0


def test_equal_times_keep_their_order_of_arrival():
    ring = EventRing(16)
    ring.push(at(10, 20, x=1))
    ring.push(at(10, 20, x=2))
    assert ring.cut(0, 20).x.tolist() == [1, 2, 1, 2]


def test_late_events_go_to_the_next_window_and_are_counted():
    ring = EventRing(16)
    ring.push(at(10, 20))
    ring.cut(0, 20)
    ring.push(at(15, 25, x=9))
    assert ring.late == 1
    following = ring.cut(20, 30)
    assert (following.t_us.tolist(), following.x.tolist()) == ([21, 25], [9, 9])


def test_events_too_late_for_the_next_window_are_dropped_and_counted():
    ring = EventRing(16, late_us=100)
    ring.cut(0, 1000)
    ring.push(at(899, 900, 1001))
    assert (ring.too_late, ring.late) == (1, 1)
    assert ring.cut(1000, 2000).t_us.tolist() == [1001, 1001]


def test_full_ring_drops_the_oldest_and_counts_those_no_cut_had_taken():
    ring = EventRing(4)
    ring.push(at(1, 2, 3, 4))
    ring.cut(0, 2)
    ring.push(at(5, 6, 7))
    assert len(ring) == 4
    assert ring.overflowed == 1
    assert ring.cut(2, 10).t_us.tolist() == [4, 5, 6, 7]


def test_packet_larger_than_the_ring_leaves_its_newest_events():
    ring = EventRing(4)
    ring.push(at(1, 2))
    ring.push(at(*range(3, 13)))
    assert ring.cut(0, 20).t_us.tolist() == [9, 10, 11, 12]
    assert ring.overflowed == 8


def test_late_packet_into_a_full_ring_drops_by_age_not_by_arrival():
    ring = EventRing(4)
    ring.push(at(10, 20, 30, 40))
    ring.push(at(5, 35))
    assert ring.cut(0, 50).t_us.tolist() == [20, 30, 35, 40]


def test_newest_gives_the_last_events_by_count():
    ring = EventRing(8)
    ring.push(at(*range(6)))
    ring.push(at(*range(6, 11)))
    assert ring.newest(3).t_us.tolist() == [8, 9, 10]
    assert ring.newest(100).t_us.tolist() == list(range(3, 11))


def test_cut_events_do_not_change_when_the_ring_is_overwritten():
    ring = EventRing(4)
    ring.push(at(1, 2, 3, 4))
    taken = ring.cut(0, 4)
    ring.push(at(5, 6, 7, 8))
    assert taken.t_us.tolist() == [1, 2, 3, 4]


def test_watermark_follows_the_newest_time_less_the_tolerance_even_without_events():
    ring = EventRing(8, tolerance_us=100)
    assert ring.watermark_us is None
    ring.push(at(5000))
    assert ring.watermark_us == 4900
    ring.advance(6000)
    assert ring.watermark_us == 5900
    ring.push(at(5500))
    assert ring.watermark_us == 5900


def test_reset_forgets_times_so_that_earlier_ones_are_welcome():
    ring = EventRing(8)
    ring.push(at(1000))
    ring.cut(0, 1000)
    ring.reset()
    ring.push(at(5))
    assert (len(ring), ring.late, ring.watermark_us) == (1, 0, 5)
    assert ring.cut(0, 10).t_us.tolist() == [5]


@pytest.mark.parametrize(("capacity", "keywords"), [(0, {}), (4, {"tolerance_us": -1}), (4, {"late_us": -1})])
def test_sizes_that_cannot_work_are_refused(capacity, keywords):
    with pytest.raises(ParameterError, match=f"event ring of {capacity} events"):
        EventRing(capacity, **keywords)
