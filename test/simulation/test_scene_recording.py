"""Recordings: timing, order, reproducibility, events that belong to the motion."""

import itertools

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.simulation.recording import record_scene
from halsie_ros.simulation.street.scene import demo_seed

SMALL = {"width": 64, "height": 48, "max_rate_hz": 100.0}


@pytest.fixture(scope="module")
def moments():
    return list(record_scene(demo_seed(0), 0.4, "day", **SMALL))


def test_frames_come_at_their_rate_with_labels_of_their_size(moments):
    assert [moment.t_us for moment in moments] == [40_000 * index for index in range(11)]
    for moment in moments:
        assert moment.frame.shape == (48, 64, 3) and moment.frame.dtype == np.uint8
        assert moment.labels.shape == (48, 64) and moment.labels.dtype == np.uint8


def test_events_lie_between_their_frames_in_order(moments):
    assert len(moments[0].events) == 0
    for before, after in itertools.pairwise(moments):
        t_us = after.events.t_us
        assert len(t_us) > 0 and t_us[0] > before.t_us and t_us[-1] <= after.t_us
        assert np.all(np.diff(t_us) >= 0)


def test_equal_arguments_give_equal_bits(moments):
    for one, other in zip(moments, record_scene(demo_seed(0), 0.4, "day", **SMALL), strict=True):
        assert np.array_equal(one.frame, other.frame) and np.array_equal(one.labels, other.labels)
        for name in ("x", "y", "t_us", "polarity"):
            assert np.array_equal(getattr(one.events, name), getattr(other.events, name))


def test_events_follow_the_edges_of_the_labels(moments):
    counts = np.zeros((48, 64))
    edges = np.zeros((48, 64), bool)
    for moment in moments[1:]:
        np.add.at(counts, (moment.events.y, moment.events.x), 1)
        edges[:, 1:] |= moment.labels[:, 1:] != moment.labels[:, :-1]
    assert counts[edges].mean() > 1.5 * counts[~edges].mean()


def test_other_rates_and_lights_keep_their_promises():
    moments = list(record_scene(demo_seed(1), 0.1, "night", frame_rate_hz=30.0, **SMALL))
    assert [moment.t_us for moment in moments] == [0, 33_333, 66_667, 100_000]
    assert moments[-1].frame.max() > 60  # lamps or headlights


@pytest.mark.parametrize(
    ("bad", "words"), [({"frame_rate_hz": 0.0}, "frame_rate_hz"), ({"max_motion_px": -1.0}, "-1.0")]
)
def test_impossible_recordings_are_refused(bad, words):
    with pytest.raises(ParameterError, match=words):
        record_scene(0, 1.0, **bad)
