import argparse
import csv
import json
from fractions import Fraction

import av
import numpy as np
import pytest

from halsie_ros.action.pipeline import ActionPipeline
from halsie_ros.cli.evaluate_action import add_arguments, run
from halsie_ros.datasets.actions.video_sets import open_video_set
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.action import EnergyMeter, evaluate, interval, open_set_figures


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from training.action.export import export
    from training.networks.action_config import ActionConfig
    from training.networks.compressed_video import CompressedVideoNet

    torch.manual_seed(1)
    network = CompressedVideoNet(ActionConfig(3, width=32, channels=8, image_channels=16, layers=1, heads=2, gops=4))
    about = {"commercial_use": True, "licence": "none", "data": "none", "recipe": "untrained"}
    return export(network, "tiny", tmp_path_factory.mktemp("models"), ["still", "left", "right"], about, {})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four clips of two classes, one of them damaged, one missing."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    ground = np.random.default_rng(0).integers(40, 160, (48, 64, 3), np.uint8)
    for number in range(3):
        name = f"{number}.mp4"
        rows.append((name, ("left", "right")[number % 2], f"s{number}"))
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("mpeg4", rate=Fraction(30))
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.gop_size = 12
            stream.options = {"sc_threshold": "1000000000"}
            for t in range(26):
                picture = ground.copy()
                picture[13:30, 2 * t % 45 : 2 * t % 45 + 17] = 200
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    (folder / "bad.mp4").write_text("no video")
    rows += [("bad.mp4", "left", "s3"), ("gone.mp4", "left", "s4")]
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group"), *rows])
    return folder


