"""Pictures that do not look like their neighbours."""

from __future__ import annotations

import numpy as np

from halsie_ros.video.plausibility import UNCHECKED, Plausibility


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
    assert "blocks differ" in looks.check(blocky(smooth(20), 0.1), follows=True)


def test_the_picture_after_is_plausible_again():
    looks = seen()
    looks.check(blocky(smooth(20), 0.1), follows=True)
    assert looks.check(smooth(21), follows=False) == ""


def test_a_video_that_is_blocky_throughout_is_plausible():
    looks = Plausibility()
    assert [looks.check(blocky(smooth(i), 0.3), follows=True) for i in range(12)] == [""] * 12


def test_a_part_that_changes_all_at_once_is_implausible():
    picture = smooth(20)
    picture[40:80, 60:120] += 60
    assert "blocks differ" in seen().check(picture, follows=True)


def test_another_scene_is_plausible_where_the_decoder_checks_its_codes_and_not_elsewhere():
    other = smooth(20, level=100)[::-1, ::-1]
    looks, unchecked = seen(), Plausibility(UNCHECKED)
    for i in range(10):
        unchecked.check(smooth(i), follows=True)
    assert looks.check(other, follows=True) == ""
    assert "blocks differ" in unchecked.check(other, follows=True)


def test_a_moving_texture_is_plausible():
    texture = np.kron(np.random.default_rng(4).integers(0, 256, (40, 60)), np.ones((8, 8))).astype(np.uint8)
    looks = Plausibility()
    for i in range(30):
        assert looks.check(np.ascontiguousarray(texture[2 * i : 2 * i + 160, 3 * i : 3 * i + 208]), follows=True) == ""


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
