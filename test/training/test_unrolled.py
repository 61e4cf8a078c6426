"""The paper's unrolled shape: size, shapes, gradients, every bin read."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from training.networks.unrolled import Halsie, HalsieConfig  # noqa: E402


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
