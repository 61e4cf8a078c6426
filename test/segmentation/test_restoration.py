"""Restoration: a good frame passes untouched, a bad one gains from events, and wrong events are not believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.pictures.damage import READ_NOISE, blur
from halsie_ros.pictures.srgb import TO_LIGHT, to_codes, to_luminance
from halsie_ros.segmentation import restoration
from halsie_ros.segmentation.agreement import CONTRAST, Agreement
from halsie_ros.segmentation.restoration import LEAST_WEIGHT, carry, damage, restore
from halsie_ros.simulation.events import EventSimulator

HEIGHT, WIDTH, FRAME_US, SPEED_PX = 96, 160, 40_000, 5


def passing_wall(speed_px):
    """Eight clean frames of a textured wall that passes by, so many pixels a frame, and the events between them."""
    random = np.random.default_rng(0)
    wall = np.full((HEIGHT, WIDTH + 8 * SPEED_PX, 3), 90.0)
    for _ in range(2500):
        top, left, side = random.integers(0, HEIGHT), random.integers(0, wall.shape[1]), random.integers(1, 10)
        wall[top : top + side, left : left + side] = random.integers(50, 200) * random.uniform(0.8, 1.1, 3)
    wall += random.normal(0, 6, wall.shape[:2])[:, :, None]  # surfaces
    sensor = EventSimulator(WIDTH, HEIGHT, seed=1)
    frames, events = [], []
    for step in range(7 * speed_px + 1):
        view = np.rint(wall[:, step : step + WIDTH]).astype(np.uint8)
        events.append(sensor.push(to_luminance(view), FRAME_US + step * FRAME_US // speed_px))
        if step % speed_px == 0:
            frames.append(view)
    return frames, Events.concatenate(events)


@pytest.fixture(scope="module")
def scene():
    return passing_wall(SPEED_PX)


@pytest.fixture(scope="module")
def slow():
    return passing_wall(1)


def run(frames, events, moved=(0, 0)):
    """The restored frames, and the states."""
    known, states = None, []
    for k, frame in enumerate(frames):
        stop = (k + 1) * FRAME_US
        if known is not None:
            now = events.between(known.t_us, stop)
            known = carry(
                known, Events((now.x + moved[0]) % WIDTH, (now.y + moved[1]) % HEIGHT, now.t_us, now.polarity)
            )
        known = restore(frame, known, stop)
        states.append(known)
    return states


def error(state, clean):
    """Mean absolute difference of brightness from the clean frame, codes."""
    return float(np.abs(state.image.mean(0) * 255 - clean.mean(2)).mean())


def in_the_dark(frame, seed):
    light = TO_LIGHT[frame] / 32
    return to_codes(light + np.random.default_rng(seed).standard_normal(light.shape).astype(np.float32) * READ_NOISE)


def dimmed(frame):
    return to_codes(TO_LIGHT[frame] / 32)


def test_good_frames_pass_as_they_are(scene):
    frames, events = scene
    for frame, state in zip(frames, run(frames, events)):
        assert np.array_equal(np.rint(state.image * 255).astype(np.uint8), frame.transpose(2, 0, 1))
        assert state.weight == 1


def test_noisy_frames_lose_noise_and_keep_edges(scene):
    frames, events = scene
    noisy = [in_the_dark(frame, k) for k, frame in enumerate(frames)]
    state, clean = run(noisy, events)[-1], dimmed(frames[-1])
    assert state.weight == pytest.approx(LEAST_WEIGHT, abs=0.05)
    assert error(state, clean) < 0.8 * np.abs(noisy[-1].mean(2) - clean.mean(2)).mean()


def test_blurred_frames_get_sharper(scene):
    frames, events = scene
    blurred = [blur(frame, np.array([1.0, 0.0])) for frame in frames]
    state = run(blurred, events)[-1]
    assert state.weight < 0.6
    assert error(state, frames[-1]) < 0.85 * np.abs(blurred[-1].mean(2) - frames[-1].mean(2)).mean()
    assert damage(blurred[-1])[1] == 0  # colours are believed


def test_what_is_coarse_follows_the_frames(scene):
    frames, events = scene
    noisy = [in_the_dark(frame, k) for k, frame in enumerate(frames)]
    wrong = replace(run(noisy[:-1], events)[-1], picture=np.full((3, HEIGHT, WIDTH), 0.5, np.float32))  # gone astray
    wrong = carry(wrong, events.between(wrong.t_us, 8 * FRAME_US))
    state, clean = restore(noisy[-1], wrong, 8 * FRAME_US), dimmed(frames[-1])
    left = (state.image * 255).mean() - clean.mean()
    assert abs(left) < 0.5 * (0.5 * 255 - clean.mean())


@pytest.mark.parametrize(("moved", "believed"), [((0, 0), 1), ((0, 8), 0), ((8, 0), 0), ((17, 9), 0)])
def test_blurred_frames_in_slow_motion_tell_right_events_from_wrong_ones(slow, moved, believed):
    frames, events = slow
    blurred = [blur(frame, np.array([1.0, 1.0])) for frame in frames]
    state = run(blurred, events, moved=moved)[-1]
    assert state.agreement.belief(False) == pytest.approx(believed, abs=0.1)
    assert (state.weight < 0.5) == bool(believed)


def test_a_noisy_frame_gains_most_from_good_ones_before(scene):
    frames, events = scene
    last = dimmed(frames[-1])
    noisy = [in_the_dark(frame, k) for k, frame in enumerate(frames)]
    good_before = [dimmed(frame) for frame in frames[:-1]]
    assert error(run([*good_before, noisy[-1]], events)[-1], last) < error(run(noisy, events)[-1], last)


def test_good_frames_tell_the_sensors_contrast(scene):
    frames, events = scene
    assert run(frames, events)[-1].agreement.contrast == pytest.approx(CONTRAST, rel=0.15)
    twice = Events.concatenate([events, events])  # a sensor of half the threshold fires twice as often
    order = np.argsort(twice.t_us, kind="stable")
    twice = Events(twice.x[order], twice.y[order], twice.t_us[order], twice.polarity[order])
    assert run(frames, twice)[-1].agreement.contrast == pytest.approx(CONTRAST / 2, rel=0.25)


def test_events_in_the_wrong_place_are_found_out_and_restore_nothing(scene):
    frames, events = scene
    right, wrong = run(frames, events)[-1], run(frames, events, moved=(17, 9))[-1]
    assert right.agreement.explained > 0.5 and wrong.agreement.explained < 0.05
    blurred = blur(frames[-1], np.array([1.0, 0.0]))
    after = run([*frames[:-1], blurred], events, moved=(17, 9))[-1]
    assert after.weight == 1 and np.array_equal(np.rint(after.image * 255), blurred.transpose(2, 0, 1))


def test_events_in_the_wrong_place_are_found_out_in_the_dark_too(scene):
    frames, events = scene
    noisy = [in_the_dark(frame, k) for k, frame in enumerate(frames)]
    right, wrong = run(noisy, events)[-1], run(noisy, events, moved=(17, 9))[-1]
    assert right.weight < 0.4 and right.agreement.followed > 0.3
    assert wrong.weight == 1 and wrong.agreement.followed < 0.1


def test_noisy_frames_without_any_event_pass_as_they_are(scene):
    frames, _ = scene
    noisy = [in_the_dark(frame, k) for k, frame in enumerate(frames)]
    assert all(state.weight == 1 for state in run(noisy, Events.empty()))


def test_what_is_known_of_the_events_outlasts_standing_still_and_breaks(scene):
    frames, events = scene
    known, random = run(frames, events, moved=(17, 9))[-1], np.random.default_rng(5)
    good = run(frames, events)[-1]
    few = Events.of(
        random.integers(0, WIDTH, 60), random.integers(0, HEIGHT, 60), np.arange(60), random.random(60) < 0.5
    )
    for _ in range(300):  # grain, and the sensor's own noise
        grain = np.clip(frames[-1] + random.normal(0, 1.5, frames[-1].shape), 0, 255).astype(np.uint8)
        known, good = (restore(grain, carry(one, few), one.t_us + 40_000) for one in (known, good))
    assert good.agreement.explained > 0.5 and good.agreement.belief(False) == 1
    assert known.outdated().agreement.belief(False) == 0
    again = restore(in_the_dark(frames[-1], 0), carry(known.outdated(), few), 10**9)
    assert again.weight == 1 and again.agreement == known.agreement


def test_a_dead_event_camera_loses_its_credit_and_nothing_breaks(scene):
    frames, _ = scene
    known = restore(frames[0], None, 0)
    hot = Events.of([3], [3], [1], [True])
    for k in range(3000):
        known = restore(frames[k % 8], carry(known, hot), (k + 1) * 40_000)
    assert known.agreement.belief(False) == 0 and np.isfinite(known.agreement.contrast)


def test_a_broken_pixel_takes_the_frame_and_teaches_nothing(scene):
    frames, events = scene
    often = np.full(30 * len(frames), 40)
    broken = Events.of(often, often, np.linspace(1, 320_000, len(often)).astype(int), np.ones(len(often), bool))
    both = Events.concatenate([events, broken])
    order = np.argsort(both.t_us, kind="stable")
    both = Events(both.x[order], both.y[order], both.t_us[order], both.polarity[order])
    one, other = run(frames, events)[-1].agreement, run(frames, both)[-1].agreement
    assert one.contrast == pytest.approx(other.contrast, rel=0.02)
    noisy = [in_the_dark(frame, k) for k, frame in enumerate(frames)]
    state = run(noisy, both)[-1]
    assert state.weight < 0.5 and np.allclose(state.image[:, 40, 40] * 255, noisy[-1][40, 40], atol=0.01)


def test_to_begin_with_events_are_believed():
    assert Agreement().belief(True) == Agreement().belief(False) == 1
    assert Agreement().contrast == pytest.approx(CONTRAST)


def test_frames_far_apart_do_not_help_each_other(scene):
    frames, _ = scene
    before = restore(in_the_dark(frames[0], 0), None, 0)
    late = in_the_dark(frames[1], 1)
    for t_us in (600_000, -40_000, 0):
        assert restore(late, before, t_us).weight == 1


def test_the_state_that_goes_in_is_not_touched(scene):
    frames, events = scene
    before = restore(in_the_dark(frames[0], 0), None, 0)
    image, change = before.image.copy(), before.change.copy()
    after = carry(before, events)
    restore(in_the_dark(frames[1], 1), after, 40_000)
    assert np.array_equal(before.image, image) and np.array_equal(before.change, change)
    assert after.change.any() and carry(None, events) is None


def test_a_picture_of_one_colour_is_a_good_one():
    assert damage(np.full((40, 40, 3), 7, np.uint8)) == (0.0, 0.0)
    assert damage(np.zeros((6, 6, 1), np.uint8)) == (0.0, 0.0)


def test_arrays_of_every_layout_share_the_compiled_kernels():
    random = np.random.default_rng(0)
    frame = random.integers(0, 255, (32, 48, 3), dtype=np.uint8)
    before = restore(frame, None, 0)
    known = len(restoration._blend.signatures)
    locked = frame.copy()
    locked.flags.writeable = False
    for layout in (frame, locked, frame[:, :, ::-1], frame[:, ::2]):
        restore(layout, None if layout.shape != frame.shape else before, 10)
    assert len(restoration._blend.signatures) == max(known, 1)


@pytest.mark.parametrize("moved", [0, 8])
def test_a_real_davis_fits_itself_and_teaches_its_contrast(shared_data, moved):
    folder = shared_data / "events" / "rpg_slider_depth"
    image_module = pytest.importorskip("PIL.Image")
    rows = np.loadtxt(folder / "events.txt")
    events = Events.of(rows[:, 1], rows[:, 2], (rows[:, 0] * 1e6).astype(int), rows[:, 3])
    known = None
    for line in (folder / "images.txt").read_text().splitlines()[:5]:
        seconds, name = line.split()
        t_us = int(float(seconds) * 1e6)
        if known is not None:
            now = events.between(known.t_us, t_us)
            known = carry(known, Events((now.x + moved) % 240, now.y, now.t_us, now.polarity))
        known = restore(np.array(image_module.open(folder / name)), known, t_us)
    agreement = known.agreement
    assert (agreement.explained > 0.4) == (moved == 0) and agreement.belief(False) == (moved == 0)
    assert (agreement.contrast > 2 * CONTRAST) == (moved == 0)
