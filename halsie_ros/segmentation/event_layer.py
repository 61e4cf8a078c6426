"""The first spiking layer of a step graph, run event by event.

Its convolution takes patches of 4x4 pixels that do not overlap, so an event adds one row of weights to one cell of the
map: work per event, and none for the pixels that saw nothing, whose dense grid (2 * bins * H * W numbers) need not
exist at all. The same layer as the graph's own, whose sums are in another order; the graph begins with its spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from halsie_ros.events import Events
from halsie_ros.inference.onnx_file import Graph, Node, part_of, read_graph
from halsie_ros.inference.session import open_session
from halsie_ros.kernels import njit

FIRST_STATE, FIRST_NEXT, FIRST_SPIKES = "state_quarter", "next_quarter", "spikes_quarter"
"""The graph's names of the layer's membranes before and after a step, and of how many of its neurons fired."""
_SIDE = 4


@dataclass(frozen=True)
class _Names:
    """Tensors of the layer in its graph: the parts' weights in the order of their channels, and what else decides."""

    weights: tuple[str, ...]
    bias: str
    low: str
    high: str
    leak: str
    threshold: str
    spikes: str


@dataclass(frozen=True, eq=False)
class EventLayer:
    """The layer's numbers.

    Attributes:
        rest: the step graph without this layer, an ONNX file; it has the input `spikes` instead of events and
            membranes.
        spikes: that input's name.
        weights: of an event by bin and polarity, row and column in its patch, ``(2 * bins, 4, 4, C) float32``.
        bias: ``(C,) float32``.
        limits: of a current.
        threshold: ``(C,) float32``.
        leaks: gives the share of the membrane that is left after `dt_us`.
    """

    rest: bytes
    spikes: str
    weights: np.ndarray
    bias: np.ndarray
    limits: np.ndarray
    threshold: np.ndarray
    leaks: onnxruntime.InferenceSession

    def step(
        self,
        events: Events,
        membrane: np.ndarray,
        spikes: np.ndarray,
        currents: np.ndarray,
        *,
        t0_us: int,
        dt_us: np.ndarray,
        bin_us: int,
    ) -> tuple[np.ndarray, int]:
        """One step of ``(t0, t0 + bins * bin_us]``; events after the last bin count to it, see `voxel.bin_counts`.

        Args:
            events: in any order.
            membrane: before the step, ``(1, C, H / 4, W / 4) float32``; not changed.
            spikes: to be filled with 0 or 1, of the membrane's shape.
            currents: room for the currents, ``(H / 4, W / 4, C) float32``.
            t0_us: start of the first bin.
            dt_us: length of the step, ``(1,) float32``.
            bin_us: width of a bin.

        Returns:
            The membrane after the step; how many neurons fired.
        """
        (leak,) = self.leaks.run(None, {"dt_us": dt_us})
        after = np.empty_like(membrane)
        _add_events(events.x, events.y, events.t_us, events.polarity, t0_us, bin_us, self.weights, self.bias, currents)
        fired = _fire(
            currents, membrane[0], leak.reshape(-1), self.threshold, self.limits[0], self.limits[1], after[0], spikes[0]
        )
        return after, fired

    @classmethod
    def of(cls, path: Path) -> EventLayer | None:
        """Takes the layer out of a step graph; None where the graph begins in another way, and so must run whole."""
        content = path.read_bytes()
        graph = read_graph(path, content)
        names = _find(graph, [name for name in graph.inputs if name.startswith("events")])
        if names is None:
            return None
        constants = [*names.weights, names.bias, names.low, names.high, names.threshold]
        values = open_session(part_of(content, {}, constants), label=path).run(None, {})
        parts, (bias, low, high, threshold) = values[: len(names.weights)], values[len(names.weights) :]
        weights = np.concatenate(parts, 1)
        if weights.shape[2:] != (_SIDE, _SIDE):
            return None
        outputs = [name for name in graph.outputs if name not in (FIRST_NEXT, FIRST_SPIKES)]
        shape = (1, weights.shape[0], f"height_{_SIDE}", f"width_{_SIDE}")
        return cls(
            part_of(content, {names.spikes: shape}, outputs),
            names.spikes,
            np.ascontiguousarray(weights.transpose(1, 2, 3, 0), np.float32),
            bias.astype(np.float32),
            np.array([low, high], np.float32),
            np.ascontiguousarray(threshold.reshape(-1), np.float32),
            open_session(part_of(content, {}, [names.leak]), label=path),
        )


