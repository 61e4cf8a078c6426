import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from halsie_ros.evaluation import plots
from halsie_ros.evaluation.report import html
from halsie_ros.evaluation.segmentation import evaluate

pytest.importorskip("PIL")


class Page(HTMLParser):
    """Collects figures by key, the embedded JSON, and everything that a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.figures, self.json, self.fetched, self._key, self._in_json = {}, "", [], None, False
        self.svg = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self._key = attributes.get("data-key")
        self._in_json = attributes.get("id") == "result"
        self.svg += tag == "svg"
        self.fetched += [value for name, value in attributes.items() if name in ("src", "href")]

    def handle_data(self, data):
        if self._key:
            self.figures[self._key] = data
        if self._in_json:
            self.json += data

    def handle_endtag(self, tag):
        self._key, self._in_json = None, False


@pytest.fixture(scope="module")
def made(pipeline, camvid_root):
    result, tally = evaluate(pipeline, "camvid", camvid_root, "val")
    result |= {"drops": {"superseded": 3}, "latency_p95_ms": 41.5}
    return result, Page(html(result, tally.pictures, tally.common.classes))


def test_the_whole_result_lies_in_the_page(made):
    result, page = made
    assert json.loads(page.json) == json.loads(json.dumps(result))


def test_every_figure_shown_equals_the_json(made):
    result, page = made
    units = {"macs": 1e9, "accumulates": 1e9, "parameters": 1e6}
    assert page.figures.keys() >= {"miou", "accuracy", "frames", "ms_per_step", "energy_mj", "latency_p95_ms"}
    for key, text in page.figures.items():
        number = re.match(r"[-\d.]+", text)[0]
        digits = len(number.partition(".")[2])
        assert float(number) == pytest.approx(result[key] / units.get(key, 1), abs=0.51 * 10**-digits)


def test_nothing_is_fetched_from_elsewhere(made):
    _, page = made
    assert page.fetched and all(value.startswith("data:image/png;base64,") for value in page.fetched)
    assert page.svg == 8


def test_names_cannot_break_the_page(made, pipeline, camvid_root):
    result, _ = made
    from halsie_ros.classes import DSEC_11

    page = Page(html(result | {"split": "</script><b>x"}, [], DSEC_11))
    assert json.loads(page.json)["split"] == "</script><b>x"


def test_a_line_has_a_place_for_every_value_and_gaps_for_none():
    text = plots.line("t", "x", "y", [0, 1, 2, 3], [0.0, None, 1.0, 0.5])
    points = re.search(r'points="([^"]*)"', text)[1].split()
    assert len(points) == 3
    heights = [float(point.split(",")[1]) for point in points]
    assert heights[1] < heights[2] < heights[0]


def test_long_lines_keep_their_peaks():
    values = np.zeros(50_000)
    values[31_234] = 7.0
    text = plots.line("t", "x", "y", np.arange(50_000).tolist(), values.tolist())
    points = [float(point.split(",")[1]) for point in re.search(r'points="([^"]*)"', text)[1].split()]
    assert len(points) <= 2000 and min(points) < max(points) - 100


def test_bars_are_as_long_as_their_values():
    text = plots.bars("t", ["a", "b", "c"], [1.0, 0.5, None])
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height', text)]
    assert widths[1] == pytest.approx(widths[0] / 2) and widths[2] == 0


def test_a_histogram_counts_everything():
    text = plots.histogram("t", "ms", [1, 1, 2, 3, 3, 3])
    assert sum(int(count) for count in re.findall(r"<title>(\d+)</title>", text)) == 6


def test_plots_without_values_say_so():
    for text in (
        plots.line("t", "x", "y", [], []),
        plots.histogram("t", "x", []),
        plots.scatter("t", "x", "y", [], []),
    ):
        assert "no values" in text
