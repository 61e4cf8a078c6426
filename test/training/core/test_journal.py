"""What a training prints."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.core import journal  # noqa: E402
from training.core.checkpoints import Progress  # noqa: E402
from training.core.loop_config import LoopConfig  # noqa: E402

CONFIG = LoopConfig(steps=24, batch=4)


def test_a_line_says_how_much_of_the_time_was_waited_and_how_much_is_left(monkeypatch):
    clock = iter([1000.0, 1001.0, 1011.0])
    monkeypatch.setattr(journal.time, "monotonic", lambda: next(clock, 1040.0))
    watch = journal.Stopwatch(12)
    assert watch.next(iter(["batch"])) == "batch" and watch.waited_s == 10.0
    progress = Progress(step=16, losses=[9.0] * 6 + [1.0, 2.0] * 5)
    said = journal.line(progress, CONFIG, watch)  # 4 steps in 40 s, of which 10 waited; 8 steps are left
    assert said.startswith("step 16/24 loss 1.5000 rate ")
    assert said.endswith("waiting for data 25% left 1.3 min")


def test_every_tenth_step_is_printed_and_the_last(tmp_path, capsys):
    written, watch = journal.Journal(tmp_path, CONFIG), journal.Stopwatch(0)
    capsys.readouterr()
    for step in range(1, 25):
        written.step(Progress(step=step, losses=[1.0] * step), {}, watch)
    written.close()
    assert [text.split()[1] for text in capsys.readouterr().out.splitlines()] == ["10/24", "20/24", "24/24"]
