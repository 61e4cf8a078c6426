"""The camera's motion is found exactly, whatever moves besides, and a still camera changes nothing."""

import numpy as np
import pytest

from halsie_ros.action.camera_motion import without_camera

ROWS, COLUMNS = 24, 32
U, V = np.linspace(-1, 1, COLUMNS), np.linspace(-1, 1, ROWS)[:, None]


def field_of(model):
    return np.stack([m[0] + m[1] * U + m[2] * V for m in np.asarray(model)]).astype(np.float32)


def person(field, velocity):
    """Someone over a fifth of the picture who moves by `velocity` besides."""
    moved = field.copy()
    moved[:, 4:20, 8:18] += np.asarray(velocity, np.float32)[:, None, None]
    return moved


MODELS = {
    "pan": [[0.6, 0, 0], [-0.2, 0, 0]],
    "zoom": [[0, 0.4, 0], [0, 0, 0.4]],
    "roll": [[0, 0, 0.5], [0, -0.4, 0]],
    "all together": [[-0.5, 0.3, 0.2], [0.3, -0.15, 0.25]],
}


@pytest.mark.parametrize("name", MODELS)
def test_the_cameras_map_is_found_exactly_and_what_a_person_does_remains(name):
    velocity = (0.9, -0.7)
    rest, share, model = without_camera(person(field_of(MODELS[name]), velocity))
    np.testing.assert_allclose(model, MODELS[name], atol=1e-5)
    np.testing.assert_allclose(rest, person(np.zeros((2, ROWS, COLUMNS), np.float32), velocity), atol=1e-5)
    assert share == pytest.approx(1 - 160 / 768)


def test_a_third_of_random_vectors_does_not_move_the_map():
    random = np.random.default_rng(3)
    field = field_of(MODELS["all together"])
    wild = random.random((ROWS, COLUMNS)) < 0.33
    field[:, wild] = random.normal(0, 1.5, (2, int(wild.sum())))
    _, share, model = without_camera(field)
    np.testing.assert_allclose(model, MODELS["all together"], atol=0.02)
    assert 0.6 < share < 0.75


def test_a_still_camera_leaves_every_bit_whatever_a_large_person_does():
    field = np.zeros((2, ROWS, COLUMNS), np.float32)
    field[:, 2:23, 5:22] = np.random.default_rng(0).normal(0, 1, (2, 21, 17))  # nearly half of the picture
    rest, share, model = without_camera(field)
    assert rest is field and not model.any() and share == pytest.approx(1 - 357 / 768, abs=0.02)


def test_vectors_of_quarter_pixels_give_the_map_to_their_own_precision():
    pixel = 30 / 224 / 4  # a quarter of a pixel at 30 Hz and 224 pixels, in widths a second
    field = np.round(person(field_of(MODELS["all together"]), (0.9, -0.7)) / pixel) * pixel
    _, share, model = without_camera(field.astype(np.float32))
    np.testing.assert_allclose(model, MODELS["all together"], atol=0.01)
    assert share > 0.7
