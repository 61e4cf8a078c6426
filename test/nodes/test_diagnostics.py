from types import SimpleNamespace

from rclpy.logging import get_logger

from halsie_ros.nodes import diagnostics
from halsie_ros.nodes.diagnostics import Announcer, Statistics, stream_level


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


class Heard:
    """A subscription as `stream_level` sees it."""

    problem, topic, publishers = "", "/image", 1

    def __init__(self, complaint=""):
        self.complaint = lambda: complaint


def test_a_stream_whose_every_message_is_refused_is_an_error_with_the_reason_not_silent():
    now = [10.0]
    statistics = Statistics(clock=lambda: now[0])
    assert stream_level(statistics, Heard(), 500.0) == (diagnostics.STALE, "1 publishers, but no message on /image")
    statistics.refuse("bad_image", ValueError("32FC1: send mono8"))
    expected = (diagnostics.ERROR, "every message is refused: 32FC1: send mono8")
    assert stream_level(statistics, Heard(), 500.0) == expected
    statistics.count(accepted=False)
    statistics.refuse("bad_image", ValueError("32FC1: send mono8"))
    assert stream_level(statistics, Heard(), 500.0) == expected
    statistics.count()
    statistics.refuse("bad_image", ValueError("one of many"))
    assert stream_level(statistics, Heard(), 500.0) == (diagnostics.OK, "")
    now[0] = 20.0
    assert stream_level(statistics, Heard(), 500.0) == (diagnostics.STALE, "silent for 10.0 s: /image")


def test_a_stream_that_loses_messages_on_their_way_is_not_well():
    statistics = Statistics()
    statistics.count()
    assert stream_level(statistics, Heard("3 of 4 were lost"), 500.0) == (diagnostics.WARN, "3 of 4 were lost")


def test_a_complaint_reaches_the_log_once_then_every_minute_and_its_end_too():
    said, now = [], [0.0]
    logger = SimpleNamespace(
        **{name: lambda text, n=name: said.append((n, text)) for name in ("error", "warning", "info")}
    )
    announcer = Announcer(logger, lambda: now[0])

    def tell(level, message, name="image"):
        announcer.say(diagnostics.status(level, name, message, {}))
        now[0] += 1.0

    tell(diagnostics.OK, "640x480")
    tell(diagnostics.STALE, "nobody publishes on /image")
    for second in range(70):
        tell(diagnostics.WARN, f"{second} of 9 messages were lost")
    tell(diagnostics.ERROR, "topic /image has type String")
    tell(diagnostics.OK, "640x480")
    for _ in range(6):
        tell(diagnostics.OK, "640x480")
    tell(diagnostics.WARN, "nothing is sure", "action")
    assert said == [
        ("warning", "image: 0 of 9 messages were lost"),
        ("warning", "image: 60 of 9 messages were lost"),
        ("error", "image: topic /image has type String"),
        ("info", "image: well again"),
    ]


def test_one_part_may_be_warned_of_and_then_be_an_error_with_rclpys_own_logger(capfd):
    now = [0.0]
    announcer = Announcer(get_logger("announcer"), lambda: now[0])
    for level in (diagnostics.WARN, diagnostics.ERROR, diagnostics.OK, diagnostics.ERROR):
        announcer.say(diagnostics.status(level, "image", f"level {level[0]}", {}))
        now[0] += 10.0
    assert capfd.readouterr().err.count("image:") == 4
