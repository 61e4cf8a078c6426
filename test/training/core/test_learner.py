"""One step of a training: its rate, its random numbers, what it changes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from training.core.learner import Learner, parameter_groups, update_ema  # noqa: E402
from training.core.loop_config import LoopConfig  # noqa: E402
from training.core.processes import Processes  # noqa: E402

CONFIG = LoopConfig(steps=10, batch=2, learning_rate=0.01, warmup_steps=4, weight_decay=0.5)


def learner(config=CONFIG):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
    return Learner(network, config, torch.device("cpu"), Processes())


def squares(network, batch):
    return network(batch).square().mean(), {"size": float(len(batch))}


def test_a_step_draws_its_random_numbers_from_the_seed_and_its_number_alone():
    batch = torch.ones(8, 3)
    first, again, other = (learner().step(squares, batch, number)[0] for number in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, learner(replace(CONFIG, seed=1)).step(squares, batch, 3)[0])


def test_a_step_gives_loss_and_figures_and_changes_network_and_average():
    taught = learner()
    before = taught.network[0].weight.clone()
    loss, figures = taught.step(squares, torch.ones(8, 3), 0)
    assert figures == {"size": 8.0} and not loss.requires_grad
    after, average = taught.network[0].weight, taught.ema[0].weight
    assert not torch.equal(after, before)
    assert torch.allclose(average, 0.1 * before + 0.9 * after)  # the first step's decay is 0.1
    assert taught.optimizer.param_groups[0]["lr"] == pytest.approx(0.0025) == taught.optimizer.param_groups[1]["lr"]


def test_a_large_gradient_is_cut_to_the_norm():
    taught = learner(replace(CONFIG, clip_norm=0.25))
    taught.step(lambda network, batch: ((1e6 * network(batch)).mean(), {}), torch.ones(8, 3), 0)
    norms = [float(one.grad.norm()) for one in taught.network.parameters()]
    assert math.hypot(*norms) == pytest.approx(0.25, rel=1e-4)


def test_only_what_learns_is_optimized_and_only_weights_decay():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(4, 1))
    network[2].requires_grad_(False)
    wide, narrow = parameter_groups(network, 0.5)
    assert [tuple(one.shape) for one in wide["params"]] == [(2, 1, 3, 3)] and wide["weight_decay"] == 0.5
    assert [tuple(one.shape) for one in narrow["params"]] == [(2,)] * 3 and narrow["weight_decay"] == 0.0


def test_the_average_follows_quickly_at_first_and_slowly_later_and_counters_are_copied():
    network, average = (torch.nn.BatchNorm2d(1) for _ in range(2))
    for step, decay in ((0, 0.1), (1, 2 / 11), (10_000, 0.99)):
        with torch.no_grad():
            average.weight.fill_(2.0), network.weight.fill_(7.0), network.num_batches_tracked.fill_(step)
        update_ema(average, network, 0.99, step)
        assert average.weight.item() == pytest.approx(decay * 2 + (1 - decay) * 7)
        assert average.num_batches_tracked.item() == step
