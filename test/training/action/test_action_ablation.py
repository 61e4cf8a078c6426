import json

import numpy as np
import pytest
import torch
import yaml

from training.action.ablation import VARIANTS, main, rows, spikes_against_motion
from training.action.data import ClipCache
from training.networks.action_config import ActionConfig
from training.networks.compressed_video import CompressedVideoNet

TINY = {"width": 32, "channels": 8, "image_channels": 16, "layers": 1, "heads": 2, "gops": 3}


def write_cache(folder, clips=6, gops=2, steps=3):
    folder.mkdir(parents=True)
    count = clips * gops
    strength = np.linspace(0, 4, count).reshape(-1, 1, 1, 1, 1)
    rng = np.random.default_rng(0)
    np.save(folder / "image.npy", rng.integers(0, 255, (count, 3, 96, 128), np.uint8))
    np.save(folder / "motion.npy", (strength * rng.random((count, steps, 4, 24, 32))).astype(np.float16))
    np.save(folder / "residual.npy", (strength * rng.random((count, steps, 2, 48, 64))).astype(np.float16))
    np.save(folder / "dt_us.npy", np.full((count, steps), 66_667, np.float32))
    np.save(folder / "camera.npy", np.zeros((count, steps, 2), np.float32))
    np.save(folder / "end_s.npy", np.tile(np.arange(gops, dtype=np.float32) * 0.4, clips))
    np.savez(
        folder / "clips.npz", gops=[gops] * clips, label=["left", "right"] * (clips // 2),
        group=[f"g{c // 2}" for c in range(clips)], path=[f"{c}.mp4" for c in range(clips)],
    )  # fmt: skip
    return folder


@pytest.mark.filterwarnings("ignore")
def test_one_command_trains_and_measures_every_variant_once(tmp_path, capsys):
    write_cache(tmp_path / "c")
    loop = {"steps": 9, "batch": 2, "learning_rate": 1e-3}
    fields = {"classes": ["left", "right"], "loop": loop, "card": {}, "data": [{"cache": "c"}], "model": TINY}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(fields))
    arguments = [str(tmp_path / "r.yaml"), "--data", str(tmp_path), "--run", str(tmp_path / "run")]
    arguments += ["--hold-out", "g1", "--steps", "1", "--batch", "2", "--gops", "2"]
    assert main(arguments) == 0
    table = json.loads((tmp_path / "run/table.json").read_text())
    assert list(table) == list(VARIANTS)
    assert set(table["whole"]) >= {"all", "image alone", "motion alone", "residual alone", "last 1 GOPs"}
    assert all(row["all"] in (0.0, 0.5, 1.0) for row in table.values())  # two clips are held out
    marked = tmp_path / "run/whole/measured.json"
    marked.write_text(json.dumps({**table["whole"], "all": 0.25}))
    capsys.readouterr()
    assert main(arguments) == 0
    assert "| whole | 25.0 |" in capsys.readouterr().out


def test_more_motion_brings_more_spikes(tmp_path):
    torch.manual_seed(0)
    cache = ClipCache.load(write_cache(tmp_path / "c"))
    network = CompressedVideoNet(ActionConfig(2, **TINY)).eval()
    for encoder in (network.motion, network.residual):
        encoder.conv1.weight.data.abs_()
    found = spikes_against_motion(network, [(cache, clip, 0) for clip in range(6)])
    quarters = found["spikes by quarter of motion"]
    assert quarters[0] < quarters[-1] and found["correlation"] > 0.5
    assert spikes_against_motion(CompressedVideoNet(ActionConfig(2, neuron="analogue", **TINY)), []) == {}


def test_the_table_shows_a_variant_without_spikes():
    spiking = {"all": 0.5, "spikes by quarter of motion": [1.0, 2.0, 3.0, 4.0], "correlation": 0.5}
    lines = rows({"whole": spiking, "no spiking": {"all": 0.25}})
    assert lines[2] == "| whole | 50.0 | 1, 2, 3, 4 |"
    assert lines[3] == "| no spiking | 25.0 | none |"
