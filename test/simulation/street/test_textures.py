"""Textures: tileable, in range, different for every street; the look-ups that read them."""

import numpy as np
import pytest

from halsie_ros.simulation.street.lookup import grey, texel
from halsie_ros.simulation.street.textures import OFFSETS, PLACES, SIZE, make_atlas, noise


def test_noise_tiles_and_is_normalised():
    field = noise(np.random.default_rng(0), 1.5)
    assert abs(field.mean()) < 1e-9 and field.std() == pytest.approx(1)
    inside = np.abs(np.diff(field, axis=1)).mean()
    assert np.abs(field[:, 0] - field[:, -1]).mean() < 1.5 * inside


def test_an_atlas_holds_every_place_with_all_levels():
    atlas = make_atlas(0)
    assert atlas.shape == (sum(len(places) for places in PLACES.values()), OFFSETS[-1] + 1)
    assert OFFSETS.tolist()[:3] == [0, SIZE * SIZE, SIZE * SIZE + SIZE * SIZE // 4]
    assert not np.array_equal(atlas, make_atlas(2))
    assert np.array_equal(atlas, make_atlas(0))


def test_small_levels_keep_the_mean():
    page = make_atlas(4)[PLACES["asphalt"][0]]
    assert abs((page[: SIZE * SIZE] & 255).mean() - (page[OFFSETS[-1]] & 255)) < 3


def test_crowns_do_not_touch_the_edge_of_their_texture():
    atlas = make_atlas(6)
    for place in PLACES["crown"]:
        mask = (atlas[place, : SIZE * SIZE] >> 24).reshape(SIZE, SIZE) > 120
        assert 0.1 < mask.mean() < 0.8
        assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def test_look_ups_meet_texel_centres_and_blend_between_and_wrap():
    atlas = np.zeros((1, OFFSETS[-1] + 1), np.uint32)
    atlas[0, 0], atlas[0, 1] = 255, 51 | 102 << 8 | 153 << 16 | 204 << 24
    at = 1 / SIZE
    assert texel(atlas, OFFSETS, 0, 1.5 * at, 0.5 * at, 0) == pytest.approx((0.2, 0.4, 0.6, 0.8))
    assert texel(atlas, OFFSETS, 0, 1.0 * at, 0.5 * at, 0) == pytest.approx((0.6, 0.2, 0.3, 0.4))
    assert texel(atlas, OFFSETS, 0, 1.5 * at + 3, 0.5 * at - 2, 0) == pytest.approx((0.2, 0.4, 0.6, 0.8))
    assert grey(atlas, OFFSETS, 0, 0.5 * at, 0.0, 0) == pytest.approx(0.6)  # no half texel shift: only for stains
