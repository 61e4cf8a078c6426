"""The bar: only on a terminal, whole once, and never in the way of an error's line."""

from __future__ import annotations

import io
import sys

import pytest

from halsie_ros.bags.builders.common import Progress
from halsie_ros.errors import BagError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_finished_bar_is_one_line_drawn_whole_once(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress("drive", 2.0) as progress:
        for done in (0.0, 2.0, 2.0, 3.0):
            progress.show(done)
    lines = sys.stderr.getvalue().split("\r")
    assert lines[-1] == f"drive [{'#' * 30}] 100%\n" and sys.stderr.getvalue().count("100%") == 1


def test_an_error_gets_a_line_of_its_own(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(BagError), Progress("drive", 2.0) as progress:
        progress.show(1.0)
        raise BagError
    assert sys.stderr.getvalue().endswith(" 50%\n")


def test_nothing_is_drawn_without_a_terminal(monkeypatch):
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        with Progress("drive", 2.0) as progress:
            progress.show(1.0)
        assert stream is None or stream.getvalue() == ""
