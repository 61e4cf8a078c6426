"""The demo's figures are those of the judge that `ros2 launch halsie_ros evaluate.launch.py` runs."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.bags import messages
from halsie_ros.bags.recording import Recording
from halsie_ros.bags.writer import BagWriter
from halsie_ros.demo.live import LiveRun
from halsie_ros.demo.masks import judge
from halsie_ros.errors import ModelError
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.wire.definitions import IMAGE, LABEL_INFO

pytest.importorskip("rosbags")
MS = 1_000_000


@pytest.fixture
def card():
    try:
        return ModelCard.load(find_model("halsie_scene"))
    except ModelError as error:
        pytest.skip(str(error))


def flat(value, shape=(12, 16)):
    return np.full(shape, value, np.uint8)


def recording(folder, names=None, label_shape=(12, 16)):
    """Three frames 50 ms apart with labels of class 5; `names` of the label's classes, none where it is not said."""
    with BagWriter(folder) as bag:
        for name, kind in (
            ("/image", IMAGE),
            ("/events", "event_camera_msgs/msg/EventPacket"),
            ("/ground_truth/mask", IMAGE),
            ("/ground_truth/label_info", LABEL_INFO),
        ):
            bag.add_topic(name, kind)
        if names:
            bag.write("/ground_truth/label_info", 0, messages.label_info(names, stamp_ns=0, frame_id=""))
        for k in range(3):
            stamp_ns = (1000 + 50 * k) * MS
            bag.write("/image", stamp_ns, messages.image(flat(90), stamp_ns=stamp_ns, frame_id=""))
            label = messages.image(flat(5, label_shape), stamp_ns=stamp_ns, frame_id="")
            bag.write("/ground_truth/mask", stamp_ns, label)
    return Recording(folder)


def run(masks):
    """A replay that sent all three frames and got these masks, the k-th 20 + k ms later."""
    live = LiveRun(log={"diagnostics": {"segmentation: image": {"values": {"dropped_superseded": "1"}}}})
    for k in range(3):
        stamp_ns = (1000 + 50 * k) * MS
        live.sent_ns[stamp_ns] = 7_000 * MS + stamp_ns
        if k in masks:
            live.masks[stamp_ns], live.arrived_ns[stamp_ns] = masks[k], 7_000 * MS + stamp_ns + (20 + k) * MS
    return live


def test_answers_latency_and_losses_are_counted_and_masks_scored(card, tmp_path):
    half = flat(5)
    half[6:] = 4
    score = judge(recording(tmp_path / "bag"), run({0: flat(5), 2: half}), card)
    assert list(score.latency_ms().values()) == [20.0, 22.0] and len(score.answered) == 2
    assert score.losses == {"image: dropped_superseded": 1}
    assert score.tally.miou == 0.75  # a class that no label has counts for nothing
    assert score.result({})["answered"] == 2 / 3


@pytest.mark.parametrize(
    "options", [{"names": ("a", "b")}, {"label_shape": (6, 8)}], ids=["unknown classes", "other size"]
)
def test_labels_that_cannot_be_compared_are_left_aside(card, tmp_path, options):
    score = judge(recording(tmp_path / "bag", **options), run({0: flat(5)}), card)
    assert score.tally.miou is None and list(score.latency_ms().values()) == [20.0]
