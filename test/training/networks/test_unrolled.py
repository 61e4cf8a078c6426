"""The paper's unrolled shape: size, shapes, gradients, every bin read."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from training.networks.halsie import HalsieStream, StreamConfig  # noqa: E402
from training.networks.unrolled import Halsie, HalsieConfig, Windows, network_for  # noqa: E402


def test_parameters_stay_in_the_budget():
    assert sum(parameter.numel() for parameter in Halsie(HalsieConfig()).parameters()) <= 2_100_000


def test_unrolled_network_reads_every_bin():
    torch.manual_seed(0)
    network = Halsie(HalsieConfig(bins=4, classes=6)).train()
    events = torch.poisson(torch.full((2, 4, 2, 64, 96), 0.3))
    frame = torch.rand(2, 1, 64, 96)
    scores = network(events, frame)
    assert scores.shape == (2, 6, 64, 96)
    scores.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    changed = events.clone()
    changed[:, 0] = changed[:, 0].flip(-1)
    assert not torch.equal(network(changed, frame), scores)


def test_on_clips_every_step_is_a_window_of_its_own():
    torch.manual_seed(0)
    network = Windows(StreamConfig(classes=6, bins=4, unrolled=True), 10_000).eval()
    frames, events = torch.rand(3, 2, 3, 64, 96), torch.poisson(torch.full((3, 2, 8, 64, 96), 0.3))
    dt_us, valid = torch.full((3, 2), 4e4), torch.tensor([[1.0, 1], [1, 0], [0, 1]])
    scores, _, spikes, moves = network(frames, events, dt_us, valid)
    stream, *_ = HalsieStream(StreamConfig(classes=6, bins=4)).eval()(frames, events, dt_us, valid)
    assert scores.shape == stream.shape == (6, 6, 16, 24) and not spikes and not moves.any()
    alone, *_ = network(frames[1:2], events[1:2], dt_us[1:2], valid[1:2])
    assert torch.allclose(alone, scores[2:4], atol=1e-5)
    frames[1, 1] = 0.5  # not valid: nobody sees it
    assert torch.equal(network(frames, events, dt_us, valid)[0][3], scores[3])


def test_a_recipe_asks_for_either_shape():
    assert isinstance(network_for(StreamConfig(), 10_000), HalsieStream)
    assert isinstance(network_for(StreamConfig(unrolled=True), 10_000), Windows)
