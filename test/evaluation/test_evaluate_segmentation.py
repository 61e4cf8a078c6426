import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from halsie_ros.classes import CAMVID_11, DDD17_6, DSEC_11, IDD_LITE_7
from halsie_ros.cli.main import main
from halsie_ros.datasets.recordings.camvid import CamVid
from halsie_ros.errors import DatasetError, ParameterError
from halsie_ros.evaluation import segmentation
from halsie_ros.evaluation.degradations import Degradation
from halsie_ros.evaluation.result import CommonClasses, Tally, summary, usable_inputs
from halsie_ros.evaluation.segmentation import evaluate, run_sample
from halsie_ros.segmentation.pipeline import State, StepResult
from halsie_ros.simulation.miniatures import write_ddd17_evsegnet

KEYS = {
    "miou",
    "accuracy",
    "per_class",
    "frames",
    "left_out",
    "ms_per_step",
    "parameters",
    "macs",
    "accumulates",
    "energy_mj",
    "spike_rate",
}


class Oracle:
    """A pipeline that answers with the frame's brightness, or with the last one where no frame comes."""

    def __init__(self, card):
        self.card = card
        self.calls = []

    def step(self, frame, events, state, *, t0_us, t1_us, size=None):
        self.calls.append((frame is not None, 0 if events is None else len(events), state is None))
        value = 0 if state is None else int(state.tensors["last"][0])
        if frame is not None:
            value = 1 + value
        mask = np.full(size, value, np.uint8)
        rates = dict.fromkeys(("quarter", "eighth", "sixteenth"), 0.0)
        return StepResult(mask, mask, State(size, {"last": np.array([value])}), rates, 1)


@pytest.fixture
def tally(pipeline):
    return Tally(pipeline.card, CommonClasses(pipeline.card, CAMVID_11))


def last_mask(tally):
    return int(np.flatnonzero(tally.records[-1].sums[2])[0])


def test_every_frame_of_a_sample_is_stepped_from_a_fresh_state(pipeline, camvid_root, tally, monkeypatch):
    monkeypatch.setattr(tally.common, "mask", lambda mask: mask)
    oracle = Oracle(pipeline.card)
    sample = CamVid(camvid_root, "val").sample(3, frames=5)
    run_sample(oracle, sample, "both", Degradation(), tally)
    assert [call[2] for call in oracle.calls] == [True, False, False, False, False]
    assert [call[1] for call in oracle.calls] == [len(sample.window(k)) for k in range(5)]
    assert last_mask(tally) == 5


@pytest.mark.parametrize(
    ("inputs", "steps", "answer"), [("both", 6, 4), ("frames", 6, 4), ("hold", 4, 4), ("events", 6, 0)]
)
def test_a_blackout_leaves_memory_and_events_and_hold_repeats_the_last_mask(
    pipeline, camvid_root, tally, monkeypatch, inputs, steps, answer
):
    monkeypatch.setattr(tally.common, "mask", lambda mask: mask)
    oracle = Oracle(pipeline.card)
    sample = CamVid(camvid_root, "val").sample(3, frames=6)
    run_sample(oracle, sample, inputs, Degradation.parse("blackout:2"), tally)
    assert len(oracle.calls) == steps and last_mask(tally) == answer
    assert all(call[1] == 0 for call in oracle.calls) == (inputs == "frames")


def test_hold_without_any_frame_is_refused(pipeline, camvid_root, tally):
    sample = CamVid(camvid_root, "val").sample(3, frames=2)
    with pytest.raises(ParameterError, match="a sample without frames cannot be scored"):
        run_sample(Oracle(pipeline.card), sample, "hold", Degradation.parse("blackout:2"), tally)


