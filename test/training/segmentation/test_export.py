"""Graphs against torch: issue's rule is spikes that differ in at most 1e-4 of the neurons and logits within 1e-4."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")
onnx = pytest.importorskip("onnx")

from halsie_ros.inference.cards import ModelCard  # noqa: E402
from halsie_ros.inference.session import open_session  # noqa: E402
from training.networks.halsie import EVENT_LAYERS, STATES, HalsieStream, StreamConfig  # noqa: E402
from training.segmentation.config import SegmentationConfig  # noqa: E402
from training.segmentation.export import (  # noqa: E402
    EVENT_INPUTS,
    FEATURES,
    StepGraph,
    deployed,
    export,
    graphs,
    main,
)

HEIGHT, WIDTH = 96, 128


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = HalsieStream(StreamConfig())
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    torch.nn.init.normal_(network.flow[1].weight, std=0.05)  # so that the warp takes part
    with torch.no_grad():
        for neurons in network.event_branch.neurons:  # as training leaves them: no round numbers
            neurons.threshold += 0.1 * torch.randn_like(neurons.threshold)
            neurons.log_tau += 0.1 * torch.randn_like(neurons.log_tau)
        for _ in range(2):
            events = torch.poisson(torch.full((4, 2, 10, HEIGHT, WIDTH), 0.2))
            network(torch.rand(4, 2, 3, HEIGHT, WIDTH), events, torch.full((4, 2), 5e4), torch.ones(4, 2))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def sessions(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    sizes = {"height": HEIGHT, "width": WIDTH}
    result = {}
    for role, model in graphs(network).items():
        onnx.save(model, folder / f"{role}.onnx")
        result[role] = open_session(folder / f"{role}.onnx", sizes=sizes)
    return result


def stream(steps):
    """Inputs of each step: a moving picture, its events, changing step lengths, frames that stop coming."""
    random = np.random.default_rng(3)
    picture = random.random((1, 3, HEIGHT, WIDTH + 4 * steps)).astype(np.float32)
    for step in range(steps):
        events = random.poisson(0.2, (1, 10, HEIGHT, WIDTH)).astype(np.float32)
        dt_us = np.array([random.uniform(5_000, 50_000)], np.float32)
        yield picture[..., 4 * step : 4 * step + WIDTH].copy(), events, dt_us, np.array([step % 4 < 3], np.float32)


def fresh(network):
    channels = dict(zip(STATES, (*network.config.event_channels, network.config.memory)))
    stride = {"quarter": 4, "eighth": 8, "sixteenth": 16, "memory": 8}
    return {
        f"state_{name}": np.zeros((1, channels[name], HEIGHT // stride[name], WIDTH // stride[name]), np.float32)
        for name in STATES
    }


def run_graph(sessions, image, events, dt_us, valid, state):
    features = dict(zip((f"frame_{name}" for name in FEATURES), sessions["frame"].run(None, {"image": image})))
    feed = {**dict(zip(EVENT_INPUTS, parts_of(events))), "dt_us": dt_us, "frame_valid": valid, **features, **state}
    outputs = dict(zip((value.name for value in sessions["step"].get_outputs()), sessions["step"].run(None, feed)))
    return outputs, {f"state_{name}": outputs[f"next_{name}"] for name in STATES}


def parts_of(events):
    return events[:, :6], events[:, 6:]


def run_torch(network, image, events, dt_us, valid, state):
    with torch.no_grad():
        features = network.frame(torch.from_numpy(image))
        tensors = [torch.from_numpy(one) for one in (*parts_of(events), dt_us, valid)]
        outputs = StepGraph(network)(*tensors, *features, *(torch.from_numpy(one) for one in state.values()))
    names = ["logits", *(f"next_{name}" for name in STATES), *(f"spikes_{name}" for name in EVENT_LAYERS)]
    return dict(zip(names, (one.numpy() for one in outputs)))


def spikes_of(network, outputs):
    """Which neurons fired, from the membranes that a step gives."""
    return np.concatenate(
        [
            (outputs[f"next_{name}"] > neurons.threshold.detach().numpy().reshape(1, -1, 1, 1)).ravel()
            for name, neurons in zip(EVENT_LAYERS, network.event_branch.neurons)
        ]
    )


def test_each_step_from_equal_state_agrees(network, sessions):
    reference, state, compared = deployed(network), fresh(network), 0
    for inputs in stream(8):
        expected = run_torch(reference, *inputs, state)
        outputs, state = run_graph(sessions, *inputs, state)
        mine, theirs = spikes_of(reference, outputs), spikes_of(reference, expected)
        assert theirs.mean() > 0.001
        assert (mine != theirs).mean() <= 1e-4
        counts = [[one[f"spikes_{name}"][0] for name in EVENT_LAYERS] for one in (outputs, expected)]
        assert np.abs(np.subtract(*counts)).sum() <= 1e-4 * len(theirs)
        assert sum(counts[0]) == pytest.approx(mine.sum())
        if np.array_equal(mine, theirs):
            np.testing.assert_allclose(outputs["logits"], expected["logits"], atol=1e-4, rtol=0)
            compared += 1
    assert compared >= 4


def test_twenty_free_steps_choose_the_same_classes(network, sessions):
    reference, ours, theirs = deployed(network), fresh(network), fresh(network)
    same = []
    for inputs in stream(20):
        outputs, ours = run_graph(sessions, *inputs, ours)
        expected = run_torch(reference, *inputs, theirs)
        theirs = {f"state_{name}": expected[f"next_{name}"] for name in STATES}
        same.append((outputs["logits"].argmax(1) == expected["logits"].argmax(1)).mean())
    assert np.mean(same) >= 0.999


def test_folding_and_rounding_hardly_change_the_features_and_the_first_spikes(network):
    image, events, dt_us, valid = next(stream(1))
    state, small = fresh(network), deployed(network)
    for exact, rounded in zip(*(one.frame(torch.from_numpy(image)) for one in (network, small))):
        assert (exact - rounded).abs().mean() < 0.01 * exact.abs().mean()
    rounded = run_torch(small, image, events, dt_us, valid, state)
    exact = network.event_branch(torch.from_numpy(events), [None] * 3, torch.from_numpy(dt_us), 1)[0]
    first = float(exact[0].sum())
    assert abs(first - rounded["spikes_quarter"][0]) < 0.01 * first


def test_graphs_have_the_contract_names_and_open_sizes(network):
    built = graphs(network)
    step = built["step"].graph
    assert [value.name for value in step.input] == [
        "events_early", "events_late", "dt_us", "frame_valid", "frame_quarter", "frame_eighth",
        "state_quarter", "state_eighth", "state_sixteenth", "state_memory",
    ]  # fmt: skip
    assert [value.name for value in step.output] == [
        "logits", "next_quarter", "next_eighth", "next_sixteenth", "next_memory",
        "spikes_quarter", "spikes_eighth", "spikes_sixteenth",
    ]  # fmt: skip
    dims = [dim.dim_param or dim.dim_value for dim in step.input[0].type.tensor_type.shape.dim]
    assert dims == [1, 6, "height", "width"]
    assert [dim.dim_param for dim in step.input[8].type.tensor_type.shape.dim][2:] == ["height_16", "width_16"]
    assert [value.name for value in built["frame"].graph.input] == ["image"]


def test_weights_are_stored_in_half_the_bytes(network):
    for model in graphs(network).values():
        parameters = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
        assert len(model.SerializeToString()) < 2.6 * parameters


def test_export_writes_a_card_that_verifies(network, about, tmp_path):
    card = ModelCard.load(export(network, "tried", tmp_path, about, {"miou": 0.5}))
    card.verify()
    assert card.classes[5] == "road" and card.palette.shape == (11, 3) and card.commercial_use
    assert card.measured["miou"] == 0.5
    assert card.measured["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert card.size_multiple == 32 and (card.bins, card.bin_us) == (5, 10_000)


def test_a_later_stage_takes_the_card_of_the_whole_recipe(repository, tmp_path):
    torch.manual_seed(0)
    recipe = repository / "training" / "configs" / "halsie_street.yaml"
    stage = SegmentationConfig.load(repository / "training" / "configs" / "street_frames.yaml")
    network = HalsieStream(stage.network)
    torch.save({"config": dataclasses.asdict(stage), "average": network.state_dict()}, tmp_path / "last.pt")
    command = [str(tmp_path / "last.pt"), "--name", "street", "--models", str(tmp_path)]
    assert main([*command]) == 0
    assert ModelCard.load(tmp_path / "street.yaml").inputs == ("frames",)
    assert main([*command, "--card", str(recipe)]) == 0
    assert ModelCard.load(tmp_path / "street.yaml").inputs == ("frames", "events")
