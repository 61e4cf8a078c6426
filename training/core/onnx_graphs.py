"""ONNX graphs of trained networks, as the runtime wants them."""

from __future__ import annotations

import io
import warnings
from typing import Any, cast

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

OPSET = 17


def traced(
    module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], axes: dict[str, dict[int, str]] | None = None
) -> onnx.ModelProto:
    """Exports a module as one graph, its convolutions' weights in half precision, see `half_weights`.

    Args:
        module: in evaluation.
        inputs: by name, in the order in which the module takes them.
        outputs: names.
        axes: names of the axes whose sizes stay open, by input or output; None: all sizes are fixed.
    """
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is announced as old, and warns of every shape it reads
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            cast(Any, buffer),  # torch's hints know of paths only
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=axes,
        )
    model = half_weights(onnx.load_from_string(buffer.getvalue()))
    model.producer_name, model.producer_version, model.doc_string = "halsie_ros", "", ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    return model


def half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores every convolution's weight as float16 with a Cast behind it, in place.

    Nothing else: leaks (of the order of 1e-5 per microsecond) and thresholds would lose what decides a spike.
    """
    casts = []
    weights = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in weights and values.dtype == np.float32 and values.size >= 64:
            full = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), full + "_half"))
            casts.append(helper.make_node("Cast", [full + "_half"], [full], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
