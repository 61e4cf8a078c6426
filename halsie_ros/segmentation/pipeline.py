"""One step of segmentation on arrays: frame and events in, mask, confidence and the next state out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from halsie_ros.errors import ModelError, ParameterError
from halsie_ros.events import Events
from halsie_ros.events.voxel import bin_counts
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.inference.session import input_names, input_shape, open_session, output_names
from halsie_ros.segmentation.event_layer import FIRST_NEXT, FIRST_SPIKES, FIRST_STATE, EventLayer
from halsie_ros.segmentation.frame_input import FrameInput
from halsie_ros.segmentation.restoration import Restored, carry, restore
from halsie_ros.segmentation.scratch import Scratch
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


class SegmentationPipeline:
    """Runs a segmentation model's graphs; holds no state but the open sessions.

    Noisy and blurred frames are restored by the events before the graphs see them, unless `restoration` is off.

    Images of any size are padded to the model's multiple at the right and lower edge (the frame's last pixels are
    repeated) and the mask is cropped back. An input that the card's `inputs` does not name is ignored: what the model
    was not trained on could only mislead it.

    Args:
        card: the model: a card, a name in models/ or a path.
        threads: onnxruntime threads.
        restoration: see `halsie_ros.segmentation.restoration`.

    Raises:
        ModelError: the model is missing, damaged, or not for segmentation.
    """

    def __init__(self, card: ModelCard | str | Path, *, threads: int = 1, restoration: bool = True) -> None:
        self.card = card if isinstance(card, ModelCard) else ModelCard.load(find_model(card))
        if self.card.task != "segmentation":
            raise ModelError(f"{self.card.path}: {self.card.name} is for {self.card.task}: choose a segmentation model")
        self.card.verify()
        self._threads = threads
        self.restoration = restoration
        self._size: tuple[int, int] | None = None
        self._scratch = Scratch()
        self._front = FrameInput.of(self.card.graph("frame"))
        self._layer = EventLayer.of(self.card.graph("step"))
        self._open((self.card.size_multiple * 4, self.card.size_multiple * 4))

    def step(
        self,
        frame: np.ndarray | None,
        events: Events,
        state: State | None,
        *,
        t0_us: int,
        t1_us: int,
        size: tuple[int, int] | None = None,
        use_frame: bool = True,
        use_events: bool = True,
        restoration: bool = True,
    ) -> StepResult:
        """Segments the scene at ``t1_us``.

        A window longer than one graph step is run as several of equal length; the frame belongs to the last, as it
        shows the scene at the window's end. Without a frame the mask comes from the state, where earlier frames are
        remembered and moved along with the events, and from the events.

        Args:
            frame: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8`` grey, or None where none came.
            events: in the frame's pixels, times as ``t0_us`` and ``t1_us``; those outside ``(t0, t1]`` are ignored.
            state: of the step before, or None (fresh).
            t0_us: start of the window, microseconds.
            t1_us: end of the window; later than ``t0_us``.
            size: (H, W) where neither a frame nor a state says it.
            use_frame: False ignores the frame.
            use_events: False ignores the events.
            restoration: False gives the frame to the graphs as it is.

        Raises:
            ParameterError: no size is known, sizes differ, an array has a wrong shape or type, or the window is empty.
        """
        height, width = self._image_size(frame, state, size)
        if t1_us <= t0_us:
            raise ParameterError(f"window from {t0_us} to {t1_us} us is empty: t1_us must be later than t0_us")
        padded = self._padded(height, width)
        if padded != self._size:
            self._open(padded)
        use_frame = use_frame and self._takes("frames")
        use_events = use_events and self._takes("events")
        known, features = state.restored if state is not None else None, None
        if known is not None:
            usable = restoration and self.restoration and use_events
            known = carry(known, events.between(t0_us, t1_us)) if usable else known.outdated()
        if use_frame and frame is not None:
            known = restore(frame, known, t1_us)
            features = self._features(known, padded)
        tensors = state.tensors if state is not None and state.tensors else self._fresh()
        windows = self._windows(t0_us, t1_us)
        totals = dict.fromkeys(self._spike_names, 0.0)
        logits = np.empty(0)
        for index, (start, end) in enumerate(windows):
            last = index == len(windows) - 1
            seen = features is not None and last
            feed = {
                "dt_us": np.array([end - start], np.float32),
                "frame_valid": np.array([float(seen)], np.float32),
                **(features if features is not None and last else self._no_features),
                **tensors,
            }
            outputs = self._run_step(self._within(events, start, end) if use_events else Events.empty(), start, feed)
            tensors = {name: outputs["next_" + name.removeprefix("state_")] for name in self._state_names}
            for name in totals:
                totals[name] += float(outputs[name][0])
            logits = outputs["logits"][0]
        mask, confidence = mask_and_confidence(logits, height, width)
        rates = {
            name.removeprefix("spikes_"): total / len(windows) / self._neurons[name] for name, total in totals.items()
        }
        weight = known.weight if known is not None and features is not None else None
        return StepResult(mask, confidence, State((height, width), tensors, known), rates, len(windows), weight)

    def _takes(self, sense: str) -> bool:
        """Whether the model was trained with that input; a card that names none stands for both."""
        return not self.card.inputs or sense in self.card.inputs

    def _open(self, padded: tuple[int, int]) -> None:
        sizes = {"height": padded[0], "width": padded[1]}
        image, path = self.card.graph("frame"), self.card.graph("step")
        front, layer = self._front, self._layer
        self._scratch = Scratch()
        self._frame = open_session(front.rest if front else image, threads=self._threads, sizes=sizes, label=image)
        self._step = open_session(layer.rest if layer else path, threads=self._threads, sizes=sizes, label=path)
        names, self._outputs = input_names(self._step), output_names(self._step)
        self._shapes = {name: input_shape(self._step, name, sizes) for name in names}
        self._feature_names = output_names(self._frame)
        self._state_names = [name for name in names if name.startswith("state_")]
        self._spike_names = [name for name in self._outputs if name.startswith("spikes_")]
        if layer:
            self._event_names = [layer.spikes]
            self._state_names.insert(0, FIRST_STATE)
            self._spike_names.insert(0, FIRST_SPIKES)
            self._shapes[FIRST_STATE] = self._shapes[layer.spikes]
        else:
            self._event_names = [name for name in names if name.startswith("events")]
        wanted = {"dt_us", "frame_valid", *self._event_names, *self._feature_names, *self._state_names}
        if (
            {*names, *self._state_names} != wanted
            or not self._event_names
            or "logits" not in self._outputs
            or set(input_names(self._frame)) != ({front.planes, front.halves} if front else {"image"})
        ):
            raise ModelError(
                f"{path}: inputs {', '.join(names)} are not those of a segmentation step: export the model again"
            )
        self._no_features = {name: np.zeros(self._shapes[name], np.float32) for name in self._feature_names}
        self._neurons = {
            name: int(np.prod(self._shapes["state_" + name.removeprefix("spikes_")])) for name in self._spike_names
        }
        self._size = padded

    def _image_size(
        self, frame: np.ndarray | None, state: State | None, size: tuple[int, int] | None
    ) -> tuple[int, int]:
        if frame is not None and (
            frame.dtype != np.uint8 or frame.ndim not in (2, 3) or frame.shape[2:] not in ((), (3,))
        ):
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

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        multiple = self.card.size_multiple
        return -(-height // multiple) * multiple, -(-width // multiple) * multiple

    def _fresh(self) -> dict[str, np.ndarray]:
        return {name: np.zeros(self._shapes[name], np.float32) for name in self._state_names}

    def _features(self, known: Restored, padded: tuple[int, int]) -> dict[str, np.ndarray]:
        """What the frame graph sees in a frame."""
        height, width = padded
        if self._front is None:
            image = known.image
            below, beside = height - image.shape[1], width - image.shape[2]
            if below or beside:
                image = np.pad(image, ((0, 0), (0, below), (0, beside)), "edge")
            return dict(zip(self._feature_names, self._frame.run(None, {"image": image[None]})))
        with self._scratch.borrow((1, 3, height, width), (1, 3, height // 2, width // 2)) as (planes, halves):
            feed = self._front.fill(known.picture, planes, halves)
            return dict(zip(self._feature_names, self._frame.run(None, feed)))

    def _windows(self, t0_us: int, t1_us: int) -> list[tuple[int, int]]:
        longest = self.card.bins * self.card.bin_us
        count = step_count(t1_us - t0_us, longest)
        if count > MAX_STEPS:
            start = t1_us - MAX_STEPS * longest
            return [(t0_us, start), *self._windows(start, t1_us)]
        edges = [t0_us + (t1_us - t0_us) * index // count for index in range(count + 1)]
        return list(itertools.pairwise(edges))

    def _within(self, events: Events, start: int, end: int) -> Events:
        """The events of a graph step; none of the part of a very long window that only fades the state."""
        if step_count(end - start, self.card.bins * self.card.bin_us) > 1:
            return Events.empty()
        return events.between(start, end)

    def _run_step(self, events: Events, start: int, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The step graph's outputs by name, for events and its other inputs; see `EventLayer` for the first layer."""
        if self._layer is None:
            return dict(zip(self._outputs, self._step.run(None, feed | self._grid(events, start))))
        before = feed.pop(FIRST_STATE)
        with self._scratch.borrow(before.shape, (*before.shape[2:], before.shape[1])) as (spikes, currents):
            membrane, fired = self._layer.step(
                events, before, spikes, currents, t0_us=start, dt_us=feed["dt_us"], bin_us=self.card.bin_us
            )
            outputs = dict(zip(self._outputs, self._step.run(None, feed | {self._layer.spikes: spikes})))
        return outputs | {FIRST_NEXT: membrane, FIRST_SPIKES: np.array([fired], np.float32)}

    def _grid(self, events: Events, start: int) -> dict[str, np.ndarray]:
        """The event grid, channel after channel handed out to the graph's event inputs."""
        height, width = self._size or (0, 0)
        counts = bin_counts(
            events, t0_us=start, bin_us=self.card.bin_us, bins=self.card.bins, height=height, width=width
        )
        channels = np.cumsum([self._shapes[name][1] for name in self._event_names])
        return dict(zip(self._event_names, np.split(counts[None], channels[:-1], 1)))


def step_count(duration_us: int, longest_us: int) -> int:
    """How many steps a window is run as. A tenth of a step more than whole ones makes no further one, the last bin
    takes it: cameras are not regular to the microsecond."""
    return max(1, -(-(duration_us - longest_us // 10) // longest_us))
