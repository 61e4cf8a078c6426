"""What an inference costs: 4.6 pJ a multiply-accumulate, 0.9 pJ an accumulate.

Figures of 45 nm CMOS, 32 bit (Horowitz, ISSCC 2014), as HALSIE's paper counts. A convolution or matrix product on
analogue values costs one MAC per weight and position. Where its input channels are spikes (or event counts), nothing
is multiplied: each spike adds its weights, so accumulates = dense operations x spikes per input cell, as measured.
Neuron updates, resizing and other element-wise work are not counted, as in the paper.

Shapes come from one run of the graph itself (the session's profile), the wiring from the ONNX file.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from halsie_ros.inference.onnx_file import Graph, Node, read_graph
from halsie_ros.inference.session import input_names, input_shape

Shape = tuple[int, ...]
Shapes = tuple[tuple[Shape, ...], Shape]
"""Of a node's inputs, and of its output."""
MAC_PJ = 4.6
ACCUMULATE_PJ = 0.9
EVENT_INPUT = "events"
"""What the names of inputs that hold event counts start with, and the name under which their cost is given."""
_SPIKE_OUTPUT = "spikes_"
_PASSING = {"Cast", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Unsqueeze", "Gather", "Transpose"}
_PRODUCTS = {"Conv", "MatMul", "Gemm", "ConvTranspose"}


@dataclass(frozen=True)
class Cost:
    """Dense operations of a graph at one input size.

    Attributes:
        macs: operations on analogue values.
        spiking: operations on spikes by the layer that sends them ("events" for the event counts themselves);
            multiplied by that layer's spikes per cell they become accumulates.
        event_cells: cells of the event grid; 0 for a graph that takes no events.
    """

    macs: float
    spiking: dict[str, float]
    event_cells: int

    def accumulates(self, rates: dict[str, float]) -> float:
        """Accumulates for measured spikes per neuron and run by layer ("events": events per cell of the grid)."""
        return sum(operations * rates[name] for name, operations in self.spiking.items())


def energy_mj(macs: float, accumulates: float) -> float:
    """Millijoules of so many operations."""
    return (macs * MAC_PJ + accumulates * ACCUMULATE_PJ) * 1e-9


def graph_cost(path: Path, height: int, width: int) -> Cost:
    """Counts the operations of an ONNX graph for an input of `height` x `width` pixels.

    Raises:
        ModelError: the file is not ONNX.
    """
    graph = read_graph(path)
    shapes = _profile(path, height, width)
    sources, event_cells = _spike_sources(graph, shapes)
    macs, spiking = 0.0, defaultdict[str, float](float)
    for node in graph.nodes:
        inputs, output = shapes.get(node.name, ((), ()))
        # the profile leaves stored weights out; a matrix product does not need their shape
        if node.operation in _PRODUCTS and len(inputs) > (0 if node.operation in ("MatMul", "Gemm") else 1):
            operations = _operations(node.operation, inputs, output)
            share = sources.get(node.inputs[0], {})
            for name, part in share.items():
                spiking[name] += operations * part
            macs += operations * (1 - sum(share.values()))
        else:
            _propagate(node, inputs, sources)
    return Cost(macs, dict(spiking), event_cells)


def _operations(operation: str, inputs: tuple[Shape, ...], output: Shape) -> float:
    """Multiplications of a dense product: a convolution's weight is (out, in / groups, kh, kw)."""
    if operation == "Conv":
        return float(math.prod(output) * math.prod(inputs[1][1:]))
    if operation == "ConvTranspose":
        return float(math.prod(inputs[0]) * math.prod(inputs[1][1:]))
    return float(math.prod(output) * inputs[0][-1])


def _propagate(node: Node, inputs: tuple[Shape, ...], sources: dict[str, dict[str, float]]) -> None:
    """Hands the shares of spikes among a tensor's channels on to what is only rearranged."""
    if node.operation == "Concat" and any(name in sources for name in node.inputs) and inputs:
        channels = [shape[1] if len(shape) > 1 else 1 for shape in inputs]
        share: defaultdict[str, float] = defaultdict(float)
        for tensor, count in zip(node.inputs, channels, strict=False):
            for name, part in sources.get(tensor, {}).items():
                share[name] += part * count / sum(channels)
        sources[node.outputs[0]] = dict(share)
    elif node.operation in _PASSING and node.inputs and node.inputs[0] in sources:
        for tensor in node.outputs:
            sources.setdefault(tensor, sources[node.inputs[0]])


def _spike_sources(graph: Graph, shapes: dict[str, Shapes]) -> tuple[dict[str, dict[str, float]], int]:
    """Tensors that hold nothing but spikes, found upwards from the outputs that count them; cells of the grid."""
    sources: dict[str, dict[str, float]] = {}
    cells: dict[str, int] = {}
    for node in graph.nodes:
        for index, tensor in enumerate(node.inputs):
            if tensor.startswith(EVENT_INPUT) and graph.producer(tensor) is None and node.name in shapes:
                sources[tensor] = {EVENT_INPUT: 1.0}
                cells[tensor] = math.prod(shapes[node.name][0][index])
    for output in graph.outputs:
        if not output.startswith(_SPIKE_OUTPUT):
            continue
        name, tensor, summed = output[len(_SPIKE_OUTPUT) :], output, False
        while (producer := graph.producer(tensor)) is not None:
            if producer.operation == "ReduceSum":
                summed = True
            elif summed and producer.operation not in _PASSING:
                break
            tensor = producer.inputs[0]
            if summed:
                sources[tensor] = {name: 1.0}
    return sources, sum(cells.values())


def _profile(path: Path, height: int, width: int) -> dict[str, Shapes]:
    """Input and output shapes of every node, by name, from one run on zeros."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.log_severity_level = 3
    sizes = {"height": height, "width": width}
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = input_names(session)
        session.run(None, {name: np.zeros(input_shape(session, name, sizes), np.float32) for name in names})
        records = json.loads(Path(session.end_profiling()).read_text())
    shapes = {}
    for record in records:
        arguments = record.get("args", {})
        if record["name"].endswith("_kernel_time") and "output_type_shape" in arguments:
            inputs, outputs = (
                tuple(tuple(next(iter(entry.values()))) for entry in arguments[key])
                for key in ("input_type_shape", "output_type_shape")
            )
            shapes[record["name"].removesuffix("_kernel_time")] = (inputs, outputs[0] if outputs else ())
    return shapes
