"""Pictures met as the end of a simulated motion."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from halsie_ros.classes import IDD_LITE_7
from halsie_ros.datasets.stills.pictures import Picture, Pictures, drives_named, id_table
from halsie_ros.errors import DatasetError, ParameterError


@pytest.fixture
def pictures(tmp_path):
    random = np.random.default_rng(0)
    image = np.kron(random.integers(0, 255, (12, 16, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "x.png")
    Image.fromarray(np.full((48, 64), 3, np.uint8)).save(tmp_path / "y.png")
    return Pictures([Picture("one", "d", tmp_path / "x.png", tmp_path / "y.png")], IDD_LITE_7, id_table({3: 3}))


def test_a_sample_ends_in_the_picture_and_its_label(pictures):
    sample = pictures.sample(0, frames=3)
    assert sample.frames.shape == (3, 48, 64, 3) and len(sample.events) > 100
    np.testing.assert_array_equal(sample.frames[-1], pictures.image(0))
    np.testing.assert_array_equal(sample.labels[-1], pictures.label(0))


def test_evaluation_sees_the_same_motion_every_time_and_training_others(pictures):
    first, again, other = (pictures.sample(0, frames=2, seed=seed) for seed in (None, None, 5))
    np.testing.assert_array_equal(first.events.x, again.events.x)
    assert first.t_us.tolist() == again.t_us.tolist() != other.t_us.tolist()


def test_a_sample_has_frames(pictures):
    with pytest.raises(ParameterError, match="frames 0"):
        pictures.sample(0, frames=0)


def test_drives_are_named_whole_by_their_beginning_or_as_a_share():
    drives = ("a1", "a2", "b1", "b2", "c1")
    assert drives_named(drives, ["b*", "a1"]) == {"a1", "b1", "b2"}
    assert drives_named(drives, ["1/3"]) == {"a2", "c1"}
    assert drives_named(drives, ["0/3"]) | drives_named(drives, ["1/3", "2/3"]) == set(drives)
    for name in ("d", "7/9", "x*"):
        with pytest.raises(DatasetError, match="no drive"):
            drives_named(drives, [name])
