import numpy as np
import pytest

from halsie_ros.action.motion_statistics import SIZE, statistics


def run(steps=8, cells=4, column=5, direction=0, strength=1.0, jump=0):
    maps = np.zeros((steps, 10, 24, 32), np.float32)
    for t in range(steps):
        left = column + jump * (t % 2)
        for channel in (direction, 8, 9):
            maps[t, channel, 6 : 6 + cells, left : left + cells] = strength
    return maps


def test_where_it_happens_does_not_matter():
    np.testing.assert_allclose(statistics(run(column=4)), statistics(run(column=20)), atol=1e-4)


def test_how_much_moves_does():
    little, much = statistics(run(strength=0.5)), statistics(run(strength=1.0))
    assert much[0] - little[0] == pytest.approx(np.log(2), abs=0.05)  # log of the mean speed


def test_sudden_and_steady_motion_are_told_apart():
    assert statistics(run(jump=0))[-1] == 0
    assert statistics(run(jump=8))[-1] > 1.5


def test_opposite_directions_share_an_axis():
    np.testing.assert_allclose(statistics(run(direction=1)), statistics(run(direction=5)), atol=1e-5)
    assert np.abs(statistics(run(direction=1)) - statistics(run(direction=3))).max() > 0.5


@pytest.mark.parametrize("steps", [1, 2, 30])
def test_any_number_of_steps_gives_finite_values(steps):
    made = statistics(run(steps))
    assert made.shape == (SIZE,) and made.dtype == np.float32 and np.isfinite(made).all()


def test_stillness_is_zero():
    assert not statistics(np.zeros((3, 10, 24, 32), np.float32)).any()
