"""Recipes of the big data sets, end to end on miniatures in official layout, from transcoding to predictions."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from halsie_ros.cli.main import main as halsie
from training.action import export, task, transcode
from training.action.config import ActionRecipe
from training.core.recipes import load

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
SETS = ("ucf101", "hmdb51", "kinetics400", "kinetics600", "ssv2")
TINY = "{difference: true, camera: true, width: 16, channels: 4, image_channels: 8, layers: 1, heads: 2, gops: 3}"


def video(path, direction, suffix_codec="mpeg4"):
    """A disc that moves right or left, with B-frames and GOPs of 250 as such files have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:48, :64]
    with av.open(str(path), "w") as container:
        stream = container.add_stream({".webm": "libvpx-vp9"}.get(path.suffix, suffix_codec), rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if path.suffix == ".webm":
            stream.options = {"deadline": "realtime", "cpu-used": "8"}
        else:
            stream.codec_context.gop_size = 250
        for t in range(26):
            picture = np.full((48, 64), 90, np.uint8)
            picture[(rows - 24) ** 2 + (columns - 32 - direction * (t - 13)) ** 2 < 90] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.pts = t
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def miniature(dataset, root):
    """Two classes, two clips to train on and one to test on each, in the official layout."""
    names = ("left", "right")
    if dataset == "ucf101":
        put(root / "ucfTrainTestlist/classInd.txt", "1 left\n2 right\n")
        lists = {"train": "", "test": ""}
        for i, name in enumerate(names):
            for group in (1, 8, 9):
                clip = f"{name}/v_{name}_g{group:02d}_c01.avi"
                video(root / "UCF-101" / clip, 2 * i - 1)
                lists["test" if group == 1 else "train"] += clip + ("\n" if group == 1 else f" {i + 1}\n")
        for part, text in lists.items():
            put(root / f"ucfTrainTestlist/{part}list01.txt", text)
    elif dataset == "hmdb51":
        for i, name in enumerate(names):
            rows = ""
            for number in range(3):
                video(root / name / f"{name}_{number}.avi", 2 * i - 1)
                rows += f"{name}_{number}.avi {2 if number == 2 else 1} \n"
            put(root / f"testTrainMulti_7030_splits/{name}_test_split1.txt", rows)
    elif dataset.startswith("kinetics"):
        lists = {"train": "", "validate": "", "test": ""}
        for i, name in enumerate(names):
            for number, part in enumerate(("train", "train", "validate", "test")):
                video(root / part / f"id{i}{number}_000001_000011.mp4", 2 * i - 1)
                label = "" if part == "test" else f"{name},"
                lists[part] += f"{label}id{i}{number},1,11,{part}\n"
        for part, text in lists.items():
            put(
                root / f"{part}.csv",
                ("" if part == "test" else "label,") + "youtube_id,time_start,time_end,split\n" + text,
            )
    else:
        lists = {"train": [], "validation": [], "test": []}
        for i, name in enumerate(names):
            for number, part in enumerate(("train", "train", "validation", "test")):
                video(root / f"20bn-something-something-v2/{i}{number}.webm", 2 * i - 1)
                item = {"id": f"{i}{number}", "template": f"Pushing [something] {name}"}
                lists[part].append({"id": item["id"]} if part == "test" else item)
        put(root / "labels/labels.json", json.dumps({f"Pushing something {n}": str(i) for i, n in enumerate(names)}))
        for part, items in lists.items():
            put(root / f"labels/{part}.json", json.dumps(items))


@pytest.mark.parametrize("dataset", SETS)
def test_a_recipe_runs_from_official_layout_to_figures(dataset, tmp_path, capsys):
    source, working, run = tmp_path / "src", tmp_path / "working", tmp_path / "run"
    miniature(dataset, source)
    recipe = CONFIGS / f"action_{dataset}.yaml"
    split = load(ActionRecipe, recipe).data[0].split
    assert transcode.main([str(source), str(working)]) == 0
    settings = [
        f"data=[{{dataset: {dataset}, root: {working}, split: {split}}}]", "size=small", f"model={TINY}",
        "loop.steps=2", "loop.batch=2", "loop.warmup_steps=0",
        "loop.validate_every=2", "loop.save_every=2", "training_gops=2",
    ]  # fmt: skip
    assert task.main([str(recipe), "--data", str(tmp_path), "--run", str(run), "--set", *settings]) == 0
    assert export.main([str(run / "last.pt"), "--name", "tiny", "--models", str(tmp_path / "models")]) == 0
    command = [
        "evaluate",
        "action",
        "--dataset",
        dataset,
        "--root",
        str(working),
        "--model",
        str(tmp_path / "models/tiny.yaml"),
    ]
    out, said = tmp_path / "out.json", tmp_path / "said.csv"
    assert halsie([*command, "--json", str(out), "--predictions", str(said)]) == 0
    result = json.loads(out.read_text())
    assert (result["clips"], result["broken"], result["missing"]) == (2, [], [])
    assert result["top1"] in (0.0, 0.5, 1.0) and result["network_alone"] == result["top1"]
    assert len(list(csv.DictReader(said.open()))) == 2
    if dataset.startswith("kinetics") or dataset == "ssv2":  # lists without labels are predicted for
        assert halsie([*command, "--split", "test", "--json", str(out), "--predictions", str(said)]) == 0
        assert json.loads(out.read_text())["top1"] is None
        assert [row["class1"] != "" for row in csv.DictReader(said.open())] == [True, True]


def test_a_recipe_without_classes_and_without_lists_is_refused(tmp_path, capsys):
    put(tmp_path / "r.yaml", "{classes: [], loop: {steps: 1, batch: 1}, card: {}, data: [{cache: c}]}")
    assert task.main([str(tmp_path / "r.yaml"), "--data", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    assert "classes is empty" in capsys.readouterr().err
