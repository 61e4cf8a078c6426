"""Sessions: sizes fixed by name, derived ones too; errors that name the file."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ModelError, ParameterError
from halsie_ros.inference import session as sessions
from halsie_ros.inference.session import input_names, input_shape, open_session, output_names

onnx = pytest.importorskip("onnx")


@pytest.fixture
def graph(tmp_path):
    """y = 2 x on (1, height, width), and a state of a quarter of the size that passes through."""
    from onnx import TensorProto, helper, numpy_helper

    def value(name, dims):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)

    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Mul", ["x", "two"], ["y"]), helper.make_node("Identity", ["state"], ["next"])],
            "double",
            [value("x", [1, "height", "width"]), value("state", [1, "height_4", "width_4"])],
            [value("y", [1, "height", "width"]), value("next", [1, "height_4", "width_4"])],
            [numpy_helper.from_array(np.float32(2), "two")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    path = tmp_path / "double.onnx"
    onnx.save(model, path)
    return path


def test_named_sizes_are_fixed_and_quarters_follow(graph):
    session = open_session(graph, sizes={"height": 8, "width": 12})
    assert [value.shape for value in session.get_inputs()] == [[1, 8, 12], [1, 2, 3]]
    x = np.arange(96, dtype=np.float32).reshape(1, 8, 12)
    y, _ = session.run(None, {"x": x, "state": np.zeros((1, 2, 3), np.float32)})
    np.testing.assert_array_equal(y, 2 * x)


def test_shapes_of_an_open_graph_are_filled_in(graph):
    session = open_session(graph)
    assert input_names(session) == ["x", "state"] and output_names(session) == ["y", "next"]
    assert input_shape(session, "state", {"height": 16, "width": 32}) == (1, 4, 8)
    with pytest.raises(ModelError, match="no size is known for 'height_4'"):
        input_shape(session, "state", {"width": 32})
    with pytest.raises(ModelError, match="no input z, only x, state"):
        input_shape(session, "z", {})


@pytest.mark.parametrize("content", [None, b"", b"not a graph"])
def test_a_file_that_is_no_graph_is_one_line(tmp_path, content):
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx: onnxruntime cannot open") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)


def test_a_provider_that_onnxruntime_has_not_is_refused_with_those_that_it_has(graph, monkeypatch):
    monkeypatch.setattr(sessions.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ParameterError, match=r"provider cuda is not in the installed onnxruntime .* which has cpu"):
        open_session(graph, provider="cuda")
    with pytest.raises(ParameterError, match="provider 'gpu' is not known: choose one of cpu, cuda"):
        open_session(graph, provider="gpu")


def test_a_provider_that_does_not_start_is_refused_and_not_replaced_in_silence(graph, monkeypatch):
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(sessions.onnxruntime, "get_available_providers", lambda: both)
    real = sessions.onnxruntime.InferenceSession
    asked = []

    def without_driver(source, options, providers):
        asked.extend(providers)
        return real(source, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(sessions.onnxruntime, "InferenceSession", without_driver)
    with pytest.raises(ParameterError, match="provider cuda does not start on this machine"):
        open_session(graph, provider="cuda")
    assert asked == both  # what it cannot run goes to the processor
