"""Faults of an event camera: hot pixels and lines, floods, lamps; and no alarm on ordinary motion."""

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.segmentation.event_faults import FLOOD_PER_PIXEL_S, EventFaults
from halsie_ros.segmentation.mirrored import Mirrored
from halsie_ros.simulation.miniatures import take_scene
from halsie_ros.simulation.street.scene import demo_seed

HEIGHT, WIDTH = 120, 160
STEP_US = 50_000


def noise(rng, first_us, rate):
    count = rng.poisson(rate * STEP_US / 1e6)
    t_us = np.sort(rng.integers(first_us + 1, first_us + STEP_US + 1, count))
    return Events.of(rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count), t_us, rng.integers(0, 2, count))


def joined(*parts):
    fields = [np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "t_us", "polarity")]
    order = np.argsort(fields[2], kind="stable")
    return Events.of(*(field[order] for field in fields))


def at(x, y, first_us, count):
    """`count` events in a step, at one pixel or at one of several each."""
    t_us = np.linspace(first_us + 1, first_us + STEP_US, count).astype(np.int64)
    x, y = np.broadcast_to(x, count), np.broadcast_to(y, count)
    return Events.of(x, y, t_us, np.arange(count) % 2)


def run(make, steps, faults=None):
    """The faults after steps of `make(rng, first_us)`, and what the last step kept."""
    rng = np.random.default_rng(3)
    faults = faults or EventFaults()
    kept = Events.empty()
    for number in range(steps):
        first_us = 1_000_000 + number * STEP_US
        kept = faults.clean(make(rng, first_us), (HEIGHT, WIDTH), first_us, first_us + STEP_US)
    return faults, kept


def test_hot_pixels_are_left_out_after_a_second_and_come_back_when_they_cool(rate=40_000):
    def hot(rng, first_us):
        return joined(
            noise(rng, first_us, rate), at(7, 9, first_us, 50), at(8, 9, first_us, 30), at(0, 119, first_us, 20)
        )

    faults, kept = run(hot, 19)
    assert faults.hot_pixels == 0 and (faults.word, faults.left_out) == ("", 0)
    faults, kept = run(hot, 21)
    assert faults.hot_pixels == 3 and faults.left_out == 2 * 100  # of the step that ends the second, and the next
    assert not ((kept.x == 7) & (kept.y == 9)).any() and len(kept) > 1500
    faults, kept = run(lambda rng, first_us: noise(rng, first_us, rate), 30, faults)
    assert faults.hot_pixels == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_hot_lines_are_left_out(axis):
    def hot(rng, first_us):
        along = rng.integers(0, (WIDTH, HEIGHT)[axis], 3000)
        line = at(*((along, 60) if axis == 0 else (80, along)), first_us, 3000)
        return joined(noise(rng, first_us, 100_000), line)

    faults, kept = run(hot, 21)
    assert faults.hot_pixels == (WIDTH, HEIGHT)[axis]
    assert not ((kept.y == 60) if axis == 0 else (kept.x == 80)).any()


def test_a_flood_is_named_and_its_end(monkeypatch):
    flood = 1.2 * FLOOD_PER_PIXEL_S * HEIGHT * WIDTH
    faults, _ = run(lambda rng, first_us: noise(rng, first_us, flood), 11)
    assert faults.word == "flood" and faults.flooded and "Mevents/s" in faults.reason
    faults, _ = run(lambda rng, first_us: noise(rng, first_us, 40_000), 12, faults)
    assert faults.word == ""


@pytest.mark.parametrize("hz", [100, 120])
def test_lamps_on_the_mains_are_named(hz):
    def flicker(rng, first_us):
        events = noise(rng, first_us, 400_000)
        bright = rng.random(len(events)) < (1 + np.cos(2 * np.pi * hz * events.t_us / 1e6)) / 2
        return Events(events.x[bright], events.y[bright], events.t_us[bright], events.polarity[bright])

    faults, _ = run(flicker, 11)
    assert faults.word == "flicker" and f"at {hz} Hz" in faults.reason and not faults.flooded


def test_a_drive_raises_no_alarm_and_tells_which_way_round_the_events_are():
    take = take_scene(demo_seed(1), 2.2, 346, 260)
    faults, right, wrong = EventFaults(), Mirrored(), Mirrored()
    for frame, begin_us, end_us in zip(take.frames[1:], take.t_us.tolist(), take.t_us[1:].tolist()):
        first, last = np.searchsorted(take.events.t_us, [begin_us, end_us])
        fields = (getattr(take.events, name)[first:last] for name in ("x", "y", "t_us", "polarity"))
        events = faults.clean(Events(*fields), (260, 346), begin_us, end_us)
        assert faults.word == ""
        right.look(frame, events, (260, 346))
        wrong.look(np.rot90(frame, 2), events, (260, 346))
    assert right.how == "" and wrong.how == "rolled by half a turn"
