"""One step of segmentation on arrays: frame and events in, mask, confidence and the next state out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from halsie_ros.errors import ModelError, ParameterError
from halsie_ros.events import Events, warm
from halsie_ros.geometry import registration
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.segmentation import event_faults
from halsie_ros.segmentation.graphs import SegmentationGraphs
from halsie_ros.segmentation.restoration import Restored, carry, restore
from halsie_ros.segmentation.upsample import mask_and_confidence

MAX_STEPS = 20
"""Of a longer window only the last steps are run with their events; what came before only fades the state."""


@dataclass(frozen=True, eq=False)
class State:
    """What the network remembers after a step: a value, to be handed to the next step.

    Attributes:
        size: (H, W) of the images it belongs to, pixels.
        tensors: the graph's state by name; empty: a fresh one.
        restored: the last frame and the events since, from which a damaged frame is restored; None before the first.
    """

    size: tuple[int, int]
    tensors: dict[str, np.ndarray]
    restored: Restored | None = None

    def renewed(self) -> State:
        """A fresh state that still knows how events and frames fit together: for a break in a stream."""
        return State(self.size, {}, self.restored and self.restored.outdated())


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one step gives.

    Attributes:
        mask: class ids, ``(H, W) uint8``.
        confidence: share of the winning class times 255, ``(H, W) uint8``.
        state: to be handed to the next step.
        spikes: share of the neurons that fired, per spiking layer, averaged over the graph steps run.
        graph_steps: how often the step graph ran (a window longer than ``bins * bin_us`` is run as several).
        frame_weight: share of the frame itself in what the network saw of it, below 1 where events restored it; None
            without a frame.
    """

    mask: np.ndarray
    confidence: np.ndarray
    state: State
    spikes: dict[str, float] = field(default_factory=dict)
    graph_steps: int = 1
    frame_weight: float | None = None


class _Window(NamedTuple):
    """What one graph step covers, ``(t0_us, t1_us]``; events up to `events_from_us` only fade the state."""

    t0_us: int
    t1_us: int
    events_from_us: int

    def of(self, events: Events | None) -> Events:
        """The events that it sees."""
        return Events.empty() if events is None else events.between(self.events_from_us, self.t1_us)


