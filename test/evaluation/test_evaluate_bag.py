from collections import Counter

import numpy as np
import pytest

from halsie_ros.bags import messages
from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.writer import BagWriter
from halsie_ros.cli.main import main
from halsie_ros.errors import BagError, GeometryError, ParameterError
from halsie_ros.evaluation.bag import evaluate_bag
from halsie_ros.evaluation.degradations import Degradation
from halsie_ros.evaluation.offline import StreamSettings
from halsie_ros.evaluation.pairing import KEPT, Pairing
from halsie_ros.events import Events
from halsie_ros.events.messages import encode_event_packet
from halsie_ros.wire.definitions import IMAGE

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


def test_events_that_never_fall_between_the_images_end_in_an_error_not_in_a_figure(pipeline, bag):
    apart = StreamSettings(event_offset_ms=10_000.0)
    with pytest.raises(BagError, match=r"none of the \d+ events falls between the images \(they are 10\d\d\d ms ahead"):
        evaluate_bag(pipeline, bag, ground_truth=TRUTH, settings=apart)
    assert evaluate_bag(pipeline, bag, ground_truth=TRUTH, inputs="frames", settings=apart)[0]["frames"] == 9


def test_the_offset_between_the_senses_is_told(pipeline, bag):
    plain, shifted = (
        evaluate_bag(pipeline, bag, ground_truth=TRUTH, settings=StreamSettings(event_offset_ms=offset_ms))[0]
        for offset_ms in (0.0, 30.0)
    )
    assert abs(plain["event_offset_ms"]) < 10
    assert shifted["event_offset_ms"] - plain["event_offset_ms"] == pytest.approx(30, abs=1)


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


def topic(bag, word):
    with open_bag(bag) as whole:
        return next(name for name in whole.topics if name.endswith(word))


def without(source, target, dropped, keep=lambda log_ns, start_ns: False):
    """The bag without the messages of some topics whose log time is not to be kept."""
    with open_bag(source) as old, BagWriter(target) as new:
        for name, info in old.topics.items():
            new.add_topic(name, info.type)
        for name, log_ns, payload in old.messages():
            if name not in dropped or keep(log_ns, old.start_ns):
                new.write(name, log_ns, payload)
    return target


def test_a_gap_is_counted_and_what_is_known_of_the_events_outlives_it(pipeline, bag, tmp_path, monkeypatch):
    short = StreamSettings(max_wait_ms=10.0, timeout_ms=60.0)
    gone = {topic(bag, "image_raw"), topic(bag, "events")}
    holed = without(bag, tmp_path / "holed", gone, lambda log, start: not 110e6 < log - start < 240e6)
    states, step = [], pipeline.step
    monkeypatch.setattr(pipeline, "step", lambda *given, **more: states.append(given[2]) or step(*given, **more))
    result, _ = evaluate_bag(pipeline, holed, ground_truth=TRUTH, settings=short)
    assert result["drops"] == {"gap": 1, "lost_event_message": 26} and result["labels_without_mask"] == 2
    fresh = [state for state in states if state is not None and not state.tensors]
    assert len(fresh) == 1 and fresh[0].restored is not None


def test_events_alone_give_masks_between_the_frames_and_after_their_end(pipeline, bag, tmp_path):
    gone = {topic(bag, "image_raw")}
    dark = without(bag, tmp_path / "dark", gone, lambda log, start: log - start < 210e6)
    result, _ = evaluate_bag(pipeline, dark, ground_truth=TRUTH, settings=StreamSettings(timeout_ms=80.0))
    alone = [step for step in result["steps"] if not step["frame"]]
    assert alone and all(step["window_us"] == 50_000 for step in alone)
    rate = StreamSettings(mask_rate_hz=100.0)
    result, _ = evaluate_bag(pipeline, bag, ground_truth=TRUTH, settings=rate)
    assert len(result["steps"]) > 30 and result["frames"] == 9


def test_a_frame_that_comes_after_its_events_is_answered_and_counted(pipeline, bag, tmp_path):
    image = topic(bag, "image_raw")
    with open_bag(bag) as old, BagWriter(tmp_path / "late") as new:
        for name, info in old.topics.items():
            new.add_topic(name, info.type)
        late = [(log + 40_000_000 * (name == image), name, bytes(payload)) for name, log, payload in old.messages()]
        for log_ns, name, payload in sorted(late, key=lambda message: message[0]):
            new.write(name, log_ns, payload)
    result, _ = evaluate_bag(
        pipeline, tmp_path / "late", ground_truth=TRUTH, settings=StreamSettings(mask_rate_hz=50.0, max_wait_ms=0.0)
    )
    assert result["frames"] == 9 and result["drops"]["late_frame"] > 3


def test_sensors_of_two_sizes_meet_by_resize_and_are_refused_as_one(pipeline, tmp_path):
    small, large = Events.of([3, 60], [2, 40], [10_000, 20_000], [1, 0]), np.full((96, 128), 90, np.uint8)
    with BagWriter(tmp_path / "pair") as bag:
        for name, kind in (("/image", IMAGE), ("/events", "event_camera_msgs/msg/EventPacket"), (TRUTH, IMAGE)):
            bag.add_topic(name, kind)
        packet = {"encoding": "mono", "width": 64, "height": 48, "frame_id": "", "time_base_us": 0}
        bag.write("/events", 40_000_000, encode_event_packet(small, stamp_ns=10_000_000, seq=0, **packet))
        for name in ("/image", TRUTH):
            payload = messages.image(large if name == "/image" else large // 30, stamp_ns=19_000_000, frame_id="")
            bag.write(name, 50_000_000, payload)
    with pytest.raises(GeometryError, match=r"registration identity: events are 64x48, images 128x96.*--registration"):
        evaluate_bag(pipeline, tmp_path / "pair", ground_truth=TRUTH)
    resized, _ = evaluate_bag(pipeline, tmp_path / "pair", ground_truth=TRUTH, settings=StreamSettings("resize"))
    assert resized["registration"] == "resize" and [step["events"] for step in resized["steps"]] == [1]
    assert main(["evaluate", "segmentation", "--bag", str(tmp_path / "pair"), "--registration", "resize"]) == 0


def test_the_nodes_parameter_file_is_taken(tmp_path, repository):
    assert StreamSettings.load(repository / "config" / "segmentation.yaml") == StreamSettings()
    file = tmp_path / "mine.yaml"
    file.write_text(
        "/robot/segmentation:\n  ros__parameters: {timeout_ms: 90, homography: [1, 0, 0, 0, 1, 0, 0, 0, 1]}\n"
    )
    assert StreamSettings.load(file).timeout_ms == 90.0
    assert StreamSettings.load(file).homography == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("action: {ros__parameters: {}}", "no parameters of the node segmentation"),
        ("segmentation: {timeout_ms: 5}", "a node's block without ros__parameters"),
        ("segmentation: {ros__parameters: {undistort: 1}}", "undistort is 1: give a value of type bool"),
        ("segmentation: {ros__parameters: {rotation: no}}", "rotation is False: give a value of type list of numbers"),
        ("segmentation: [", "no parameter file"),
    ],
)
def test_a_parameter_file_that_is_none_is_refused_in_one_line(tmp_path, text, line):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ParameterError, match=line) as refusal:
        StreamSettings.load(tmp_path / "p.yaml")
    assert "\n" not in str(refusal.value)


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
