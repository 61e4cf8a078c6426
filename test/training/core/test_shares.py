"""Work is shared by rank, survives a lost process, and a manifest says when it is whole."""

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from training.action.config import SourceConfig
from training.core.command import TrainingError
from training.core.shares import MANIFEST, UNDER_WAY, begin, check, finish, own_share

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, (0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, (1, 2)),
        ({"RANK": "0", "WORLD_SIZE": "4", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, (0, 4)),
    ],
)
def test_the_share_comes_from_torchrun_or_slurm(environment, share):
    assert own_share(environment) == share


def test_a_rank_that_cannot_be_is_named():
    with pytest.raises(TrainingError, match="RANK and WORLD_SIZE: 4/4"):
        own_share({"RANK": "4", "WORLD_SIZE": "4"})


def test_a_folder_is_whole_only_with_its_manifest_and_all_of_its_files(tmp_path):
    check(tmp_path)  # a data set as it came, without a manifest
    begin(tmp_path)
    (tmp_path / "a").write_text("1")
    assert finish(tmp_path, ["a", "b"], {}, {}) == 1
    with pytest.raises(TrainingError, match="is not whole"):
        check(tmp_path)
    assert finish(tmp_path, ["a", "b"], {"b": "damaged"}, {}) == 0
    check(tmp_path)
    assert json.loads((tmp_path / MANIFEST).read_text())["failed"] == {"b": "damaged"}
    (tmp_path / "a").write_text("cut here")
    with pytest.raises(TrainingError, match=r"files of manifest\.json are gone or cut, such as a"):
        check(tmp_path)


def write_videos(folder, count):
    folder.mkdir(parents=True)
    rows = ["path,label,group"]
    for number in range(count):
        with av.open(str(folder / f"{number}.avi"), "w") as container:
            stream = container.add_stream("mpeg4", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for t in range(40):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * t, np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        rows.append(f"{number}.avi,{'ab'[number % 2]},g{number % 3}")
    (folder / "bad.avi").write_text("no video")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")


def start(rank, *words):
    environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def test_two_processes_transcode_one_is_killed_and_the_next_run_makes_it_whole(tmp_path):
    source, target = tmp_path / "src", tmp_path / "dst"
    write_videos(source, 12)
    words = ("training.action.transcode", str(source), str(target))
    lost = start(1, *words)
    while lost.poll() is None and not any(target.rglob("*.mp4")):
        time.sleep(0.02)
    lost.send_signal(signal.SIGKILL)
    lost.wait()
    assert start(0, *words).wait() in (0, 1)  # 1: the damaged file was its share
    if (target / MANIFEST).exists():
        pytest.skip("the process was through before it was killed")
    with pytest.raises(TrainingError, match="is not whole"):
        SourceConfig(dataset="clips", root=str(target)).open(tmp_path)
    made = {path: path.stat().st_mtime_ns for path in target.glob("*.mp4")}
    assert start(1, *words).wait() in (0, 1)
    manifest = json.loads((target / MANIFEST).read_text())
    assert len(manifest["files"]) == 12 and list(manifest["failed"]) == ["bad.mp4"]
    assert not (target / UNDER_WAY).exists() and not list(target.glob("*.failed"))
    assert all(path.stat().st_mtime_ns == then for path, then in made.items())  # what was there was kept
    assert len(SourceConfig(dataset="clips", root=str(target)).open(tmp_path).labels) == 12


def test_a_cache_is_shared_in_parts_and_opens_as_one(tmp_path):
    source, caches = tmp_path / "src", tmp_path / "caches"
    write_videos(source, 5)
    words = ("training.action.cache", "clips", str(source), str(caches / "set"), "--part", "2")
    assert start(1, *words).wait() == 0
    with pytest.raises(TrainingError, match="is not whole"):
        SourceConfig(cache="set/*").open(caches)
    assert start(0, *words).wait() == 0
    joined = SourceConfig(cache="set/*").open(caches)
    assert joined.labels == ["a", "b", "a", "b", "a"]
    assert all(len(joined.gops(clip, 8, None)["end_s"]) for clip in range(5))