class SegmentationPipeline:
    """Runs a segmentation model's graphs; holds no state but the open sessions.

    Noisy and blurred frames are restored by the events before the graphs see them, unless `restoration` is off.

    Images of any size are padded to the model's multiple at the right and lower edge (the frame's last pixels are
    repeated) and the mask is cropped back. An input that the card's `inputs` does not name is ignored: what the model
    was not trained on could only mislead it.

    Args:
        card: the model: a card, a name in models/ or a path.
        threads: onnxruntime threads.
        provider: where the graphs run: "cpu", or what else the installed onnxruntime has, see
            `inference.session.PROVIDERS`.
        restoration: see `halsie_ros.segmentation.restoration`.

    Raises:
        ModelError: the model is missing, damaged, or not for segmentation.
    """

    def __init__(
        self, card: ModelCard | str | Path, *, threads: int = 1, provider: str = "cpu", restoration: bool = True
    ) -> None:
        self.card = card if isinstance(card, ModelCard) else ModelCard.load(find_model(card))
        if self.card.task != "segmentation":
            raise ModelError(f"{self.card.path}: {self.card.name} is for {self.card.task}: choose a segmentation model")
        self.card.verify()
        self.restoration = restoration
        self._graphs = SegmentationGraphs(self.card, threads, provider)

    def step(
        self,
        frame: np.ndarray | None,
        events: Events | None,
        state: State | None,
        *,
        t0_us: int,
        t1_us: int,
        size: tuple[int, int] | None = None,
        restoration: bool = True,
        hurried: bool = False,
    ) -> StepResult:
        """Segments the scene at ``t1_us``.

        A window longer than one graph step is run as several of equal length; the frame belongs to the last, as it
        shows the scene at the window's end. Without a frame the mask comes from the state, where earlier frames are
        remembered and moved along with the events, and from the events.

        Args:
            frame: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8`` grey, or None where none came.
            events: in the frame's pixels, times as ``t0_us`` and ``t1_us``; those outside ``(t0, t1]`` are ignored.
                None where it is not known what happened in the window: that is not the same as no event.
            state: of the step before, or None (fresh).
            t0_us: start of the window, microseconds.
            t1_us: end of the window; later than ``t0_us``.
            size: (H, W) where neither a frame nor a state says it.
            restoration: False gives the frame to the graphs as it is.
            hurried: True runs a long window as one graph step, which sees the events of its end: masks of a worker that
                is behind must not cost more than others. On generated streets they are as good.

        Raises:
            ParameterError: no size is known, sizes differ, an array has a wrong shape or type, or the window is empty.
        """
        height, width = _image_size(frame, state, size)
        if t1_us <= t0_us:
            raise ParameterError(f"window from {t0_us} to {t1_us} us is empty: t1_us must be later than t0_us")
        graphs, multiple = self._graphs, self.card.size_multiple
        graphs.open((-(-height // multiple) * multiple, -(-width // multiple) * multiple))
        if not self._takes("frames"):
            frame = None
        if not self._takes("events"):
            events = None
        trusted = events if restoration and self.restoration else None
        known = carry(
            None if state is None else state.restored, None if trusted is None else trusted.between(t0_us, t1_us)
        )
        features = weight = None
        if frame is not None:
            known = restore(frame, known, t1_us)
            features, weight = graphs.features(known), known.weight
        tensors = state.tensors if state is not None else {}
        windows = self._windows(t0_us, t1_us, hurried)
        spikes = dict.fromkeys(graphs.neurons, 0.0)
        logits = np.empty(0)
        for window in windows:
            logits, tensors, fired = graphs.step(
                window.of(events),
                tensors,
                t0_us=window.events_from_us,
                dt_us=window.t1_us - window.t0_us,
                features=features if window.t1_us == t1_us else None,
            )
            for layer, number in fired.items():
                spikes[layer] += number
        mask, confidence = mask_and_confidence(logits, height, width)
        rates = {layer: number / len(windows) / graphs.neurons[layer] for layer, number in spikes.items()}
        return StepResult(mask, confidence, State((height, width), tensors, known), rates, len(windows), weight)

    def warm_up(self, size: tuple[int, int] | None = None) -> None:
        """Compiles or loads every kernel and opens the graphs, so that no frame has to wait for it.

        Kernels come from numba's cache in well under a second after the first run on a machine, which takes some ten.

        Args:
            size: (H, W) of the images to come; None: not known, the graphs are then opened with the first frame.
        """
        warm()
        registration.warm()
        event_faults.warm()
        height, width = size or (self.card.size_multiple, self.card.size_multiple)
        noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
        n, state = np.arange(4), None
        for k, frame in enumerate((noise, noise, np.zeros_like(noise))):  # a frame to restore, and a plain one
            events = Events.of(n, n, 10 * k + n + 1, n % 2)
            state = self.step(frame, events, state, t0_us=10 * k, t1_us=10 * k + 10).state

    def _takes(self, sense: str) -> bool:
        """Whether the model was trained with that input; a card that names none stands for both."""
        return not self.card.inputs or sense in self.card.inputs

    def _windows(self, t0_us: int, t1_us: int, hurried: bool) -> list[_Window]:
        """The graph steps that a window is run as."""
        longest_us = self.card.bins * self.card.bin_us
        count = step_count(t1_us - t0_us, longest_us)
        if hurried and count > 1:
            return [_Window(t0_us, t1_us, t1_us - longest_us)]
        if count > MAX_STEPS:
            start_us = t1_us - MAX_STEPS * longest_us
            short = step_count(start_us - t0_us, longest_us) == 1
            before = _Window(t0_us, start_us, t0_us if short else start_us)
            return [before, *self._windows(start_us, t1_us, hurried)]
        edges = [t0_us + (t1_us - t0_us) * index // count for index in range(count + 1)]
        return [_Window(start_us, end_us, start_us) for start_us, end_us in itertools.pairwise(edges)]


def step_count(duration_us: int, longest_us: int) -> int:
    """How many steps a window is run as. A tenth of a step more than whole ones makes no further one, the last bin
    takes it: cameras are not regular to the microsecond."""
    return max(1, -(-(duration_us - longest_us // 10) // longest_us))


def _image_size(frame: np.ndarray | None, state: State | None, size: tuple[int, int] | None) -> tuple[int, int]:
    """(H, W) as frame, state and caller say, who must agree."""
    if frame is not None and (frame.dtype != np.uint8 or frame.ndim not in (2, 3) or frame.shape[2:] not in ((), (3,))):
        raise ParameterError(f"frame is {frame.dtype} of shape {frame.shape}: give uint8 (H, W, 3) RGB or (H, W)")
    shape = None if frame is None else (int(frame.shape[0]), int(frame.shape[1]))
    known = [one for one in (shape, state.size if state else None, size) if one is not None]
    if not known:
        raise ParameterError("no frame, no state and no size: give size=(H, W) of the event sensor")
    if any(tuple(one) != tuple(known[0]) for one in known):
        raise ParameterError(
            f"image size changes from {known[1][1]}x{known[1][0]} to {known[0][1]}x{known[0][0]}: "
            "start with a fresh state (None)"
        )
    return int(known[0][0]), int(known[0][1])
