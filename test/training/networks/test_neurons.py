"""Neurons: the same numbers as snntorch, hand-computed steps, explicit state."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch")

from training.networks.neurons import LIF, LeakyUnits  # noqa: E402


def test_equals_snntorch_leaky_step_for_step_with_gradients():
    torch.manual_seed(0)
    steps, items, channels = 12, 2, 3
    currents = torch.randn(steps, items, channels, 4, 5) * 1.5
    ours = LIF(channels, tau_us=40_000)
    dt_us = torch.full((steps * items,), 10_000.0)
    beta = torch.exp(-10_000.0 * torch.exp(-ours.log_tau.detach())).view(1, channels, 1, 1)
    theirs = snntorch.Leaky(beta=beta, threshold=torch.ones(1, channels, 1, 1))

    ours_in = currents.clone().requires_grad_()
    spikes, last = ours(ours_in.flatten(0, 1), None, dt_us, steps)
    theirs_in = currents.clone().requires_grad_()
    membrane, expected = torch.zeros(items, channels, 4, 5), []
    for current in theirs_in:
        spike, membrane = theirs(current, membrane)
        expected.append(spike)
    expected = torch.stack(expected)

    assert 0.05 < expected.mean() < 0.95
    assert torch.equal(spikes.view_as(expected), expected)
    torch.testing.assert_close(last, membrane, rtol=1e-6, atol=1e-6)
    weights = torch.randn_like(expected)
    (spikes.view_as(expected) * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-4, atol=1e-5)


def test_one_neuron_by_hand():
    neuron = LIF(1, tau_us=50_000 / math.log(2))  # half of the membrane is left after 50 ms
    current = torch.tensor([0.8, 0.8, 0.0, 0.0]).view(4, 1, 1, 1)
    spikes, last = neuron(current, None, torch.full((4,), 50_000.0), 4)
    # u: 0.8; 0.4 + 0.8 = 1.2 (spike); 0.6 + 0 - 1 = -0.4; -0.2
    assert spikes.flatten().tolist() == [0, 1, 0, 0]
    assert last.item() == pytest.approx(-0.2, abs=1e-6)


def test_many_steps_at_once_equal_single_steps_with_state_carried():
    torch.manual_seed(1)
    neuron = LIF(2)
    currents, dt_us = torch.randn(6, 2, 3, 3) * 2, torch.rand(6) * 95_000 + 5_000
    together, last = neuron(currents, None, dt_us, 6)
    state, apart = None, []
    for current, dt in zip(currents, dt_us):
        spikes, state = neuron(current[None], state, dt[None], 1)
        apart.append(spikes)
    assert torch.equal(together, torch.cat(apart))
    assert torch.equal(last, state)


def test_spikes_are_the_same_with_and_without_gradients():
    torch.manual_seed(2)
    neuron = LIF(4)
    current = torch.randn(8, 4, 6, 6)
    with_gradients, _ = neuron(current, None, torch.full((8,), 30_000.0), 8)
    with torch.no_grad():
        without, _ = neuron(current, None, torch.full((8,), 30_000.0), 8)
    assert torch.equal(with_gradients.detach(), without)


def test_leak_follows_step_length_not_step_count():
    neuron = LIF(1, tau_us=50_000)
    start = torch.full((1, 1, 1, 1), 0.9)
    silence = torch.zeros(1, 1, 1, 1)
    _, once = neuron(silence, start, torch.tensor([80_000.0]))
    _, half = neuron(silence, start, torch.tensor([40_000.0]))
    _, twice = neuron(silence, half, torch.tensor([40_000.0]))
    assert once.item() == pytest.approx(twice.item(), rel=1e-6)


def test_time_constant_and_threshold_learn():
    neuron = LIF(2)
    spikes, _ = neuron(torch.randn(10, 2, 4, 4), None, torch.full((10,), 50_000.0), 5)
    spikes.sum().backward()
    assert neuron.log_tau.grad.abs().sum() > 0 and neuron.threshold.grad.abs().sum() > 0


def test_analogue_units_keep_a_running_mean():
    units = LeakyUnits(1, tau_us=50_000 / math.log(2))
    outputs, last = units(torch.tensor([1.0, 1.0, -3.0]).view(3, 1, 1, 1), None, torch.full((3,), 50_000.0), 3)
    assert outputs.flatten().tolist() == pytest.approx([0.5, 0.75, 0.0])
    assert last.item() == pytest.approx(-1.125)
