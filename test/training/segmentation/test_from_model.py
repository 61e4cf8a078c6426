"""An exported model becomes a network again: the same answers, norms that can go on learning."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")
pytest.importorskip("onnx")

from halsie_ros.errors import ModelError  # noqa: E402
from training.core.command import TrainingError  # noqa: E402
from training.networks.halsie import HalsieStream, StreamConfig  # noqa: E402
from training.networks.teacher import StreamTeacher  # noqa: E402
from training.segmentation.export import deployed, export  # noqa: E402
from training.segmentation.from_model import grow, network_of, recalibrate_batch_norms  # noqa: E402


def clip(seed, steps=3, items=2, side=64):
    random = torch.Generator().manual_seed(seed)
    frames = torch.rand(steps, items, 3, side, side, generator=random)
    events = torch.poisson(torch.full((steps, items, 10, side, side), 0.3), generator=random)
    return frames, events, torch.full((steps, items), 3e4), torch.ones(steps, items)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = HalsieStream(StreamConfig())
    torch.nn.init.normal_(network.flow[1].weight, std=0.05)
    with torch.no_grad():
        for neurons in network.event_branch.neurons:
            neurons.threshold += 0.1 * torch.randn_like(neurons.threshold)
            neurons.log_tau += 0.1 * torch.randn_like(neurons.log_tau)
        for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
            norm.weight += 0.2 * torch.randn_like(norm.weight)
            norm.bias += 0.2 * torch.randn_like(norm.bias)
        for seed in range(3):
            network(*clip(seed))
    return network.eval().requires_grad_(False)


@pytest.fixture
def card(network, about, tmp_path):
    return export(network, "again", tmp_path, about, {})


@torch.no_grad()
def answers(network, batch):
    scores, state, spikes, _ = network.eval()(*batch)
    return scores, state, spikes


def alike(one, other):
    spikes = [float((a != b).float().mean()) for a, b in zip(one[2], other[2])]
    return max(spikes) < 2e-3 and float((one[0] - other[0]).abs().median()) < 1e-3


def test_a_model_becomes_the_network_that_it_was_made_of(network, card):
    batch = clip(7)
    again = network_of(card)
    assert alike(answers(again, batch), answers(deployed(network), batch))
    for ours, theirs in zip(again.event_branch.neurons, network.event_branch.neurons):
        assert torch.allclose(ours.threshold, theirs.threshold) and torch.allclose(ours.log_tau, theirs.log_tau)


def test_settled_norms_change_no_answer_and_know_what_they_meet(card):
    again, batches = network_of(card), [clip(seed) for seed in (11, 12)]
    before = answers(again, batches[0])
    recalibrate_batch_norms(again, batches)
    assert alike(answers(again, batches[0]), before)
    met, first = [], again.frame_branch.edges[0].norm
    first.register_forward_pre_hook(lambda _, inputs: met.append(inputs[0]))
    for batch in batches:
        answers(again, batch)
    seen = torch.cat(met)
    assert torch.allclose(first.running_mean, seen.mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(first.running_var, seen.var((0, 2, 3)), rtol=1e-2)


def test_a_settled_network_trains_on_from_where_it_was(card):
    again, batch = network_of(card), clip(11, items=6)
    recalibrate_batch_norms(again, [batch])
    wanted = answers(again, batch)[0].argmax(1)
    again.train()
    assert (again(*batch)[0].argmax(1) == wanted).float().mean() > 0.8  # batch norms, not running ones


def test_a_model_teaches_from_single_frames(card):
    again = network_of(card).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        scores = StreamTeacher(again).frame(image)
        events = torch.zeros(1, 1, 10, 64, 64)
        alone = again(image[None, :1], events, torch.full((1, 1), 5e4), torch.ones(1, 1))[0]
    assert scores.shape == (2, 11, 16, 16) and torch.allclose(scores[:1], alone, atol=1e-5)


def test_what_is_no_segmentation_model_is_refused(card, repository):
    with pytest.raises(ModelError):
        network_of(repository / "models" / "actions_mhad.yaml")
    card.write_text(card.read_text().replace("bins: 5", "bins: 4"))
    with pytest.raises(TrainingError, match="does not fit"):
        network_of(card)


def test_a_network_of_other_classes_grows_from_a_model(network, card):
    names = ("vehicle", "tree", "person", "unheard of")
    grown = HalsieStream(StreamConfig(classes=len(names), deeper=True)).eval()
    grow(grown, card, names)
    theirs, ours = network_of(card).decoder.scores, grown.decoder.scores
    for mine, yours in ((0, 8), (1, 7), (2, 3)):  # by DSEC's names: vehicle, vegetation, person
        torch.testing.assert_close(ours.weight[mine], theirs.weight[yours])
    torch.testing.assert_close(ours.weight[3], theirs.weight.mean(0))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for one, other in zip(grown.frame(image), network_of(card).eval().frame(image)):
            torch.testing.assert_close(one, other)


def test_a_network_with_deeper_stages_comes_back_from_its_model(about, tmp_path):
    torch.manual_seed(0)
    network = HalsieStream(StreamConfig(deeper=True))
    torch.nn.init.ones_(network.frame_branch.deepest.norm.weight)
    network(*clip(0))
    again = network_of(export(network.eval(), "deep", tmp_path, about, {}))
    assert again.config.deeper
    image = clip(3)[0][0]
    with torch.no_grad():
        for one, other in zip(again.eval().frame(image), network.frame(image)):
            assert float((one - other).abs().median()) < 2e-3


def test_a_network_of_other_parts_does_not_grow(card):
    with pytest.raises(RuntimeError, match="size mismatch"):
        grow(HalsieStream(StreamConfig(classes=4, memory=16)), card, ("a", "b", "c", "d"))
