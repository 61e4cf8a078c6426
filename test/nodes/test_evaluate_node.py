"""The node `evaluate` in a graph of its own: replayed bag, segmentation, report."""

from __future__ import annotations

import json

import pytest

from halsie_ros.cli.main import main

pytest.importorskip("rosbags")


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bags") / "street"
    words = ["--seed", "2", "--duration", "1", "--width", "128", "--height", "96", "--frame-rate", "20"]
    assert main(["bag", "build", "scene", str(folder), *words]) == 0
    return folder


def test_a_replayed_bag_gives_a_report_with_answers_latency_and_figures(start, bag, tmp_path):
    topics = ["-r", "image:=/camera/image_raw", "-r", "events:=/event_camera/events"]
    segmentation = start("-m", "halsie_ros.nodes.segmentation", "--ros-args", *topics)
    files = ["-p", f"report:={tmp_path / 'r.html'}", "-p", f"json:={tmp_path / 'r.json'}", "-p", "silence_s:=2.0"]
    sent = ["-p", f"sent:={tmp_path / 'sent.json'}"]
    evaluate = start("-m", "halsie_ros.nodes.evaluate", "--ros-args", *topics, *files, *sent)
    wait = "/camera/image_raw,/event_camera/events,/ground_truth/mask"
    replay = start("-m", "halsie_ros.nodes.replay", "--ros-args", "-p", f"bag:={bag}", "-p", f"wait:={wait}", *sent)
    assert replay.wait(60) == 0, replay.output
    assert evaluate.wait(30) == 0, evaluate.output
    assert segmentation.stop() == 0, segmentation.output
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["images"] == 21 and result["frames"] == round(result["answered"] * 21) > 10
    assert result["latency_from"] == "sender" and len(result["latency_ms"]) == round(result["answered"] * 21)
    assert all(entry["ms"] > 0 for entry in result["latency_ms"])
    assert "mIoU" in evaluate.output and (tmp_path / "r.html").stat().st_size > 10_000


def test_an_unknown_model_is_one_line(start):
    evaluate = start("-m", "halsie_ros.nodes.evaluate", "--ros-args", "-p", "model:=nothing")
    assert evaluate.wait(30) == 1
    assert "model 'nothing' is not here" in evaluate.output and "Traceback" not in evaluate.output
