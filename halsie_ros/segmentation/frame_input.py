"""What stands before a frame graph's convolutions, in one pass from bytes: planes, brought to zero mean and unit spread
by the picture's own statistics, and the same at half the size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from halsie_ros.inference.onnx_file import Graph, part_of, read_graph
from halsie_ros.inference.session import open_session
from halsie_ros.kernels import njit

_IMAGE = "image"


@dataclass(frozen=True, eq=False)
class FrameInput:
    """The begin of a frame graph.

    Attributes:
        rest: the graph without it, an ONNX file, with the inputs `planes` and `halves`.
        planes: name of the normalised picture, ``(1, 3, H, W)``.
        halves: name of its means over 2x2 pixels, ``(1, 3, H / 2, W / 2)``.
        every: the statistics are those of every so many pixels of every so many rows.
        statistics: gives mean and gain of such a sample ``(1, 3, h, w)``.
        sample: the name of that input.
    """

    rest: bytes
    planes: str
    halves: str
    every: int
    statistics: onnxruntime.InferenceSession
    sample: str

    def fill(self, picture: np.ndarray, planes: np.ndarray, halves: np.ndarray) -> dict[str, np.ndarray]:
        """The graph's inputs by name.

        Args:
            picture: ``(H, W, C) uint8``, or RGB codes 0 … 1 ``(3, H, W) float32``.
            planes: to be filled, ``(1, 3, H', W') float32`` with even sides; what lies beyond the picture gets its last
                pixels.
            halves: to be filled, ``(1, 3, H' / 2, W' / 2)``.
        """
        height, width = planes.shape[2:]
        sample = _sample(picture, (height, width), self.every)
        mean, gain = (np.float32(value.item()) for value in self.statistics.run(None, {self.sample: sample}))
        if picture.dtype == np.uint8:
            _from_bytes(picture, mean, gain, planes[0], halves[0])
        else:
            _from_codes(picture, mean, gain, planes[0], halves[0])
        return {self.planes: planes, self.halves: halves}

    @classmethod
    def of(cls, path: Path) -> FrameInput | None:
        """Takes it out of a frame graph; None where the graph begins in another way, and so must run whole."""
        content = path.read_bytes()
        graph = read_graph(path, content)
        found = _find(graph)
        if found is None:
            return None
        planes, halves, sample, mean, gain = found
        every = _every(content, sample, path)
        if every is None:
            return None
        statistics = part_of(content, {sample: (1, 3, "rows", "columns")}, [mean, gain])
        whole, half = (1, 3, "height", "width"), (1, 3, "height_2", "width_2")
        return cls(
            part_of(content, {planes: whole, halves: half}, graph.outputs),
            planes,
            halves,
            every,
            open_session(statistics, label=path),
            sample,
        )


def _find(graph: Graph) -> tuple[str, str, str, str, str] | None:
    """Names of planes, halves, sample, mean and gain where the graph begins with ``(image - mean) * gain``, the mean is
    one of a sample, and a pooling of 2x2 comes after; None where it does not."""
    readers = [node for node in graph.nodes if _IMAGE in node.inputs]
    centred = next((node for node in readers if node.operation == "Sub" and node.inputs[0] == _IMAGE), None)
    sliced = next((node for node in readers if node.operation == "Slice"), None)
    if len(readers) != 2 or centred is None or sliced is None:
        return None
    scaled = [node for node in graph.nodes if centred.outputs[0] in node.inputs]
    average = graph.producer(centred.inputs[1])
    if len(scaled) != 1 or scaled[0].operation != "Mul" or scaled[0].inputs[0] != centred.outputs[0]:
        return None
    if average is None or average.operation != "ReduceMean":
        return None
    planes = scaled[0].outputs[0]
    pooled = [node for node in graph.nodes if planes in node.inputs and node.operation == "AveragePool"]
    if len(pooled) != 1:
        return None
    return planes, pooled[0].outputs[0], average.inputs[0], centred.inputs[1], scaled[0].inputs[1]


def _every(content: bytes, sample: str, path: Path) -> int | None:
    """Which pixels a graph samples: it is asked with a picture that numbers them; None where it is no regular grid."""
    side = 64
    image = np.arange(3 * side * side, dtype=np.float32).reshape(1, 3, side, side)
    (seen,) = open_session(part_of(content, {}, [sample]), label=path).run(None, {_IMAGE: image})
    every = side // max(seen.shape[-1], 1)
    return every if np.array_equal(seen, image[:, :, ::every, ::every]) else None


def _sample(picture: np.ndarray, size: tuple[int, int], every: int) -> np.ndarray:
    """Codes 0 … 1 of every so many rows and columns, ``(1, 3, h, w) float32``; beyond the picture those of its last."""
    planes = picture.transpose(2, 0, 1) if picture.dtype == np.uint8 else picture
    if planes.shape[1:] == size:
        seen = planes[:, ::every, ::every]
    else:
        rows, columns = (np.minimum(np.arange(0, s, every), n - 1) for s, n in zip(size, planes.shape[1:], strict=True))
        seen = planes[:, rows[:, None], columns]
    sample = np.empty((1, 3, *seen.shape[1:]), np.float32)
    np.multiply(seen, np.float32(1 / 255 if picture.dtype == np.uint8 else 1), out=sample[0])
    return sample


@njit()
def _from_bytes(picture, mean, gain, planes, halves):
    height, width, channels = picture.shape
    middle, last = (1, 2) if channels == 3 else (0, 0)
    scale = np.float32(1 / 255)
    for y in range(planes.shape[1]):
        row = min(y, height - 1)
        for x in range(width):
            planes[0, y, x] = (picture[row, x, 0] * scale - mean) * gain
            planes[1, y, x] = (picture[row, x, middle] * scale - mean) * gain
            planes[2, y, x] = (picture[row, x, last] * scale - mean) * gain
        _finish(planes, halves, y, width)


@njit()
def _from_codes(picture, mean, gain, planes, halves):
    height, width = picture.shape[1:]
    for y in range(planes.shape[1]):
        for c in range(3):
            for x in range(width):
                planes[c, y, x] = (picture[c, min(y, height - 1), x] - mean) * gain
        _finish(planes, halves, y, width)


@njit(inline="always")
def _finish(planes, halves, y, width):
    """Repeats the row's last pixel beyond the picture's width; after each second row, their means."""
    quarter = np.float32(0.25)
    for c in range(3):
        for x in range(width, planes.shape[2]):
            planes[c, y, x] = planes[c, y, width - 1]
        if y % 2:
            for x in range(halves.shape[2]):
                above = planes[c, y - 1, 2 * x] + planes[c, y - 1, 2 * x + 1]
                below = planes[c, y, 2 * x] + planes[c, y, 2 * x + 1]
                halves[c, y // 2, x] = (above + below) * quarter
