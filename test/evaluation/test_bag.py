import numpy as np
import pytest

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
