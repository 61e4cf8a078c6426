"""Networks: size, shapes, time batching, what each sense can and cannot change."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from training.networks.halsie import HalsieStream, StreamConfig, warp  # noqa: E402
from training.segmentation.export import multiply_accumulates  # noqa: E402


@pytest.fixture(scope="module")
def network():
    """A network whose norms have seen data, so that neurons fire."""
    torch.manual_seed(0)
    network = HalsieStream(StreamConfig())
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # plain mean over the calls
    with torch.no_grad():
        for _ in range(3):
            network(*clip(4, 2))
    return network.eval().requires_grad_(False)


def clip(steps, items, height=64, width=96):
    return (
        torch.rand(steps, items, 3, height, width),
        torch.poisson(torch.full((steps, items, 10, height, width), 0.2)),
        torch.full((steps, items), 50_000.0),
        torch.ones(steps, items),
    )


def test_budgets_hold():
    network = HalsieStream(StreamConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) <= 2_100_000
    assert sum(multiply_accumulates(network, 480, 640).values()) <= 1.3e9


def test_all_steps_at_once_equal_one_step_at_a_time(network):
    torch.manual_seed(1)
    frames, events, dt_us, valid = clip(5, 2)
    valid[1], valid[3, 0] = 0, 0
    together, last, spikes, _ = network(frames, events, dt_us, valid)
    state, apart = (None,) * 4, []
    for step in range(5):
        scores, state, _, _ = network(
            frames[step : step + 1], events[step : step + 1], dt_us[step : step + 1], valid[step : step + 1], state
        )
        apart.append(scores)
    assert all(layer.sum() > 0 for layer in spikes)
    torch.testing.assert_close(together, torch.cat(apart), rtol=1e-4, atol=1e-4)
    for mine, theirs in zip(last, state):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_an_invalid_frame_changes_nothing(network):
    frames, events, dt_us, _ = clip(1, 1)
    features = network.frame(frames[0]), network.frame(torch.rand_like(frames[0]))
    one, other = (network.step(events[0], dt_us[0], torch.zeros(1), feature, (None,) * 4)[0] for feature in features)
    assert torch.equal(one, other)


def test_a_frame_is_remembered_after_it_is_gone(network):
    frames, events, dt_us, valid = clip(2, 1)
    nothing = torch.zeros_like(events)
    valid[1] = 0
    first, second = (network(pictures, nothing, dt_us, valid)[0][1] for pictures in (frames, frames.flip(-1)))
    assert (first - second).abs().max() > 1e-3


def test_exposure_hardly_changes_the_features(network):
    image, other = torch.rand(1, 3, 64, 96) * 0.8 + 0.1, torch.rand(1, 3, 64, 96) * 0.8 + 0.1
    for bright, dim, unlike in zip(*(network.frame(one) for one in (image, image * 0.5, other))):
        assert (bright - dim).abs().mean() < 0.25 * (bright - unlike).abs().mean()


def test_warp_moves_by_cells():
    features = torch.arange(12.0).view(1, 1, 3, 4)
    right = torch.zeros(1, 2, 3, 4)
    right[:, 0] = 1.0  # sample one cell to the right; the border repeats
    assert warp(features, right)[0, 0].tolist() == [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11]]
    up = torch.zeros(1, 2, 3, 4)
    up[:, 1] = -0.5
    assert warp(features, up)[0, 0].tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [6, 7, 8, 9]]


@pytest.mark.parametrize("config", [StreamConfig(spiking=False), StreamConfig(mixer=False), StreamConfig(classes=6)])
def test_ablations_train(config):
    network = HalsieStream(config)
    scores, _, _, _ = network(*clip(2, 2))
    assert scores.shape == (4, config.classes, 16, 24)
    scores.square().mean().backward()
    lost = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert lost == []


def test_imagenet_stages_take_torchvision_weights(shared_data):
    from training.networks.layers import MobileStages
    from training.networks.teacher import Teacher

    stages = MobileStages()
    path = shared_data / "weights" / "mobilenet_v2_imagenet_fp16.pth"
    if not path.is_file():
        pytest.skip(f"not here: {path}")
    stages.load_imagenet(path)
    source = torch.load(path, weights_only=True)
    assert torch.equal(stages.eighth[2].layers[2].conv.weight.half(), source["features.6.conv.2.weight"])
    assert torch.equal(stages.quarter[0].norm.running_var.half(), source["features.0.1.running_var"])
    teacher = Teacher(StreamConfig())
    teacher.load_imagenet(path)
    assert torch.equal(teacher.stages[17].layers[2].norm.weight.half(), source["features.17.conv.3.weight"])


def test_a_displacement_that_starts_at_zero_learns():
    features = torch.arange(12.0).view(1, 1, 3, 4)
    move = torch.zeros(1, 2, 3, 4, requires_grad=True)
    warp(features, move).sum().backward()
    assert move.grad[0, 0, 1, 1] == 1.0 and move.grad[0, 1, 1, 1] == 4.0  # the central differences along x and y


@torch.no_grad()
def test_pictures_alone_are_what_a_step_without_events_gives():
    torch.manual_seed(1)
    network = HalsieStream(StreamConfig()).eval()
    frames, _, dt_us, valid = clip(1, 3)
    nothing = torch.zeros(1, 3, 10, *frames.shape[3:])
    scores, state, spikes, _ = network(frames, nothing, dt_us * 0 + 3e4, valid)
    same = network.step(nothing[0], dt_us[0] * 0 + 3e4, valid[0], network.frame(frames[0]), (None,) * 4)
    torch.testing.assert_close(scores, same[0])
    for one, other in zip((*state, *spikes), (*same[1], *same[2])):
        torch.testing.assert_close(one, other)


@torch.no_grad()
def test_deeper_stages_begin_as_nothing_and_see_what_the_network_saw():
    torch.manual_seed(1)
    shallow, deeper = (HalsieStream(StreamConfig(deeper=more)).eval() for more in (False, True))
    missing, unknown = deeper.load_state_dict(shallow.state_dict(), strict=False)
    assert not unknown and all(name.startswith("frame_branch.") for name in missing)
    image = torch.rand(2, 3, 64, 96)
    for one, other in zip(shallow.frame(image), deeper.frame(image)):
        torch.testing.assert_close(one, other)
    assert 1.3e6 < sum(parameter.numel() for parameter in deeper.parameters()) < 2.1e6


def test_deeper_stages_take_torchvision_weights(shared_data):
    weights = shared_data / "weights" / "mobilenet_v2_imagenet_fp16.pth"
    network = HalsieStream(StreamConfig(deeper=True))
    network.frame_branch.deeper.load_imagenet(weights)
    source = torch.load(weights, weights_only=True)
    first = network.frame_branch.deeper.layers[0].layers[0].conv.weight
    last = network.frame_branch.deeper.layers[-1].layers[-1].conv.weight
    torch.testing.assert_close(first, source["features.7.conv.0.0.weight"].float())
    torch.testing.assert_close(last, source["features.13.conv.2.weight"].float())
