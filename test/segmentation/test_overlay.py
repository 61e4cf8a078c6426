"""Pictures of masks and events, by hand-computed pixels."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.events import Events
from halsie_ros.segmentation.overlay import NEUTRAL, OFF, ON, colorize, draw_events, overlay

PALETTE = np.array([[10, 20, 30], [200, 100, 50]], np.uint8)


def test_ids_take_their_colours_and_ignored_pixels_are_black():
    picture = colorize(np.array([[0, 1, 255]], np.uint8), PALETTE)
    assert picture.tolist() == [[[10, 20, 30], [200, 100, 50], [0, 0, 0]]]


def test_an_overlay_mixes_by_alpha_and_leaves_ignored_pixels_alone():
    frame = np.array([[100, 100, 100]], np.uint8)
    picture = overlay(frame, np.array([[0, 1, 255]], np.uint8), PALETTE, 0.5)
    assert picture.tolist() == [[[55, 60, 65], [150, 100, 75], [100, 100, 100]]]
    assert overlay(frame, np.array([[0, 1, 1]], np.uint8), PALETTE, 0.0).tolist() == [[[100] * 3] * 3]
    assert overlay(frame, np.array([[0, 0, 0]], np.uint8), PALETTE, 1.0).tolist() == [[[10, 20, 30]] * 3]


def test_sizes_that_differ_are_named():
    with pytest.raises(ParameterError, match=r"frame is \(2, 2\), mask \(1, 2\)"):
        overlay(np.zeros((2, 2, 3), np.uint8), np.zeros((1, 2), np.uint8), PALETTE)


def test_the_last_event_of_a_pixel_gives_its_colour_and_others_stay_outside():
    events = Events.of([0, 0, 1, 9], [0, 0, 1, 0], [1, 2, 3, 4], [1, 0, 1, 1])
    picture = draw_events(events, 2, 2)
    assert [tuple(p) for p in picture.reshape(-1, 3).tolist()] == [OFF, NEUTRAL, NEUTRAL, ON]
