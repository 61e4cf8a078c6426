"""How well a scene is known, and what is done where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.segmentation.familiarity import SceneWatch, only_sure, scene_known, warning


def test_the_share_of_sure_pixels_is_what_is_known():
    assert scene_known(np.array([[0, 127, 128, 255]], np.uint8)) == 0.5
    assert scene_known(np.empty((0, 4), np.uint8)) == 0


def test_pixels_below_the_wanted_confidence_become_unknown():
    mask, confidence = np.array([3, 4, 5], np.uint8), np.array([50, 102, 255], np.uint8)
    assert only_sure(mask, confidence, 0.4).tolist() == [255, 4, 5]
    assert only_sure(mask, confidence, 0.0) is mask
    assert mask.tolist() == [3, 4, 5]


def test_an_unknown_scene_is_told_once_and_again_after_a_known_one():
    sure, unsure = np.full((4, 4), 200, np.uint8), np.full((4, 4), 20, np.uint8)
    watch = SceneWatch()
    assert not watch.see(sure) and watch.known == 1
    told = [watch.see(unsure) for _ in range(40)]
    assert sum(told) == 1 and 0.1 < np.flatnonzero(told)[0] < 39 and watch.known < 0.3
    assert not any(watch.see(sure) for _ in range(40)) and watch.known > 0.9
    assert sum(watch.see(unsure) for _ in range(40)) == 1


def test_a_single_bad_mask_in_a_known_scene_is_no_news():
    watch = SceneWatch()
    for _ in range(20):
        watch.see(np.full((4, 4), 255, np.uint8))
    assert not watch.see(np.zeros((4, 4), np.uint8)) and watch.known == pytest.approx(14 / 15)


def test_the_warning_names_model_and_value_in_one_line():
    said = warning("halsie_street", 0.125)
    assert "halsie_street" in said and "0.12" in said and "\n" not in said
