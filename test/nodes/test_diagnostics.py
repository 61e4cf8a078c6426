from halsie_ros.nodes import diagnostics
from halsie_ros.nodes.diagnostics import Statistics


def test_rates_cover_the_time_since_they_were_last_asked():
    now = [10.0]
    statistics = Statistics(clock=lambda: now[0])
    for _ in range(4):
        statistics.count(units=50)
    now[0] = 12.0
    assert statistics.rates() == (2.0, 100.0)
    now[0] = 13.0
    assert statistics.rates() == (0.0, 0.0)
    assert (statistics.total, statistics.units, statistics.age_s()) == (4, 200, 3.0)


def test_age_is_unknown_before_the_first_message():
    assert Statistics().age_s() is None


def test_percentiles_are_of_the_newest_latencies():
    statistics = Statistics(window=101)
    assert statistics.percentiles_ms() is None
    for value in [1e6, *range(101)]:
        statistics.latency(value)
    assert statistics.percentiles_ms() == (50.0, 95.0)


def test_losses_are_counted_by_cause():
    statistics = Statistics()
    statistics.drop("late")
    statistics.drop("late", 2)
    statistics.drop("bad")
    assert statistics.causes == {"late": 3, "bad": 1}


def test_a_status_holds_strings_only():
    made = diagnostics.status(diagnostics.OK, "events", "fine", {"rate": 1 / 3, "messages": 3, "type": "x"})
    assert [(pair.key, pair.value) for pair in made.values] == [("rate", "0.333"), ("messages", "3"), ("type", "x")]
