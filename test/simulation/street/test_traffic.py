"""Movers: smooth in time, apart from each other, the leader ahead."""

import numpy as np
import pytest

from halsie_ros.simulation.street.layout import Layout
from halsie_ros.simulation.street.path import CameraPath, StreetLine
from halsie_ros.simulation.street.traffic import Stream, Traffic


def traffic(seed):
    path = CameraPath(seed, StreetLine(seed), 1.5)
    return Traffic(Layout(seed), path), path


def test_a_stream_moves_at_its_speed_and_keeps_distance():
    stream = Stream(np.random.default_rng(0), d_m=2.0, speed_m_s=-8.0, gap_m=20.0, spread_d_m=0.1)
    before, after = stream.movers(3.0, 0.0, 500.0), stream.movers(3.25, -2.0, 498.0)
    assert [mover.number for mover in before] == [mover.number for mover in after]
    for one, other in zip(before, after):
        assert other.s_m - one.s_m == pytest.approx(-2.0) and other.d_m == one.d_m and one.direction == -1
    # Places shift by at most 0.3 of the gap to either side: 8 m remain.
    assert np.diff([mover.s_m for mover in before]).min() > 0.4 * 20.0 - 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_vehicles_ahead_in_the_cameras_lane_are_never_hit(seed):
    moving, path = traffic(seed)
    for t_s in np.arange(0, 20, 0.5):
        leaders = [
            mover.s_m - path.s(t_s) for mover in moving.vehicles(t_s, 150.0) if mover.speed_m_s == path.speed_m_s
        ]
        assert all(gap > 7.5 for gap in leaders)


def test_people_cross_only_ahead_of_the_camera():
    crossings = 0
    for seed in range(12):
        moving, path = traffic(seed)
        for t_s in np.arange(0, 20, 1.0):
            for mover, ground_m in moving.walkers(t_s, 90.0):
                if mover.direction == 0 and mover.speed_m_s:
                    crossings += 1
                    assert mover.s_m > path.s(t_s) + 4
                    assert (ground_m == 0.0) == (abs(mover.d_m) < Layout(seed).road_m)
    assert crossings > 10