def test_the_command_writes_its_keys_and_counts_what_could_not_be_read(model, root, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = tmp_path / "result.json"
    arguments = ["--dataset", "clips", "--root", str(root), "--model", str(model), "--json", str(out)]
    assert run(parser.parse_args(arguments)) == 0
    result = json.loads(out.read_text())
    assert {"top1", "top5", "per_class", "clips", "videos_per_s", "energy_j", "interval95"} <= set(result)
    assert (result["clips"], result["missing"]) == (3, ["gone.mp4"])
    assert len(result["broken"]) == 1 and result["broken"][0].startswith("bad.mp4")
    assert result["energy_j"] > 0 and result["videos_per_s"] > 0
    assert set(result["modalities"]) == {"all", "image", "motion", "residual"}
    assert "top-1" in capsys.readouterr().out


def test_classes_are_matched_by_name_and_the_confusion_adds_up(model, root):
    pipeline = ActionPipeline(model)
    result = evaluate(pipeline, open_video_set("clips", root))
    counts = np.array(result["confusion"]["counts"])
    assert counts.shape == (2, 3) and counts.sum() == 3
    assert result["confusion"]["rows"] == ["left", "right"]
    assert counts.sum(1).tolist() == [2, 1]
    columns = result["confusion"]["columns"]
    right = sum(counts[row, columns.index(name)] for row, name in enumerate(result["confusion"]["rows"]))
    assert result["top1"] == pytest.approx(right / 3)


def test_energy_counts_images_steps_and_one_head(model):
    pipeline = ActionPipeline(model)
    meter = EnergyMeter(pipeline)
    from halsie_ros.action.state import Encoded

    silent = dict.fromkeys(("motion1", "motion2", "residual1", "residual2"), 0.0)
    one = meter.joules(Encoded((), 1, 1, silent))
    two = meter.joules(Encoded((), 2, 2, silent))
    per_gop = (meter.costs["i_frame"].macs + meter.costs["p_frame"].macs) * 4.6e-12
    assert two - one == pytest.approx(per_gop)
    assert one == pytest.approx(per_gop + meter.costs["head"].macs * 4.6e-12)
    busy = meter.joules(Encoded((), 1, 1, dict.fromkeys(silent, 1.0)))
    assert busy - one == pytest.approx(sum(meter.costs["p_frame"].spiking.values()) * 0.9e-12)


def test_a_model_without_the_classes_is_refused(model, root, tmp_path):
    (tmp_path / "clips.csv").write_text(f"path,label\n{root / '0.mp4'},juggling\n")
    with pytest.raises(ParameterError, match="'juggling'"):
        evaluate(ActionPipeline(model), open_video_set("clips", tmp_path))


def test_the_interval_draws_whole_groups_where_there_are_enough():
    right = np.repeat([True, False], 100)
    by_clip = interval(right, [""] * 200)
    by_group = interval(right, [f"s{i // 20}" for i in range(200)])
    assert by_clip[0] < 0.5 < by_clip[1]
    assert by_group[1] - by_group[0] > 2 * (by_clip[1] - by_clip[0])


class Said:
    """A pipeline's rule and classes, for figures of scores that are given."""

    classes = ("a", "b", "none")
    confidence = 0.5

    def label(self, scores):
        best = int(np.argmax(scores))
        return (self.classes[best], "") if best < 2 and scores[best] >= self.confidence else ("unknown", "")


def test_open_set_figures_of_a_hand_computed_table():
    truth = np.array([0, 0, 1, 1, -1, -1, -1, -1])
    scores = np.array([
        [0.9, 0.05, 0.05], [0.4, 0.35, 0.25], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1],  # right, silent, wrong, right
        [0.55, 0.05, 0.4], [0.3, 0.1, 0.6], [0.45, 0.2, 0.35], [0.1, 0.1, 0.8],  # one label, three times unknown
    ])  # fmt: skip
    found = open_set_figures(Said(), truth, scores)
    assert (found["right"], found["silent"], found["false_labels"]) == (0.5, 0.25, 0.25)
    pairs = [(k > n) + 0.5 * (k == n) for k in (0.9, 0.4, 0.6, 0.8) for n in (0.55, 0.3, 0.45, 0.1)]
    assert found["auroc"] == pytest.approx(np.mean(pairs))
    curve = {point["confidence"]: point for point in found["risk_coverage"]}
    assert (curve[0.0]["coverage"], curve[0.0]["risk"]) == (6 / 8, 3 / 6)
    assert (curve[0.7]["coverage"], curve[0.7]["risk"]) == (2 / 8, 0.0)


def test_clips_of_no_class_are_none_of_the_accuracy_and_other_classes_need_the_open_set(model, root, tmp_path):
    rows = f"path,label\n{root / '0.mp4'},left\n{root / '1.mp4'},none\n{root / '2.mp4'},juggling\n"
    (tmp_path / "clips.csv").write_text(rows)
    pipeline, found = ActionPipeline(model, confidence=0.0), open_video_set("clips", tmp_path)
    with pytest.raises(ParameterError, match="--open-set"):
        evaluate(pipeline, found)
    result = evaluate(pipeline, found, open_set=True)
    assert result["clips"] == 3 and np.sum(result["confusion"]["counts"]) == 1
    assert result["false_labels"] == 1.0 and result["silent"] == 0.0  # at confidence 0 the best is always named
    assert result["per_class"]["juggling"] is None and result["network_alone"] == result["top1"]


def test_predictions_are_written_and_a_set_with_many_unusable_clips_says_so_first(model, root, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    file = tmp_path / "said.csv"
    arguments = ["--dataset", "clips", "--root", str(root), "--model", str(model), "--predictions", str(file)]
    assert run(parser.parse_args(arguments)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 of 5 clips could not be used: 1 ") and "1 not there" in lines[0]
    rows = list(csv.DictReader(file.open()))
    assert [row["path"] for row in rows] == ["0.mp4", "1.mp4", "2.mp4"]
    assert {row["class1"] for row in rows} <= {"still", "left", "right"}
    assert all(float(row["score1"]) >= float(row["score2"]) >= float(row["score3"]) for row in rows)
