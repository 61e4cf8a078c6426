"""Pauses in time."""

from __future__ import annotations

import pytest

from halsie_ros.video.timeline import Timeline


def pauses(times, interval=0):
    line = Timeline(interval)
    found = []
    for time in times:
        line.push(time)
        found.append(line.pause)
    return found


def test_even_steps_have_no_pause():
    assert pauses(range(0, 400, 40)) == [0] * 10


def test_a_missing_picture_shows_as_a_pause():
    assert pauses([0, 40, 80, 160, 200]) == [0, 0, 0, 1, 0]


def test_many_missing_pictures_are_counted():
    assert pauses([0, 40, 80, 320, 360]) == [0, 0, 0, 5, 0]


def test_a_loss_right_at_the_start_shows_when_the_interval_is_known():
    assert pauses([0, 80, 120], interval=40) == [0, 1, 0]


def test_a_loss_right_at_the_start_shows_one_step_later_when_it_is_not():
    assert pauses([0, 80, 120]) == [0, 0, 1]


def test_rounded_steps_are_even():
    assert pauses([0, 33, 67, 100, 133, 167, 200]) == [0] * 7


def test_time_that_runs_back_is_a_pause():
    assert pauses([0, 40, 80, 40]) == [0, 0, 0, 1]


def test_frequent_losses_do_not_become_usual():
    times = [0, 1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16]
    assert [t for t, p in zip(times, pauses(times)) if p] == [4, 7, 10, 13, 16]


def test_uneven_cameras_are_not_taken_for_losses():
    times = [0]
    for step in [30, 44, 55, 38, 47, 33, 58, 41, 52, 36, 45, 57, 31, 49]:
        times.append(times[-1] + step)
    assert sum(p > 0 for p in pauses(times)[8:]) == 0


@pytest.mark.parametrize(("times", "settled"), [([5], False), ([5, 6], True), ([0, 40], False), ([0, 40, 80], True)])
def test_a_stream_is_settled_when_a_first_loss_would_show(times, settled):
    line = Timeline()
    for time in times:
        line.push(time)
    assert line.settled is settled
