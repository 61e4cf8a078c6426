"""Histograms and time surfaces: hand-computed pixels."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.events.buffer import GridBuffer
from halsie_ros.events.surfaces import histogram, time_surface


def test_histogram_counts_by_polarity_in_its_window():
    events = Events.of([0, 0, 1, 5], [0, 0, 0, 0], [10, 11, 12, 12], [1, 1, 0, 1])
    assert histogram(events, height=1, width=2)[:, 0].tolist() == [[0, 1], [2, 0]]
    assert histogram(events, height=1, width=2, t0_us=10, t1_us=11)[:, 0].tolist() == [[0, 0], [1, 0]]


def test_time_surface_decays_from_the_newest_event_of_a_pixel():
    events = Events.of([0, 0, 1], [0, 0, 0], [0, 50, 100], [1, 1, 0])
    surface = time_surface(events, height=1, width=2, tau_us=50)
    assert np.allclose(surface[:, 0], [[0, 1], [np.exp(-1), 0]])
    later = time_surface(events, height=1, width=2, tau_us=50, t0_us=0, t1_us=150)
    assert np.allclose(later[:, 0], [[0, np.exp(-1)], [np.exp(-2), 0]])


@pytest.mark.parametrize("function", [histogram, time_surface])
def test_no_events_make_zeros_whatever_out_held(function):
    out = np.ones((2, 3, 4), np.float32)
    assert function(Events.empty(), height=3, width=4, out=out) is out
    assert not out.any()


def test_buffer_is_cleared_between_uses():
    buffer = GridBuffer((2, 1, 2))
    first = Events.of([0, 1], [0, 0], [1, 2], [1, 0])
    assert histogram(first, height=1, width=2, out=buffer).sum() == 2
    assert histogram(first[:1], height=1, width=2, out=buffer)[:, 0].tolist() == [[0, 0], [1, 0]]


def test_time_constant_must_be_above_zero():
    with pytest.raises(ParameterError, match="tau_us 0"):
        time_surface(Events.empty(), height=1, width=1, tau_us=0)
