"""Motion is learned from events: examples by hand, and a network that gets better than no motion at all."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from halsie_ros.datasets.samples import Sample  # noqa: E402
from halsie_ros.events import Events  # noqa: E402
from training.core.command import TrainingError  # noqa: E402
from training.networks.halsie import HalsieStream, StreamConfig  # noqa: E402
from training.segmentation import teach_motion as motion  # noqa: E402
from training.segmentation.teach_motion import examples, main, teach  # noqa: E402

HEIGHT, WIDTH = 64, 96


class Slides:
    """Textures that slide left or right by 4 pixels in each 40 ms; every pixel that changes fires as it does."""

    def __init__(self, count, period_us=40_000):
        self.count, self.period_us = count, period_us

    def __len__(self):
        return self.count

    def sample(self, index, seed):
        random = np.random.default_rng(index)
        speed = 4 if index % 2 else -4
        texture = np.kron(random.integers(0, 2, (HEIGHT // 8, 2 * WIDTH // 8)), np.ones((8, 8))) * 160 + 40
        frames = [np.roll(texture, k * speed, 1)[:, :WIDTH].astype(np.uint8) for k in range(3)]
        x, y, t, p = [], [], [], []
        for step in range(8):
            before, after = (np.roll(texture, (step + one) * speed // 4, 1)[:, :WIDTH] for one in (0, 1))
            rows, columns = np.nonzero(before != after)
            x.append(columns), y.append(rows), p.append((after > before)[rows, columns])
            t.append(np.full(len(rows), 1 + self.period_us * (step + 1) // 4 - 2))
        times = self.period_us * np.arange(3)
        events = Events.of(*(np.concatenate(part) for part in (x, y, t, p)))
        images = np.stack(frames)[..., None].repeat(3, 3)
        labels = np.zeros((3, HEIGHT, WIDTH), np.uint8)
        return Sample("slide", times + 1, 0, images, events, labels, np.ones(3, bool), None)


def test_examples_hold_events_flow_and_length():
    counts, flow, dt_us = examples(Slides(4), range(4), 5, 3)
    assert counts.shape == (3, 10, HEIGHT, WIDTH) and flow.shape == (3, 2, HEIGHT // 8, WIDTH // 8)
    assert dt_us.tolist() == [40_000.0] * 3 and (counts[0].reshape(5, -1).sum(1) > 0).sum() == 4  # 40 ms are four bins
    middle = flow[:, 0, 2:-2, 3:-3].mean((1, 2))
    assert middle.tolist() == pytest.approx([-4, 4, -4], abs=0.8)


def test_frames_too_far_apart_are_refused():
    with pytest.raises(TrainingError, match="20 frames a second or more"):
        examples(Slides(2, period_us=80_000), range(2), 5, 10)


def test_stamps_that_tremble_about_a_step_are_cut_to_it():
    whole, cut = (examples(Slides(2, period_us=period), range(2), 5, 2) for period in (50_000, 52_000))
    assert cut[2].tolist() == [50_000.0] * 2
    assert torch.allclose(cut[1], whole[1] * 50 / 52, atol=1e-4)


def test_a_taught_network_sees_which_way_things_move():
    torch.manual_seed(0)
    network = HalsieStream(StreamConfig(event_channels=(8, 8, 16), memory=8, deep=(24, 48)))
    data, held = examples(Slides(60), range(40), 5, 40), examples(Slides(60), range(50, 58), 5, 8)
    error, still = teach(network, data, held, 120)
    assert still > 3.5 and error < 0.75 * still


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_is_used_where_the_processor_has_it(there, monkeypatch):
    used, plain = [], motion.error_px
    monkeypatch.setattr(motion, "fast_bfloat16", lambda device: there)
    monkeypatch.setattr(
        motion, "error_px", lambda *given: used.append(torch.is_autocast_enabled("cpu")) or plain(*given)
    )
    data = examples(Slides(2), range(2), 5, 2)
    teach(HalsieStream(StreamConfig(event_channels=(8, 8, 16), memory=8, deep=(24, 48))), data, data, 1)
    assert used == [there, False, False]  # a step, then each held-out example


def test_what_is_taught_already_is_kept(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(motion, "examples", lambda *_: pytest.fail("taught again"))
    out = tmp_path / "motion.pt"
    out.write_text("weights")
    recipe = str(repository / "training" / "configs" / "halsie_stream.yaml")
    assert main([recipe, "--packed", str(tmp_path), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out} is there already and is kept; delete it to teach anew\n"
    assert out.read_text() == "weights"
