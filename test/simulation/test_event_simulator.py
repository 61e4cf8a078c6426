"""The event simulator against crossings computed by hand."""

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.simulation.events import EventSimulator

IDEAL = {
    "threshold": 0.2,
    "threshold_spread": 0.0,
    "refractory_us": 0,
    "noise_rate_hz": 0.0,
    "hot_share": 0.0,
    "dark_level": 0.0,
}


def image(*logs):
    """A one-row luminance image of the given natural logs."""
    return np.exp(np.array([logs], np.float32))


def test_the_first_image_only_sets_the_reference():
    assert len(EventSimulator(2, 1, seed=0, **IDEAL).push(image(0.0, 5.0), 0)) == 0


def test_crossing_times_are_interpolated_and_polarity_follows_the_change():
    simulator = EventSimulator(3, 1, seed=0, **IDEAL)
    simulator.push(image(0.0, 0.0, 0.0), 1000)
    # Pixel 0 rises by 0.5 in 1000 us: 0.2 and 0.4 are crossed after 400 and 800 us. Pixel 1 falls by 0.25:
    # -0.2 after 800 us. Pixel 2 moves by less than a threshold.
    events = simulator.push(image(0.5, -0.25, 0.19), 2000)
    assert events.t_us.tolist() == [1400, 1800, 1800]
    assert events.x.tolist() == [0, 0, 1]
    assert events.polarity.tolist() == [True, True, False]


def test_the_rest_of_a_change_counts_towards_the_next_event():
    simulator = EventSimulator(1, 1, seed=0, **IDEAL)
    simulator.push(image(0.0), 0)
    assert len(simulator.push(image(0.15), 100)) == 0
    # 0.15 -> 0.25 over 100 us: 0.2 is crossed half way.
    assert simulator.push(image(0.25), 200).t_us.tolist() == [150]


def test_a_dead_pixel_misses_crossings_and_restarts_from_the_present_level():
    simulator = EventSimulator(1, 1, seed=0, **{**IDEAL, "refractory_us": 300})
    simulator.push(image(0.0), 0)
    # 1.0 in 1000 us. Event at 0.2 (200 us); dead until 500 us, where the level is 0.5; next crossing 0.7 (700 us),
    # dead until 1000 us.
    assert simulator.push(image(1.0), 1000).t_us.tolist() == [200, 700]
    # Reference 1.0 from 1000 us on: 1.2 is crossed at 1200 us of a slope of 0.001 per us.
    assert simulator.push(image(1.3), 1300).t_us.tolist() == [1200]


def test_dark_level_hides_contrast_in_the_dark():
    bright = EventSimulator(1, 1, seed=0, **IDEAL)
    dark = EventSimulator(1, 1, seed=0, **{**IDEAL, "dark_level": 1.0})
    for simulator in (bright, dark):
        simulator.push(np.full((1, 1), 0.01, np.float32), 0)
    assert len(bright.push(np.full((1, 1), 0.02, np.float32), 100)) == 3  # log 2 = 0.69
    assert len(dark.push(np.full((1, 1), 0.02, np.float32), 100)) == 0  # log(1.02 / 1.01) = 0.01


def test_noise_comes_at_its_rate_in_both_polarities_and_inside_the_interval():
    simulator = EventSimulator(100, 100, seed=3, **{**IDEAL, "noise_rate_hz": 1.0})
    still = np.ones((100, 100), np.float32)
    simulator.push(still, 0)
    events = simulator.push(still, 1_000_000)
    assert abs(len(events) - 10_000) < 500  # five standard deviations of a Poisson count
    assert 0.45 < events.polarity.mean() < 0.55
    assert events.t_us.min() > 0 and events.t_us.max() <= 1_000_000
    assert np.all(np.diff(events.t_us) >= 0)


def test_hot_pixels_are_few_and_stay_where_they_are():
    simulator = EventSimulator(100, 100, seed=3, **{**IDEAL, "hot_share": 0.001, "hot_rate_hz": 200.0})
    still = np.ones((100, 100), np.float32)
    simulator.push(still, 0)
    first, second = simulator.push(still, 1_000_000), simulator.push(still, 2_000_000)
    places = {tuple(place) for place in np.stack([first.x, first.y], 1).tolist()}
    assert 2 <= len(places) <= 30
    assert {tuple(place) for place in np.stack([second.x, second.y], 1).tolist()} & places


def test_thresholds_spread_between_pixels():
    simulator = EventSimulator(50, 50, seed=1, **{**IDEAL, "threshold_spread": 0.03})
    simulator.push(np.ones((50, 50), np.float32), 0)
    events = simulator.push(np.full((50, 50), np.exp(0.2), np.float32), 1000)
    assert 0.35 < len(np.unique(events.y.astype(int) * 50 + events.x)) / 2500 < 0.65


def test_reset_and_equal_seeds_repeat_the_stream():
    random = np.random.default_rng(0)
    images = np.exp(random.normal(0, 0.5, (5, 20, 30))).astype(np.float32)
    one, other = EventSimulator(30, 20, seed=7), EventSimulator(30, 20, seed=8)

    def run(simulator):
        parts = [simulator.push(frame, 10_000 * index) for index, frame in enumerate(images)]
        return [(part.t_us.tolist(), part.x.tolist(), part.polarity.tolist()) for part in parts]

    first = run(one)
    one.reset()
    assert run(one) == first
    assert run(other) != first


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"threshold": 0.0}, "threshold 0.0: must be above 0"),
        ({"hot_share": 2.0}, "hot_share 2.0"),
        ({"refractory_us": -1}, "refractory_us -1"),
    ],
)
def test_impossible_sensors_are_refused(bad, words):
    with pytest.raises(ParameterError, match=words):
        EventSimulator(4, 4, seed=0, **{**IDEAL, **bad})


def test_images_of_wrong_size_sign_or_order_are_refused():
    simulator = EventSimulator(2, 1, seed=0, **IDEAL)
    with pytest.raises(ParameterError, match=r"\(3, 3\).*takes \(1, 2\)"):
        simulator.push(np.ones((3, 3), np.float32), 0)
    with pytest.raises(ParameterError, match="not above 0"):
        simulator.push(np.array([[1.0, -1.0]], np.float32), 0)
    simulator.push(image(0.0, 0.0), 100)
    with pytest.raises(ParameterError, match="100 us after one at 100 us"):
        simulator.push(image(0.0, 0.0), 100)