@pytest.mark.parametrize("inputs", ["both", "frames", "events", "hold"])
def test_a_blackout_as_long_as_a_sample_leaves_it_out_whatever_the_inputs(pipeline, camvid_root, monkeypatch, inputs):
    camvid = CamVid(camvid_root, "val")
    lengths = (1, 2, 3, 4)
    monkeypatch.setattr(
        segmentation,
        "split_samples",
        lambda *_, **__: (CAMVID_11, 0, (camvid.sample(k, frames=length) for k, length in enumerate(lengths))),
    )
    result, _ = evaluate(
        pipeline, "camvid", camvid_root, "val", inputs=inputs, degradation=Degradation.parse("blackout:2")
    )
    assert [frame["name"] for frame in result["per_frame"]] == camvid.names[2:]
    assert (result["frames"], result["left_out"]) == (2, 2)
    assert "2 labelled frames (2 left out: a blackout as long as the sample), inputs" in summary(result)[0]
    whole, _ = evaluate(pipeline, "camvid", camvid_root, "val", inputs=inputs)
    assert (whole["frames"], whole["left_out"]) == (4, 0) and "left out" not in summary(whole)[0]


def test_a_blackout_of_single_frames_leaves_nothing_to_score(pipeline, davis_take, tmp_path):
    write_ddd17_evsegnet(tmp_path, "test", "1487417411", davis_take)
    for inputs in ("hold", "both"):
        with pytest.raises(ParameterError, match="blackout:1: leaves none of the 9 samples of evsegnet_test a frame"):
            evaluate(
                pipeline, "ddd17", tmp_path, "evsegnet_test", inputs=inputs, degradation=Degradation.parse("blackout:1")
            )


def test_the_result_has_every_promised_key_and_counts_every_frame(pipeline, camvid_root):
    result, _ = evaluate(pipeline, "camvid", camvid_root, "val", degradation=Degradation.parse("dark"))
    assert result.keys() >= KEYS
    assert result["frames"] == 4 and len(result["per_frame"]) == 4 and len(result["steps"]) == 4 * 8
    assert np.sum(result["confusion"]) == 4 * 64 * 91
    assert result["degrade"] == "dark" and result["split"] == "val"
    assert result["energy_mj"] == pytest.approx(result["macs"] * 4.6e-9 + result["accumulates"] * 0.9e-9)
    json.dumps(result)


def test_twice_gives_the_same_masks(pipeline, camvid_root):
    first, second = (evaluate(pipeline, "camvid", camvid_root, "val")[0] for _ in range(2))
    assert first["per_frame"] == second["per_frame"] and first["accumulates"] == second["accumulates"]


def test_frames_alone_cost_no_accumulates_for_events(pipeline, camvid_root):
    frames, _ = evaluate(pipeline, "camvid", camvid_root, "val", inputs="frames")
    events, _ = evaluate(pipeline, "camvid", camvid_root, "val", inputs="events")
    assert all(step["events"] == 0 for step in frames["steps"])
    assert events["macs"] < frames["macs"]
    assert events["accumulates"] > 0


def test_classes_are_mapped_whichever_way_there_is(pipeline):
    common = CommonClasses(pipeline.card, CAMVID_11)  # only camvid -> dsec is known: the labels are mapped
    assert common.classes is DSEC_11 and common.label(np.array([8], np.uint8)).tolist() == [8]
    common = CommonClasses(pipeline.card, DDD17_6)  # dsec -> ddd17: the mask is mapped
    assert common.classes is DDD17_6 and common.mask(np.array([0, 5], np.uint8)).tolist() == [1, 0]


def test_a_model_of_one_sense_gets_only_that(pipeline):
    card = dataclasses.replace(pipeline.card, inputs=("frames",))
    assert usable_inputs(card, "both") == "frames" and usable_inputs(card, "hold") == "hold"
    assert usable_inputs(pipeline.card, "both") == "both"
    with pytest.raises(ParameterError, match="--inputs events: halsie_scene was trained for frames only"):
        usable_inputs(card, "events")


def test_unknown_words_are_refused(pipeline, camvid_root):
    with pytest.raises(ParameterError, match="--inputs all: choose both, frames, events, hold"):
        evaluate(pipeline, "camvid", camvid_root, "val", inputs="all")
    with pytest.raises(ParameterError, match="--dataset kitti: choose camvid"):
        evaluate(pipeline, "kitti", camvid_root, "val")


