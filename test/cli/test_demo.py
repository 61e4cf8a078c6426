"""`halsie demo` on a bag: the real node, as its own process, over DDS."""

from __future__ import annotations

import json

import pytest

from halsie_ros.cli.main import main

pytest.importorskip("rclpy", reason="no ROS 2 here")


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """One second of a small street."""
    bag = tmp_path_factory.mktemp("street") / "bag"
    command = ["bag", "build", "scene", str(bag), "--duration", "1", "--width", "128", "--height", "96"]
    assert main([*command, "--frame-rate", "10"]) == 0
    return bag


def test_every_frame_is_answered_and_the_pictures_are_drawn(street, tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--bag", str(street), "--json", "-"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["frames_in"] == 11
    assert summary["masks_out"] + sum(summary["drops"].values()) >= 11
    assert summary["masks_out"] >= 8, "a slow machine may drop a few, not most"
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert 0 <= summary["miou"] <= 1
    assert summary["exit_codes"] == {"segmentation": 0}
    assert summary["frame_ids"] == ["camera_optical"] and summary["labels"]["5"] == "road"
    assert "frames in     11" in (tmp_path / "demo" / "summary.txt").read_text()
    with Image.open(tmp_path / "demo" / "sheet.png") as sheet:
        assert sheet.width > 5 * 346
    with Image.open(tmp_path / "demo" / "animation.gif") as animation:
        assert animation.n_frames == 11 and animation.info["loop"] == 0


def test_a_bag_without_events_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    import numpy as np

    from halsie_ros.bags import messages
    from halsie_ros.bags.writer import BagWriter
    from halsie_ros.wire.definitions import IMAGE

    monkeypatch.chdir(tmp_path)
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/image", IMAGE)
        writer.write("/image", 0, messages.image(np.zeros((4, 4), np.uint8), stamp_ns=0, frame_id=""))
    assert main(["demo", "--bag", str(tmp_path / "bag")]) == 1
    error = capsys.readouterr().err
    assert "has no events" in error and "/image (sensor_msgs/msg/Image)" in error and error.count("\n") == 1


def test_a_node_that_cannot_start_is_quoted(street, tmp_path):
    from halsie_ros.demo.live import NodeCommand, run_live
    from halsie_ros.errors import HalsieError

    node = NodeCommand("segmentation", parameters={"model": "no_such_model"})
    with pytest.raises(HalsieError, match=r"node segmentation ended with code 1: .*no_such_model"):
        run_live(street, [node], wait_for=["/camera/image_raw"])


@pytest.mark.parametrize(
    ("masks", "drops", "codes", "line"),
    [
        (10, {}, {"segmentation": 0}, ""),
        (7, {"late": 3}, {"segmentation": 0}, ""),
        (7, {"late": 1}, {"segmentation": 0}, "2 of 10 frames were neither answered nor counted as dropped"),
        (0, {"late": 10}, {"segmentation": 0}, "none of 10 frames was answered: see drops in demo/summary.txt"),
        (10, {}, {"segmentation": 0, "action": -9}, "nodes ended badly: action with code -9"),
    ],
)
def test_a_demo_that_lost_frames_or_a_node_is_no_success(masks, drops, codes, line):
    from halsie_ros.cli.demo import _fault

    assert _fault({"frames_in": 10, "masks_out": masks, "drops": drops, "exit_codes": codes}) == line
