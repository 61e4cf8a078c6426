"""Processes that share a batch: they divide it, meet, agree on a step and wait for one another."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.core import processes  # noqa: E402
from training.core.command import TrainingError  # noqa: E402
from training.core.processes import Processes  # noqa: E402


def test_a_batch_that_processes_cannot_share_is_refused():
    assert Processes(1, 2).share(4) == 2
    with pytest.raises(TrainingError, match="batch is 4, for 3 processes: give a multiple of 3"):
        Processes(0, 3).share(4)


def test_the_place_in_the_group_is_what_the_launcher_says(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert Processes.of_environment() == Processes(0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert Processes.of_environment() == Processes(2, 3)


def test_one_process_alone_agrees_and_waits_for_nobody(tmp_path):
    alone = Processes()
    alone.join("gloo"), alone.wait(), alone.agree(None, tmp_path)
    assert alone.mean(torch.tensor(3.0)) == 3.0 and not torch.distributed.is_initialized()


def test_processes_wait_for_hours_while_one_validates(monkeypatch):
    joined = {}
    store = torch.distributed.HashStore()
    monkeypatch.setattr(processes.distributed, "rendezvous", lambda *_: iter([(store, 0, 2)]))
    monkeypatch.setattr(processes.distributed, "init_process_group", lambda backend, **given: joined.update(given))
    Processes(0, 2).join("nccl")
    assert joined["timeout"].total_seconds() >= 3600


APART = """
import os, sys
from dataclasses import replace
from pathlib import Path
import torch
from training.core.command import command
from training.core.loop import LoopConfig, train

class Line:
    network = torch.nn.Linear(1, 1)
    def __len__(self): return 4
    def item(self, index, random): return {"x": torch.ones(1)}
    def loss(self, network, batch): return network(batch["x"]).square().mean(), {}
    def validate(self, network): return {"score": 0.0}

config, run = LoopConfig(steps=4, batch=2), Path(sys.argv[1])
if os.environ["RANK"] == "0":  # this one was here before
    os.environ["WORLD_SIZE"] = "1"
    train(Line(), replace(config, steps=2), run)
    os.environ["WORLD_SIZE"] = "2"
for resume in ("auto", str(run / "last.pt")):
    print(command(lambda: train(Line(), config, run, resume=resume).step)())
"""


def test_processes_that_do_not_share_a_folder_are_refused_and_do_not_wait(tmp_path, two_processes):
    for code, output, errors in two_processes(APART, [tmp_path / "first"], [tmp_path / "second"]):
        assert code == 0, errors
        assert output.splitlines()[-2:] == ["1", "1"]
        said = [line for line in errors.splitlines() if line.startswith("error: ")]
        assert "would go on from steps 2, 0: give a run folder that all nodes share" in said[0]
        assert "would go on from steps 2, None: give a run folder" in said[1]