def test_the_command_writes_json_and_report_and_compares(pipeline, camvid_root, tmp_path, capsys):
    common = ["evaluate", "segmentation", "--dataset", "camvid", "--root", str(camvid_root), "--split", "val"]
    first, second = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    assert main([*common, "--json", first, "--report", str(tmp_path / "a.html")]) == 0
    assert main([*common, "--degrade", "overexposed", "--json", second]) == 0
    assert json.loads((tmp_path / "a.json").read_text())["frames"] == 4
    assert "4 labelled frames" in capsys.readouterr().out
    assert main(["evaluate", "compare", first, second]) == 0
    assert "degrade: none -> overexposed" in capsys.readouterr().out


def test_a_wrong_command_is_one_line(camvid_root, capsys):
    assert main(["evaluate", "segmentation", "--dataset", "camvid", "--split", "val"]) == 1
    assert capsys.readouterr().err == "halsie evaluate: --dataset camvid: needs --root DIR and --split SPLIT\n"
    assert main(["evaluate", "segmentation", "--dataset", "camvid", "--root", str(camvid_root), "--split", "x"]) == 1
    assert "no such split" in capsys.readouterr().err


def test_models_and_labels_meet_in_the_classes_they_share(pipeline):
    card = dataclasses.replace(pipeline.card, classes=DSEC_11.names)
    common = CommonClasses(card, CAMVID_11, folded=True)
    assert common.classes.names[:2] == ("person", "vehicle")
    wall, bicyclist = DSEC_11.names.index("wall"), CAMVID_11.names.index("bicyclist")
    assert common.classes.names[common.mask(np.array([wall], np.uint8))[0]] == "building"
    assert common.classes.names[common.label(np.array([bicyclist], np.uint8))[0]] == "person"
    assert CommonClasses(card, IDD_LITE_7, folded=True).classes is IDD_LITE_7


@pytest.fixture
def idd_lite(tmp_path):
    random = np.random.default_rng(1)
    for drive in ("1", "2"):
        for part, end, high, channels in (("leftImg8bit", "_image.jpg", 256, [3]), ("gtFine", "_label.png", 7, [])):
            shape = (32, 32, *channels)
            path = tmp_path / part / "train" / drive / f"f{end}"
            path.parent.mkdir(parents=True)
            Image.fromarray(random.integers(0, high, shape).astype(np.uint8)).save(path)
    return tmp_path


def test_coarse_labels_are_scored_in_their_own_classes_drive_by_drive(pipeline, idd_lite, capsys):
    common = ["evaluate", "segmentation", "--dataset", "idd_lite", "--root", str(idd_lite), "--split", "train"]
    common += ["--model", str(pipeline.card.path), "--classes", "shared", "--frames", "1", "--json", "-"]
    assert main(common) == 0
    both = json.loads(capsys.readouterr().out)
    assert main([*common, "--drives", "2"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert (both["frames"], one["frames"], one["drives"]) == (2, 1, ["2"])
    assert tuple(both["per_class"]) == IDD_LITE_7.names and both["class_set"] == "idd_lite_7"
    assert main([*common, "--drives", "3"]) == 1
    assert "no drive 3: there are 1, 2" in capsys.readouterr().err


def test_pictures_without_labels_cannot_be_scored(pipeline, idd_lite):
    (idd_lite / "leftImg8bit/train").rename(idd_lite / "leftImg8bit/test")
    with pytest.raises(DatasetError, match="split test has no labels"):
        evaluate(pipeline, "idd_lite", idd_lite, "test")


def test_recordings_of_event_data_sets_are_named_by_their_split(pipeline, tmp_path):
    with pytest.raises(ParameterError, match="dsec names its recordings by --split"):
        evaluate(pipeline, "dsec", tmp_path, "train", drives=("a",))


def test_confidence_is_judged_beside_the_masks(pipeline, idd_lite):
    result, _ = evaluate(pipeline, "idd_lite", idd_lite, "train", folded=True, frames=1)
    assert 0 <= result["calibration_error"] <= 1 and 0 <= result["sure_share"] <= 1
    assert "calibration error" in "\n".join(summary(result))
