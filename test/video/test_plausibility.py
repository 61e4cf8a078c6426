"""Pictures that do not look like their neighbours."""

from __future__ import annotations

import numpy as np

from halsie_ros.video.plausibility import Plausibility


def smooth(seed: int, level: int = 100) -> np.ndarray:
    """A smooth picture with a little noise, as a camera gives at rest."""
    y, x = np.mgrid[0:160, 0:208]
    rng = np.random.default_rng(seed)
    return (level + 40 * np.sin(x / 25) + 30 * np.cos(y / 31) + rng.normal(0, 1.5, x.shape)).astype(np.uint8)


def blocky(picture: np.ndarray, share: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    offsets = rng.normal(0, 30, (20, 26)) * (rng.random((20, 26)) < share)
    return np.clip(picture + np.kron(offsets, np.ones((8, 8))), 0, 255).astype(np.uint8)


def seen(count: int = 10) -> Plausibility:
    looks = Plausibility()
    assert [looks.check(smooth(i), follows=True) for i in range(count)] == [""] * count
    return looks


def test_blocks_that_stand_out_are_implausible():
    looks = seen()
    assert "block edges stand out" in looks.check(blocky(smooth(20), 0.1), follows=True)
    assert not looks.new_scene


def test_the_picture_after_is_plausible_again():
    looks = seen()
    looks.check(blocky(smooth(20), 0.1), follows=True)
    assert looks.check(smooth(21), follows=False) == ""


def test_a_video_that_is_blocky_throughout_is_plausible():
    looks = Plausibility()
    assert [looks.check(blocky(smooth(i), 0.3), follows=True) for i in range(12)] == [""] * 12


def test_a_picture_that_changes_as_a_whole_is_implausible_and_called_a_new_scene():
    looks = seen()
    assert "changed by" in looks.check(smooth(20, level=160), follows=True)
    assert looks.new_scene


def test_without_the_picture_before_a_change_says_nothing():
    assert seen().check(smooth(20, level=160), follows=False) == ""


def test_a_few_pictures_are_no_ground_for_a_verdict():
    looks = Plausibility()
    looks.check(smooth(0), follows=False)
    assert looks.check(blocky(smooth(1), 0.2), follows=False) == ""


def test_tiny_pictures_and_strong_contrast_stay_within_the_measure():
    checks = np.indices((19, 21)).sum(0) % 2 * 255
    looks = Plausibility()
    for picture in (
        checks.astype(np.uint8),
        checks[:4, :4].astype(np.uint8),
        np.kron(checks, np.ones((8, 8))).astype(np.uint8),
    ):
        assert looks.check(picture, follows=True) == ""
