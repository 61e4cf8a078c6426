"""The modulator's steps in one pass give the numbers and the gradients of the steps written in torch."""

import pytest
import torch

from training.networks import temporal_modulator
from training.networks.temporal_modulator import SpikingTemporalModulator


def run(module, current, dt_us, state):
    leaves = [x.clone().requires_grad_() for x in (current, *state)]
    module.zero_grad()
    spikes, after = module(leaves[0], (leaves[1], leaves[2]), dt_us, 5)
    random = torch.Generator().manual_seed(7)
    outputs = (spikes, *after)
    sum((x * torch.randn(x.shape, generator=random)).sum() for x in outputs).backward()
    gradients = [x.grad for x in leaves] + [p.grad for p in module.parameters() if p.requires_grad]
    return [x.detach() for x in outputs], gradients


@pytest.mark.parametrize("kind", ["stm", "lif"])
def test_one_pass_equals_the_steps_and_their_gradients(kind, monkeypatch):
    torch.manual_seed(0)
    module = SpikingTemporalModulator(6, kind).train()
    with torch.no_grad():
        module.threshold[0] = -0.5  # below the least threshold: no gradient there
    current = torch.randn(5 * 3, 6, 4, 5) * 2
    dt_us = torch.rand(5 * 3) * 60_000 + 20_000
    dt_us[4] = 0  # padding
    state = torch.randn(3, 6, 4, 5), torch.rand(3, 6, 4, 5)
    values, gradients = run(module, current, dt_us, state)
    monkeypatch.setattr(temporal_modulator, "_plain", lambda *tensors: False)
    by_steps, by_torch = run(module, current, dt_us, state)
    assert 0.05 < values[0].mean() < 0.95
    for one, other in zip(values, by_steps):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    for one, other in zip(gradients, by_torch):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=2e-4)
