"""The loop on a toy task: resuming, sharing a batch between processes, refusals, checkpoints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.core.command import TrainingError  # noqa: E402
from training.core.loop import LoopConfig, learning_rate, train  # noqa: E402


class Toy:
    """Fits a plane with dropout, so that the network draws random numbers too."""

    def __init__(self):
        torch.manual_seed(5)
        self.network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))

    def __len__(self):
        return 10

    def item(self, index, random):
        x = random.normal(size=3).astype(np.float32) + index
        return {"x": torch.from_numpy(x), "y": torch.tensor([x.sum()])}

    def loss(self, network, batch):
        loss = (network(batch["x"]) - batch["y"]).square().mean()
        return loss, {}

    def validate(self, network):
        return {"score": -float(network(torch.ones(1, 3)).square().sum())}


CONFIG = LoopConfig(steps=24, batch=4, learning_rate=0.01, warmup_steps=3, validate_every=8, save_every=4)
LOSSES = [
    374.054, 363.667, 378.601, 522.293, 209.218, 143.003, 295.03, 301.532,
    387.817, 165.515, 350.598, 200.07, 164.06, 299.434, 256.181, 174.378,
    174.577, 278.43, 224.757, 162.898, 419.128, 139.305, 47.314, 258.141,
]  # fmt: skip
"""Of 24 steps of `Toy`, from the loop as it was in one body, before it was split into parts."""


def tensors(path):
    saved = torch.load(path, weights_only=True)
    return {**{f"n {k}": v for k, v in saved["network"].items()}, **{f"a {k}": v for k, v in saved["average"].items()}}


def test_a_resumed_run_is_bit_for_bit_the_unbroken_one(tmp_path, monkeypatch):
    whole = train(Toy(), CONFIG, tmp_path / "whole")

    class Killed(Exception):
        pass

    class Fragile(Toy):
        def loss(self, network, batch):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 15:
                raise Killed
            return super().loss(network, batch)

    with pytest.raises(Killed):
        train(Fragile(), CONFIG, tmp_path / "broken")
    assert torch.load(tmp_path / "broken" / "last.pt", weights_only=True)["step"] == 12
    rest = train(Toy(), CONFIG, tmp_path / "broken", resume="auto")
    assert rest.losses == whole.losses[12:]
    one, other = (tensors(tmp_path / name / "last.pt") for name in ("whole", "broken"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert rest.best == whole.best


def test_the_losses_are_those_of_the_loop_before_it_was_split(tmp_path):
    assert train(Toy(), CONFIG, tmp_path).losses == pytest.approx(LOSSES, rel=1e-3)


def test_loading_processes_change_nothing(tmp_path):
    from dataclasses import replace

    config = replace(CONFIG, steps=6, warmup_steps=0)
    alone = train(Toy(), config, tmp_path / "alone")
    helped = train(Toy(), replace(config, workers=2), tmp_path / "helped")
    assert alone.losses == helped.losses


def test_auto_starts_afresh_and_a_named_checkpoint_must_exist(tmp_path):
    from dataclasses import replace

    short = replace(CONFIG, steps=2, warmup_steps=0)
    assert train(Toy(), short, tmp_path, resume="auto").step == 2
    with pytest.raises(TrainingError, match=r"gone\.pt: no such checkpoint"):
        train(Toy(), short, tmp_path, resume=str(tmp_path / "gone.pt"))


class Pair(NamedTuple):
    """An item, or a batch of them."""

    x: torch.Tensor
    y: torch.Tensor


def test_items_may_be_named_tuples_as_well_as_dicts(tmp_path):
    class Typed(Toy):
        def item(self, index, rng):
            return Pair(**super().item(index, rng))

        def loss(self, network, batch):
            return super().loss(network, batch._asdict())

    assert train(Typed(), CONFIG, tmp_path / "a").losses == train(Toy(), CONFIG, tmp_path / "b").losses


def test_no_half_written_checkpoint_is_left(tmp_path):
    train(Toy(), CONFIG, tmp_path)
    names = {path.name for path in tmp_path.iterdir() if path.suffix == ".pt" or path.name.startswith(".")}
    assert names == {"last.pt", "best.pt"}


def test_rate_warms_up_and_falls_to_a_hundredth():
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.steps)]
    assert rates[:3] == pytest.approx([0.01 / 3, 0.02 / 3, 0.01])
    assert rates[3] == pytest.approx(0.01) and rates[-1] < 0.0003 and sorted(rates[3:], reverse=True) == rates[3:]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"steps": 0}, "steps is 0: give a whole number, at least 1"),
        ({"steps": 10.0}, "steps is 10.0"),
        ({"batch": -2}, "batch is -2"),
        ({"batch": True}, "batch is True"),
        ({"workers": -1}, "workers is -1: give a whole number, at least 0"),
        ({"workers": 1.5}, "workers is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"validate_every": 0}, "validate_every is 0"),
        ({"save_every": "often"}, "save_every is 'often'"),
        ({"ema_decay": 1.0}, "ema_decay is 1.0"),
        ({"ema_decay": -0.1}, "ema_decay is -0.1"),
        ({"learning_rate": 0}, "learning_rate is 0: give more than 0"),
        ({"learning_rate": "1e-3"}, "learning_rate is '1e-3': give a number, in YAML like 1.0e-3"),
        ({"clip_norm": float("nan")}, "clip_norm is nan"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"warmup_steps": 99}, "warmup_steps is 99, of 10 steps"),
        ({"mixed_precision": "perhaps"}, "mixed_precision is 'perhaps': give true or false"),
    ],
)
def test_impossible_settings_are_refused(wrong, said):
    with pytest.raises(TrainingError, match=said):
        LoopConfig(**{"steps": 10, "batch": 2, **wrong})


def test_curves_are_written_where_tensorboard_is_installed(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    progress = train(Toy(), CONFIG, tmp_path)
    curves = EventAccumulator(str(tmp_path)).Reload()
    assert [one.value for one in curves.Scalars("loss")] == pytest.approx(progress.losses, rel=1e-6)
    assert [one.step for one in curves.Scalars("validation/score")] == [8, 16, 24]


SHARED = """
import json, os, sys
import torch, numpy as np
from pathlib import Path
from training.core.loop import LoopConfig, train