def _find(graph: Graph, event_inputs: Sequence[str]) -> _Names | None:
    """The layer's tensors where the graph has, for the membrane u, current i and threshold h of the first layer,
    ``next = leak * u + clip(i) - (u > h) * h`` and spikes ``next > h``; None where it has not."""

    def made(tensor: str, operation: str) -> Node | None:
        node = graph.producer(tensor)
        return node if node is not None and node.operation == operation else None

    def one(tensors: Sequence[str], operation: str) -> Node | None:
        found = [node for node in (made(tensor, operation) for tensor in tensors) if node is not None]
        return found[0] if len(found) == 1 else None

    def other(node: Node, tensor: str) -> str | None:
        return next((name for name in node.inputs if name != tensor), None) if tensor in node.inputs else None

    after = made(FIRST_NEXT, "Sub")
    charged = made(after.inputs[0], "Add") if after else None
    reset = made(after.inputs[1], "Mul") if after else None
    kept = one(charged.inputs, "Mul") if charged else None
    current = one(charged.inputs, "Clip") if charged else None
    counted = made(FIRST_SPIKES, "Reshape")
    summed = made(counted.inputs[0], "ReduceSum") if counted else None
    fired = made(summed.inputs[0], "Cast") if summed else None
    above = made(fired.inputs[0], "Greater") if fired else None
    flag = one(reset.inputs, "Cast") if reset else None
    before = made(flag.inputs[0], "Greater") if flag else None
    if not (kept and current and reset and flag and before and fired and above) or len(current.inputs) != 3:
        return None
    leak, threshold = other(kept, FIRST_STATE), above.inputs[1]
    if leak is None or above.inputs[0] != FIRST_NEXT or before.inputs != (FIRST_STATE, threshold):
        return None
    if other(reset, flag.outputs[0]) != threshold:
        return None
    convolutions, sums = [], [current.inputs[0]]
    while sums:
        node = graph.producer(sums.pop())
        if node is not None and node.operation == "Add":
            sums.extend(node.inputs)
        elif node is not None and node.operation == "Conv":
            convolutions.append(node)
        else:
            return None
    by_input = {node.inputs[0]: node for node in convolutions}
    biases = [node.inputs[2] for node in convolutions if len(node.inputs) == 3]
    if set(by_input) != set(event_inputs) or len(by_input) != len(convolutions) or len(biases) != 1:
        return None
    weights = tuple(by_input[name].inputs[1] for name in event_inputs)
    return _Names(weights, biases[0], current.inputs[1], current.inputs[2], leak, threshold, fired.outputs[0])


@njit()
def _add_events(x, y, t, p, t0_us, bin_us, weights, bias, currents):
    """Fills ``currents (h, w, C)`` with the bias and each event's weights."""
    height, width, channels = currents.shape
    cells = currents.reshape(height * width, channels)
    rows = weights.reshape(-1, channels)
    bins = weights.shape[0] // 2
    for cell in range(height * width):
        for c in range(channels):
            cells[cell, c] = bias[c]
    lower, upper, index = t0_us, t0_us + bin_us, 0
    for i in range(len(t)):
        now = t[i]
        if now <= t0_us:
            continue
        if now <= lower or now > upper:
            index = min((now - t0_us - 1) // bin_us, bins - 1)
            lower = t0_us + index * bin_us
            upper = lower + bin_us if index < bins - 1 else np.iinfo(np.int64).max
        row, column = np.int64(y[i]) >> 2, np.int64(x[i]) >> 2
        if row < height and column < width:
            place = np.uint64(row * width + column)
            kind = np.uint64(((2 * index + np.int64(p[i])) * 4 + (np.int64(y[i]) & 3)) * 4 + (np.int64(x[i]) & 3))
            for c in range(channels):
                cells[place, c] += rows[kind, c]


@njit()
def _fire(currents, membrane, leak, threshold, low, high, after, spikes):
    """Charges the membranes ``(C, h, w)``, resets those that had fired, and lets those above the threshold fire."""
    channels, height, width = membrane.shape
    line = np.empty((channels, width), np.float32)
    fired = 0
    one, zero = np.float32(1), np.float32(0)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                line[c, x] = min(max(currents[y, x, c], low), high)
        for c in range(channels):
            limit, share = threshold[c], leak[c]
            count = 0
            for x in range(width):
                was = membrane[c, y, x]
                now = share * was + line[c, x] - (limit if was > limit else zero)
                after[c, y, x] = now
                spikes[c, y, x] = one if now > limit else zero
                count += now > limit
            fired += count
    return fired
