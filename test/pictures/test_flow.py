"""Optical flow: known motions are found, and the pictures between two frames lie on the way."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.pictures.flow import between, optical_flow


def texture(seed=0, height=72, width=96):
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.float32)
    for size in (4, 8, 24):
        coarse = random.uniform(0, 1, (height // size + 2, width // size + 2)).astype(np.float32)
        picture += np.kron(coarse, np.ones((size, size), np.float32))[:height, :width] / 3
    return picture


@pytest.mark.parametrize("shift", [(1, 0), (-3, 2), (7, -5)])
def test_a_shift_is_found(shift):
    before = texture()
    after = np.roll(before, shift[::-1], (0, 1))
    flow = optical_flow(before, after)[16:-16, 16:-16]
    assert np.abs(np.median(flow, (0, 1)) - shift).max() < 0.3
    assert np.quantile(np.hypot(*(flow - shift).reshape(-1, 2).T), 0.8) < 1.0


def test_equal_pictures_do_not_move():
    assert np.abs(optical_flow(texture(), texture())).max() < 1e-3


def test_a_picture_between_lies_half_way_and_the_ends_are_the_pictures():
    before = texture(2)
    after, half = (np.roll(before, columns, 1) for columns in (6, 3))
    flow = optical_flow(before, after)
    middle = between(before, after, flow, 0.5)
    inner = np.s_[12:-12, 16:-16]
    assert np.abs(middle - half)[inner].mean() < 0.35 * np.abs((before + after) / 2 - half)[inner].mean()
    assert between(before, after, flow, 0.0) is before and between(before, after, flow, 1.0) is after


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(8, 9\) and \(8, 8\)"):
        optical_flow(np.zeros((8, 9), np.float32), np.zeros((8, 8), np.float32))
