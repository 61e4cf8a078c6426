import numpy as np
import pytest

from halsie_ros.errors import ModelError
from halsie_ros.evaluation.energy import energy_mj, graph_cost
from halsie_ros.inference.onnx_file import read_graph

onnx = pytest.importorskip("onnx")


@pytest.fixture
def step_graph(tmp_path):
    """Events (2 channels) -> 3x3 convolution, stride 2, 4 channels -> spikes; spikes and frame features -> 1x1."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    rng = np.random.default_rng(0)
    stored = {
        "w1": rng.standard_normal((4, 2, 3, 3)),
        "w2": rng.standard_normal((5, 4 + 6, 1, 1)),
        "threshold": np.array(0.5),
    }
    nodes = [
        helper.make_node("Conv", ["events", "w1"], ["current"], name="first", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Greater", ["current", "threshold"], ["fires"], name="fire"),
        helper.make_node("Cast", ["fires"], ["spikes"], name="cast", to=kind),
        helper.make_node("Concat", ["spikes", "frame_half"], ["both"], name="join", axis=1),
        helper.make_node("Conv", ["both", "w2"], ["logits"], name="second"),
        helper.make_node("Cast", ["fires"], ["again"], name="count_cast", to=kind),
        helper.make_node("ReduceSum", ["again"], ["total"], name="sum", keepdims=0),
        helper.make_node("Unsqueeze", ["total", "zero"], ["spikes_first"], name="shape"),
    ]
    graph = helper.make_graph(
        nodes,
        "step",
        [
            helper.make_tensor_value_info("events", kind, [1, 2, "height", "width"]),
            helper.make_tensor_value_info("frame_half", kind, [1, 6, "height_2", "width_2"]),
        ],
        [
            helper.make_tensor_value_info("logits", kind, [1, 5, "height_2", "width_2"]),
            helper.make_tensor_value_info("spikes_first", kind, [1]),
        ],
        [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in stored.items()]
        + [onnx.numpy_helper.from_array(np.array([0], np.int64), "zero")],
    )
    path = tmp_path / "step.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_spikes_cost_accumulates_and_analogue_channels_macs(step_graph):
    cost = graph_cost(step_graph, 8, 16)
    cells = 4 * 8
    assert cost.spiking == {"events": cells * 4 * 2 * 9, "first": pytest.approx(cells * 5 * 4)}
    assert cost.macs == pytest.approx(cells * 5 * 6)
    assert cost.event_cells == 2 * 8 * 16
    rates = {"events": 0.01, "first": 0.25}
    assert cost.accumulates(rates) == pytest.approx(0.01 * cells * 72 + 0.25 * cells * 20)


def test_the_reader_sees_wiring_outputs_and_parameters(step_graph):
    graph = read_graph(step_graph)
    assert [node.operation for node in graph.nodes][:3] == ["Conv", "Greater", "Cast"]
    assert graph.outputs == ("logits", "spikes_first")
    assert graph.stored["w2"] == (5, 10, 1, 1)
    assert graph.parameters == 4 * 2 * 9 + 5 * 10


def test_energy_of_a_thousand_million_operations_each():
    assert energy_mj(1e9, 0) == pytest.approx(4.6)
    assert energy_mj(0, 1e9) == pytest.approx(0.9)


def test_the_models_own_count_agrees(pipeline):
    cost = graph_cost(pipeline.card.graph("step"), 480, 640)
    assert cost.macs + sum(cost.spiking.values()) == pytest.approx(pipeline.card.measured["macs_640x480"]["step"])
    assert graph_cost(pipeline.card.graph("frame"), 480, 640).macs == pipeline.card.measured["macs_640x480"]["frame"]


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x3a\xff\xff\xff\x7f"])
def test_files_that_are_not_onnx_are_refused(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a readable ONNX file"):
        read_graph(path)