class Plane:
    def __init__(self):
        torch.manual_seed(5)
        self.network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.GroupNorm(2, 4), torch.nn.ReLU(),
                                           torch.nn.Flatten(), torch.nn.Linear(64, 1))
    def __len__(self): return 12
    def item(self, index, random):
        x = random.normal(size=(1, 6, 6)).astype(np.float32)
        return {"x": torch.from_numpy(x), "y": torch.tensor([float(x.sum())])}
    calls = 0
    def loss(self, network, batch):
        self.calls += 1
        if self.calls == 8 and os.environ.get("RANK") == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os._exit(9)
        return (network(batch["x"]) - batch["y"]).square().mean(), {}
    def validate(self, network):
        return {"score": 0.0}

config = LoopConfig(steps=12, batch=4, learning_rate=0.01, validate_every=6, save_every=3)
progress = train(Plane(), config, Path(sys.argv[1]), resume="auto")
if os.environ.get("RANK", "0") == "0":
    Path(sys.argv[1], "losses.json").write_text(json.dumps(progress.losses))
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
"""


def run_to_the_end(command, environment, attempts=4):
    """Exit code and output. torch's launcher now and then hangs at a restart on a busy machine: started again then.

    What is tested does not change by that: the run goes on from the checkpoint that the killed worker left, or, where
    none was written yet, the worker is killed again.
    """
    for _ in range(attempts):
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            continue
        return process.returncode, output
    return None, output


def test_two_processes_have_the_losses_of_one_and_outlive_a_killed_worker(tmp_path, repository):
    import json

    script = tmp_path / "shared.py"
    script.write_text(SHARED)
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "3",
        "--monitor-interval", "0.2", str(script),
    ]  # fmt: skip
    for folder, command in (("one", [sys.executable, str(script)]), ("two", launcher)):
        code, output = run_to_the_end([*command, str(tmp_path / folder)], environment)
        assert code == 0, output
    one, two = (json.loads((tmp_path / folder / "losses.json").read_text()) for folder in ("one", "two"))
    assert len(one) == 12 and len(two) == 6  # the second attempt went on from the checkpoint of step 6
    np.testing.assert_allclose(two, one[6:], rtol=1e-5)


@pytest.mark.parametrize("there", [True, False])
def test_mixed_precision_is_used_where_the_processor_has_it(monkeypatch, tmp_path, capsys, there):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": there, "cpu_name": "bf16"})
    seen = []

    class Watched(Toy):
        def loss(self, network, batch):
            seen.append(network(batch["x"]).dtype)
            return super().loss(network, batch)

    train(Watched(), LoopConfig(steps=2, batch=2, mixed_precision=True), tmp_path)
    assert set(seen) == {torch.bfloat16 if there else torch.float32}
    assert ("float32" in capsys.readouterr().out) == (not there)
