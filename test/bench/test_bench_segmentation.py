"""The segmentation bench: its rows and its refusal; never its times."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from halsie_ros.bench import segmentation
from halsie_ros.errors import ParameterError
from halsie_ros.segmentation.pipeline import SegmentationPipeline


def test_rows_have_the_agreed_names_and_no_peer_where_none_is(monkeypatch):
    monkeypatch.setattr(segmentation, "HEIGHT", 96)
    monkeypatch.setattr(segmentation, "WIDTH", 128)
    rows = list(segmentation.cases(argparse.Namespace(model=None, peers=None, with_peers=False)))
    assert [row.case.removeprefix("segmentation/") for row in rows] == [
        "pipeline_640x480",
        "pipeline_events_640x480",
        "pipeline_noisy_640x480",
        "step_640x480",
        "event_step_640x480",
    ]
    assert all(row.ours > 0 and row.ratio is None and row.unit == "ms" for row in rows)
    assert ["graphs alone" in row.note for row in rows] == [False, False, False, True, True]


def test_a_folder_without_the_peer_is_named(tmp_path):
    with pytest.raises(ParameterError, match="deeplabv3plus"):
        list(segmentation.cases(argparse.Namespace(model=None, peers=tmp_path, with_peers=False)))


def test_the_peers_argmax_is_numpys():
    scores = np.random.default_rng(0).normal(size=(1, 11, 9, 17)).astype(np.float32)
    assert np.array_equal(segmentation._argmax(scores), scores[0].argmax(0))


def test_the_step_that_is_timed_has_a_good_frame_and_a_streets_events():
    street = segmentation.StreetStep.make(96, 128, count=500)
    assert len(street.events) == 500 and len(street.earlier) > 100
    frames, events, noisy = segmentation.pipeline_runs(SegmentationPipeline("halsie_scene"), street)
    assert frames() == 1.0 and events() is None and noisy() < 0.7
