"""Vehicles: closed enough to be seen from all sides, on their wheels, in their size."""

import numpy as np
import pytest

from halsie_ros.simulation.street.vehicles import make_vehicle


@pytest.mark.parametrize("number", range(30))
def test_a_vehicle_stands_on_the_ground_within_its_size(number):
    shape, size = make_vehicle(1, number)
    corners = np.concatenate([shape.corners[index, : shape.used[index]] for index in range(len(shape.used))])
    assert corners[:, 2].min() == pytest.approx(0, abs=1e-5)
    assert corners[:, 2].max() <= size[2] + 1e-4
    assert np.abs(corners[:, 0]).max() < size[0] / 2 + 0.1 and np.abs(corners[:, 1]).max() < size[1] / 2 + 0.1
    assert set(shape.kind[:, 1].tolist()) == {8}


@pytest.mark.parametrize("number", range(30))
def test_a_vehicle_has_surfaces_towards_every_side(number):
    shape, _ = make_vehicle(1, number)
    for direction in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1)):
        assert (shape.normal @ np.array(direction)).max() > 0.9


def test_numbers_give_other_vehicles_and_streets_other_paint():
    sizes = {tuple(make_vehicle(1, number)[1].round(3)) for number in range(20)}
    assert len(sizes) > 10
    assert not np.array_equal(make_vehicle(1, 0)[0].tint[0], make_vehicle(3, 0)[0].tint[0])
