from collections import Counter

import numpy as np
import pytest

from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.writer import BagWriter
from halsie_ros.cli.main import main
from halsie_ros.errors import BagError, ParameterError
from halsie_ros.evaluation.bag import evaluate_bag
from halsie_ros.evaluation.degradations import Degradation
from halsie_ros.evaluation.pairing import KEPT, Pairing

pytest.importorskip("rosbags")
TRUTH = "/ground_truth/mask"


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bags") / "street"
    words = ["--seed", "1", "--duration", "0.4", "--width", "128", "--height", "96", "--frame-rate", "20"]
    assert main(["bag", "build", "scene", str(folder), *words]) == 0
    return folder


def test_every_labelled_frame_is_scored_with_the_events_before_it(pipeline, bag):
    result, _ = evaluate_bag(pipeline, bag, ground_truth=TRUTH)
    assert result["frames"] == 9 and result["labels_without_mask"] == 0 and result["drops"] == {}
    windows = [step["window_us"] for step in result["steps"]]
    assert windows == [50_000] * 9
    assert np.sum(result["confusion"]) == 9 * 128 * 96
    assert sum(step["events"] for step in result["steps"][1:]) > 1000


def test_twice_gives_the_same_figures(pipeline, bag):
    first, second = (evaluate_bag(pipeline, bag, ground_truth=TRUTH)[0] for _ in range(2))
    assert first["confusion"] == second["confusion"] and first["per_frame"] == second["per_frame"]


def test_frames_can_be_degraded_and_senses_taken_away(pipeline, bag):
    none, dark, frames = (
        evaluate_bag(pipeline, bag, ground_truth=TRUTH, inputs=inputs, degradation=Degradation(kind))[0]
        for inputs, kind in (("both", "none"), ("both", "dark"), ("frames", "none"))
    )
    assert none["confusion"] != dark["confusion"]
    assert all(step["events"] == 0 for step in frames["steps"])


def test_what_has_no_meaning_in_a_bag_is_refused(pipeline, bag):
    with pytest.raises(ParameterError, match="use --dataset"):
        evaluate_bag(pipeline, bag, ground_truth=TRUTH, degradation=Degradation.parse("blackout:5"))


def test_a_missing_label_topic_names_the_image_topics(pipeline, bag):
    with pytest.raises(BagError, match=r"has no topic /labels: name one by --gt; image topics are .*/camera/image_raw"):
        evaluate_bag(pipeline, bag, ground_truth="/labels")


def copied(source, target, change):
    """The bag with `change(topic, number of its message, payload)` in place of each payload."""
    numbers: Counter[str] = Counter()
    with open_bag(source) as old, BagWriter(target) as new:
        for name, info in old.topics.items():
            new.add_topic(name, info.type)
        for topic, log_ns, payload in old.messages():
            new.write(topic, log_ns, change(topic, numbers[topic], bytes(payload)))
            numbers[topic] += 1
    return target


def test_images_that_cannot_be_read_are_counted_and_the_others_scored(pipeline, bag, tmp_path):
    broken = copied(
        bag, tmp_path / "b", lambda topic, k, data: data[: len(data) // 2] if "image" in topic and k in (2, 5) else data
    )
    result, _ = evaluate_bag(pipeline, broken, ground_truth=TRUTH)
    assert (result["frames"], result["labels_without_mask"]) == (7, 2)
    assert result["drops"] == {"bad message on /camera/image_raw": 2}
    broken = copied(bag, tmp_path / "c", lambda topic, _, data: data[:40] if "image" in topic else data)
    with pytest.raises(BagError, match=r"none with the stamp .*; 9 times bad message on /camera/image_raw"):
        evaluate_bag(pipeline, broken, ground_truth=TRUTH)


def test_labels_without_any_camera_are_said_to_be_that(pipeline, bag, tmp_path):
    with open_bag(bag) as whole:
        camera = next(name for name in whole.topics if name.endswith("image_raw"))
    with open_bag(bag) as old, BagWriter(tmp_path / "d") as new:
        for name, info in old.topics.items():
            if name != camera:
                new.add_topic(name, info.type)
        for topic, log_ns, payload in old.messages():
            if topic != camera:
                new.write(topic, log_ns, payload)
    with pytest.raises(BagError, match=f"beside the labels on {TRUTH} there is no camera topic"):
        evaluate_bag(pipeline, tmp_path / "d", ground_truth=TRUTH)


def test_partners_meet_whichever_comes_first():
    pairing = Pairing()
    assert pairing.add_mask(5, "mask") is None
    assert pairing.add_label(5, "label") == ("mask", "label")
    assert pairing.add_label(6, "later") is None
    assert pairing.add_mask(7, "other") is None
    assert pairing.add_mask(6, "mask") == ("mask", "later")
    assert (pairing.paired, pairing.labels) == (2, 2)


def test_what_never_meets_is_forgotten_in_time():
    pairing = Pairing()
    for stamp in range(KEPT + 10):
        pairing.add_mask(stamp, stamp)
    assert pairing.add_label(0, "label") is None
    assert pairing.add_label(KEPT + 9, "label") is not None
