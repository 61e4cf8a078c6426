"""Calibration error and sureness from counts, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.evaluation.calibration import Reliability


def test_confidence_that_is_right_as_often_as_it_says_has_no_error():
    seen = Reliability()
    seen.add(np.full(10, 204, np.uint8), np.arange(10) < 8)
    assert seen.expected_error() == pytest.approx(0, abs=1e-9)


def test_the_error_is_the_distance_from_the_share_of_right_pixels():
    seen = Reliability()
    seen.add(np.full(10, 255, np.uint8), np.arange(10) < 6)  # 0.4 too sure
    seen.add(np.full(30, 51, np.uint8), np.arange(30) < 9)  # 0.1 too unsure
    assert seen.expected_error() == pytest.approx((10 * 0.4 + 30 * 0.1) / 40)


def test_errors_of_opposite_sign_in_one_bin_cancel_as_the_definition_has_it():
    seen = Reliability()
    seen.add(np.array([170, 170], np.uint8), np.array([True, True]))
    seen.add(np.array([171], np.uint8), np.array([False]))
    assert seen.expected_error() == pytest.approx(0, abs=0.01)


def test_the_share_of_sure_pixels_begins_at_one_half():
    seen = Reliability()
    seen.add(np.array([[127, 128], [0, 255]], np.uint8), np.zeros((2, 2), bool))
    assert seen.sure_share() == 0.5


def test_nothing_seen_is_no_figure():
    assert Reliability().expected_error() is None and Reliability().sure_share() is None
