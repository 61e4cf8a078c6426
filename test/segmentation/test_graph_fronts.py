"""What runs outside the graphs, the first spiking layer and the frame's planes, gives what the whole graphs give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from halsie_ros.errors import ModelError
from halsie_ros.events import Events
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.inference.onnx_file import part_of, read_graph
from halsie_ros.inference.session import open_session
from halsie_ros.segmentation import graphs as module
from halsie_ros.segmentation.event_layer import EventLayer
from halsie_ros.segmentation.frame_input import FrameInput
from halsie_ros.segmentation.pipeline import SegmentationPipeline
from halsie_ros.segmentation.scratch import Scratch

MODELS = ("halsie_scene", "halsie_stream", "halsie_street")
HEIGHT, WIDTH = 70, 99  # no multiple of anything


@pytest.fixture(params=MODELS)
def card(request):
    return ModelCard.load(find_model(request.param))


def drive(steps=4, height=HEIGHT, width=WIDTH):
    """Frames and events of some steps of 50 ms, and of one of 130 ms; events at the borders and beyond the grid too."""
    random = np.random.default_rng(5)
    texture = np.kron(random.integers(0, 255, (height // 5 + 9, width // 5 + 9, 3)), np.ones((5, 5, 1))).astype(
        np.uint8
    )
    edges = np.cumsum([0, *[50_000] * (steps - 1), 130_000])
    for k, (t0, t1) in enumerate(itertools.pairwise(edges)):
        frame = np.ascontiguousarray(texture[k : k + height, 2 * k : 2 * k + width])
        count = 3000
        events = Events.of(
            random.integers(0, width + 200, count) % (width + 40),
            random.integers(0, height, count),
            np.sort(random.integers(t0 - 5000, t1 + 5000, count)),
            random.integers(0, 2, count),
        )
        yield (None if k == 2 else frame), events, int(t0), int(t1)


def run(pipeline, **options):
    state, results = None, []
    for frame, events, t0, t1 in drive():
        results.append(pipeline.step(frame, events, state, t0_us=t0, t1_us=t1, **options))
        state = results[-1].state
    return results


def test_masks_states_and_spikes_are_those_of_the_whole_graphs(card, monkeypatch):
    ours = SegmentationPipeline(card)
    assert ours._graphs._layer is not None and ours._graphs._front is not None
    monkeypatch.setattr(module.EventLayer, "of", lambda path: None)
    monkeypatch.setattr(module.FrameInput, "of", lambda path: None)
    whole = SegmentationPipeline(card)
    for one, other in zip(run(ours), run(whole), strict=True):
        assert (one.mask == other.mask).mean() > 0.999
        assert np.abs(one.confidence.astype(int) - other.confidence).max() <= 2
        assert one.state.tensors.keys() == other.state.tensors.keys()
        for name, tensor in one.state.tensors.items():
            assert tensor.shape == other.state.tensors[name].shape
            near = np.isclose(tensor, other.state.tensors[name], atol=1e-3)
            assert near.mean() > 0.999, name  # where a membrane meets its threshold a rounding decides
        assert one.spikes == pytest.approx(other.spikes, rel=1e-3)


def test_events_of_a_step_reach_the_first_layer_by_bin_place_and_polarity(card):
    layer = EventLayer.of(card.graph("step"))
    channels = layer.weights.shape[3]
    membrane = np.zeros((1, channels, 2, 2), np.float32)
    # Bin 1, ON, column 6 and row 1: second patch of the first row, column 2 and row 1 in it.
    events = Events.of([6, 6, 8], [1, 1, 1], [1010, 1000, 1011], [1, 1, 1])
    spikes, currents = np.empty_like(membrane), np.empty((2, 2, channels), np.float32)
    after, fired = layer.step(
        events[:1], membrane, spikes, currents, t0_us=1000, dt_us=np.array([50.0], np.float32), bin_us=9
    )
    wanted = np.clip(layer.bias + layer.weights[3, 1, 2], *layer.limits)
    assert np.allclose(after[0, :, 0, 1], wanted)
    assert np.allclose(after[0, :, 1, 1], np.clip(layer.bias, *layer.limits))
    assert fired == spikes.sum() == (after > layer.threshold[:, None, None]).sum()
    before = currents.copy()
    layer.step(events, membrane, spikes, currents, t0_us=1000, dt_us=np.array([50.0], np.float32), bin_us=9)
    assert np.array_equal(before, currents)  # at the window's start, or beyond the map: not counted


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("damaged", [False, True])
def test_planes_and_halves_are_the_graphs_own(card, channels, damaged):
    front = FrameInput.of(card.graph("frame"))
    frame = next(drive())[0][:, :, :channels]
    codes = np.broadcast_to(frame.transpose(2, 0, 1) * np.float32(1 / 255), (3, HEIGHT, WIDTH))
    padded = np.pad(codes, ((0, 0), (0, 96 - HEIGHT), (0, 128 - WIDTH)), "edge")[None]
    content = card.graph("frame").read_bytes()
    whole = open_session(part_of(content, {}, [front.planes, front.halves])).run(None, {"image": padded})
    ours = front.fill(
        codes if damaged else frame, np.empty((1, 3, 96, 128), np.float32), np.empty((1, 3, 48, 64), np.float32)
    )
    for name, wanted in zip((front.planes, front.halves), whole, strict=True):
        assert np.allclose(ours[name], wanted, atol=1e-5)


def test_a_graph_that_begins_in_another_way_runs_whole(tmp_path, card):
    assert EventLayer.of(card.graph("frame")) is None
    assert FrameInput.of(card.graph("step")) is None


def test_a_part_of_a_graph_needs_only_what_it_computes_from(card):
    path = card.graph("step")
    content, graph = path.read_bytes(), read_graph(path)
    part = read_graph(path, part_of(content, {}, ["next_quarter"]))
    assert {"state_quarter", "dt_us"} < set(part.inputs) and "state_memory" not in part.inputs
    assert part.outputs == ("next_quarter",) and part.parameters < graph.parameters / 10
    with pytest.raises(ModelError, match="not a readable ONNX file"):
        read_graph(path, content[: len(content) // 2])


def test_scratch_lends_an_array_to_one_at_a_time():
    scratch = Scratch()
    with scratch.borrow((2, 3), (2, 3)) as (one, other):
        assert one is not other and one.shape == (2, 3) and one.dtype == np.float32
    with scratch.borrow((2, 3)) as (again,):
        assert again is one or again is other
