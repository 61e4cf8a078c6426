"""A small reader of ONNX files: which node feeds which, and a part of a graph as a graph, without the `onnx` package.

Field numbers are those of onnx.proto3 (ModelProto.graph = 7 and so on).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from halsie_ros.errors import ModelError

_FLOAT_TYPES = {1, 10, 11, 16}  # float, float16, double, bfloat16


@dataclass(frozen=True)
class Node:
    """One operation: names of the tensors that it reads and writes."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """The nodes of a model in order, its inputs and outputs, and the stored tensors' shapes."""

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    stored: dict[str, tuple[int, ...]]
    parameters: int

    def producer(self, tensor: str) -> Node | None:
        """The node that writes `tensor`; None for inputs and stored tensors."""
        return next((node for node in self.nodes if tensor in node.outputs), None)


def read_graph(path: Path, content: bytes | None = None) -> Graph:
    """Reads the structure of an ONNX file.

    Args:
        path: the file.
        content: what it holds, where that has been read already.

    Raises:
        ModelError: the file is missing or is not ONNX.
    """
    try:
        data = memoryview(path.read_bytes() if content is None else content)
        graph = next(value for field, value in _fields(data) if field == 7 and isinstance(value, memoryview))
        nodes, inputs, outputs, stored, parameters = [], [], [], {}, 0
        for field, value in _fields(graph):
            if not isinstance(value, memoryview):
                continue
            if field == 1:
                nodes.append(_node(value))
            elif field == 5:
                name, shape, kind = _tensor(value)
                stored[name] = shape
                parameters += math.prod(shape) if kind in _FLOAT_TYPES and shape else 0
            elif field == 11:
                inputs.append(_name(value))
            elif field == 12:
                outputs.append(_name(value))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
    except (StopIteration, IndexError, ValueError):
        raise ModelError(f"{path}: not a readable ONNX file; copy or export it again") from None
    return Graph(tuple(nodes), tuple(inputs), tuple(outputs), stored, parameters)


def part_of(content: bytes, inputs: Mapping[str, Sequence[int | str]], outputs: Sequence[str]) -> bytes:
    """The part of a model that computes some tensors from others, as a model of its own.

    Args:
        content: an ONNX file that `read_graph` has read.
        inputs: name and dimensions (sizes, or names of open ones) of float32 tensors that come from outside instead of
            from their nodes; inputs of the model itself stay as they are where they are needed.
        outputs: float32 tensors, also stored ones.
    """
    model = [(field, value) for field, value in _fields(memoryview(content))]
    graph = next(value for field, value in model if field == 7 and isinstance(value, memoryview))
    kept: dict[int, list[memoryview]] = {1: [], 5: [], 11: [], 12: []}
    for field, value in _fields(graph):
        if field in kept and isinstance(value, memoryview):
            kept[field].append(value)
    needed, nodes = set(outputs), []
    for message in reversed(kept[1]):  # nodes stand in the order of running
        node = _node(message)
        if any(name in needed and name not in inputs for name in node.outputs):
            needed.update(node.inputs)
            nodes.append(message)
    stored = [message for message in kept[5] if _tensor(message)[0] in needed]
    declared = {_name(message): message for message in (*kept[11], *kept[12])}
    ours = [bytes(declared[name]) for name in map(_name, kept[11]) if name in needed and name not in inputs]
    parts = [_field(1, message) for message in reversed(nodes)]
    parts += [_field(2, b"part")]
    parts += [_field(5, message) for message in stored]
    parts += [_field(11, value) for value in (*ours, *(_value_info(name, dims) for name, dims in inputs.items()))]
    parts += [_field(12, declared.get(name, _value_info(name, None))) for name in outputs]
    rest = b"".join(_field(field, value) for field, value in model if field != 7)
    return rest + _field(7, b"".join(parts))


def _name(message: memoryview) -> str:
    return next(_text(value) for field, value in _fields(message) if field == 1)


def _value_info(name: str, dimensions: Sequence[int | str] | None) -> bytes:
    """A ValueInfoProto of a float32 tensor; None leaves its shape open."""
    tensor = _field(1, 1)
    if dimensions is not None:
        dims = (_field(2, size.encode()) if isinstance(size, str) else _field(1, size) for size in dimensions)
        tensor += _field(2, b"".join(_field(1, dim) for dim in dims))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, value: bytes | memoryview | int) -> bytes:
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    return _number(number << 3 | 2) + _number(len(value)) + bytes(value)


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _node(message: memoryview) -> Node:
    inputs, outputs, name, operation = [], [], "", ""
    for field, value in _fields(message):
        if field == 1:
            inputs.append(_text(value))
        elif field == 2:
            outputs.append(_text(value))
        elif field == 3:
            name = _text(value)
        elif field == 4:
            operation = _text(value)
    return Node(name, operation, tuple(inputs), tuple(outputs))


def _tensor(message: memoryview) -> tuple[str, tuple[int, ...], int]:
    name, kind = "", 0
    shape: list[int] = []
    for field, value in _fields(message):
        if field == 1:
            shape.extend([value] if isinstance(value, int) else _varints(value))
        elif field == 2 and isinstance(value, int):
            kind = value
        elif field == 8:
            name = _text(value)
    return name, tuple(shape), kind


def _text(value: memoryview | int) -> str:
    if isinstance(value, int):
        raise ValueError("a number where a name belongs")
    return bytes(value).decode()


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place


def _varints(data: memoryview) -> Iterator[int]:
    place = 0
    while place < len(data):
        number, place = _varint(data, place)
        yield number


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Field numbers and values of a protobuf message: bytes of strings and messages, or a number."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            number, place = _varint(message, place)
            yield tag >> 3, number
            continue
        if kind == 2:
            size, place = _varint(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place + size > len(message):
            raise IndexError("cut short")
        yield tag >> 3, message[place : place + size]
        place += size
