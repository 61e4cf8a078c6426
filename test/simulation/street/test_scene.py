"""The street: exact labels, plausible light, every class, disjoint worlds."""

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.simulation.street.scene import StreetScene, demo_seed, training_seed

SKY, BUILDING, ROAD = 0, 1, 5


def small(seed, light="day"):
    return StreetScene(seed, light, width=96, height=72)


def test_training_and_demo_worlds_are_disjoint():
    assert not {training_seed(n) for n in range(500)} & {demo_seed(n) for n in range(500)}
    with pytest.raises(ParameterError, match="world number -1"):
        demo_seed(-1)


@pytest.mark.parametrize("light", ["day", "dusk", "night"])
def test_a_frame_has_light_everywhere_and_labels_of_the_set(light):
    frame = small(4, light).render(1.5)
    assert frame.radiance.shape == (72, 96, 3) and frame.radiance.dtype == np.float32
    assert np.isfinite(frame.radiance).all() and frame.radiance.min() > 0
    assert frame.labels.shape == (72, 96) and frame.labels.dtype == np.uint8 and frame.labels.max() <= 10


def test_a_view_depends_on_its_time_alone():
    one, other = small(6), small(6)
    for t_s in (0.2, 8.0, 3.0):
        other.render(t_s)
    late, again = one.render(0.2), other.render(0.2)
    assert np.array_equal(late.radiance, again.radiance) and np.array_equal(late.labels, again.labels)


def test_seeds_make_different_streets():
    pictures = [small(seed).render(1.0) for seed in (0, 2, 4)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (pictures[first].labels != pictures[second].labels).mean() > 0.1


def test_every_class_occurs_and_the_road_lies_below_the_sky():
    counts = np.zeros(11, int)
    rows = {SKY: [], ROAD: []}
    for seed in range(6):
        for t_s in (1.0, 4.0):
            labels = small(seed).render(t_s).labels
            counts += np.bincount(labels.ravel(), minlength=11)
            for label in rows:
                rows[label].append(np.nonzero(labels == label)[0])
    assert np.all(counts > 0), counts
    assert np.concatenate(rows[SKY]).mean() + 20 < np.concatenate(rows[ROAD]).mean()


def test_night_is_darker_than_dusk_and_dusk_than_day():
    light = {name: np.median(small(8, name).render(1.0).radiance) for name in ("day", "dusk", "night")}
    assert light["night"] < 0.5 * light["dusk"] < 0.5 * light["day"]


def test_textures_vary_within_every_large_surface():
    frame = StreetScene(10, "day").render(1.0)
    for label in (BUILDING, ROAD):
        values = frame.radiance[frame.labels == label]
        assert len(values) > 1000 and len(np.unique(values.round(5), axis=0)) > 0.5 * len(values)


def test_the_picture_moves_as_far_as_the_scene_says():
    # Most of the picture's change between two looks must vanish when they are one pixel's motion apart.
    scene = small(12)
    first = scene.render(2.0)
    step_s = 1.0 / scene.motion_px_s(2.0)
    near, far = scene.render(2.0 + step_s), scene.render(2.0 + 20 * step_s)
    assert (near.labels != first.labels).mean() < 0.08
    assert (near.labels != first.labels).mean() < (far.labels != first.labels).mean()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((-2,), "seed -2"), ((0, "noon"), "light 'noon': choose one of day, dusk, night"), ((0, "day", 8, 8), "8x8")],
)
def test_impossible_scenes_are_refused(arguments, words):
    with pytest.raises(ParameterError, match=words):
        StreetScene(*arguments)
