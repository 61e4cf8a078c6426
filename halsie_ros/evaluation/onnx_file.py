"""A small reader of ONNX files: enough to see which node feeds which, without the `onnx` package.

Field numbers are those of onnx.proto3 (ModelProto.graph = 7 and so on); everything else is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    """The nodes of a model in order, its outputs, and the stored tensors' shapes."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    stored: dict[str, tuple[int, ...]]
    parameters: int

    def producer(self, tensor: str) -> Node | None:
        """The node that writes `tensor`; None for inputs and stored tensors."""
        return next((node for node in self.nodes if tensor in node.outputs), None)


def read_graph(path: Path) -> Graph:
    """Reads the structure of an ONNX file.

    Raises:
        ModelError: the file is missing or is not ONNX.
    """
    try:
        content = memoryview(path.read_bytes())
        graph = next(value for field, value in _fields(content) if field == 7 and isinstance(value, memoryview))
        nodes, outputs, stored, parameters = [], [], {}, 0
        for field, value in _fields(graph):
            if not isinstance(value, memoryview):
                continue
            if field == 1:
                nodes.append(_node(value))
            elif field == 5:
                name, shape, kind = _tensor(value)
                stored[name] = shape
                parameters += math.prod(shape) if kind in _FLOAT_TYPES and shape else 0
            elif field == 12:
                outputs.append(next(_text(part) for inner, part in _fields(value) if inner == 1))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
    except (StopIteration, IndexError, ValueError):
        raise ModelError(f"{path}: not a readable ONNX file; copy or export it again") from None
    return Graph(tuple(nodes), tuple(outputs), stored, parameters)


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
