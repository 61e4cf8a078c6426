"""One video topic through the real action node over DDS and through the pipeline offline: the same labels."""

from __future__ import annotations

import itertools

import av
import pytest

from halsie_ros.action import ActionPipeline
from halsie_ros.bags import BagWriter, open_bag
from halsie_ros.bags.builders.person import PACKETS_TOPIC, person_stream
from halsie_ros.demo.live import NodeCommand, run_live
from halsie_ros.video import PacketStream, read_packet

pytest.importorskip("rosbags")
FRAMES = 100
SETTINGS = {"label_rate_hz": 10.0, "min_segments": 1, "confidence": 0.0}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """Three seconds of a person in H.264."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder libx264")
    folder = tmp_path_factory.mktemp("bags") / "person"
    with BagWriter(folder) as writer:
        for _, write in itertools.islice(person_stream(writer, 3, 1_000_000), FRAMES):
            write()
    return folder


def offline_labels(path):
    """(stamp, classes in the order of their scores) of each label."""
    pipeline, video, state, labels = ActionPipeline("actions_mhad", **SETTINGS), PacketStream(), None, {}
    pipeline.warm_up()
    with open_bag(path) as bag:
        kind = bag.topics[PACKETS_TOPIC].type
        for _, _, payload in bag.messages([PACKETS_TOPIC]):
            for frame in video.push(read_packet(kind, payload)):
                scores, state = pipeline.step(frame, state)
                if scores is not None:
                    labels[scores.stamp_ns] = scores
    return pipeline.classes, labels


def test_a_live_run_without_drops_gives_the_labels_of_the_offline_run(bag):
    classes, offline = offline_labels(bag)  # first, for it compiles what the node then only loads
    node = NodeCommand("action", {"packets": PACKETS_TOPIC}, SETTINGS | {"top_k": 1000, "model": "actions_mhad"})
    live = run_live(bag, [node], wait_for=[PACKETS_TOPIC], rate=0.5)
    assert not live.drops()
    said = {entry["stamp_ns"]: entry["results"] for entry in live.log["classifications"]}
    assert said.keys() == offline.keys() and len(said) > 25
    known = {stamp: results for stamp, results in said.items() if results[0][0] != "unknown"}
    assert len(known) > 15
    for stamp, results in said.items():
        scores = offline[stamp]
        assert results[0][0] == scores.label
        if stamp in known:
            assert dict(results) == {name: float(score) for name, score in zip(classes, scores.scores, strict=True)}
