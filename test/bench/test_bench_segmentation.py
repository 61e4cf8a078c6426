"""The segmentation bench: its rows and its refusal; never its times."""

from __future__ import annotations

import argparse

import pytest

from halsie_ros.bench import segmentation
from halsie_ros.errors import ParameterError


def test_rows_have_the_agreed_names_and_no_peer_where_none_is(monkeypatch):
    monkeypatch.setattr(segmentation, "HEIGHT", 64)
    monkeypatch.setattr(segmentation, "WIDTH", 96)
    rows = list(segmentation.cases(argparse.Namespace(model=None, peers=None, with_peers=False)))
    assert [row.case for row in rows] == ["segmentation/step_640x480", "segmentation/event_step_640x480"]
    assert all(row.ours > 0 and row.ratio is None and row.unit == "ms" for row in rows)


def test_a_folder_without_the_peer_is_named(tmp_path):
    with pytest.raises(ParameterError, match="deeplabv3plus"):
        list(segmentation.cases(argparse.Namespace(model=None, peers=tmp_path, with_peers=False)))


def test_the_frame_that_is_timed_is_restored():
    assert segmentation._restoration(96, 128)().weight < 0.6
