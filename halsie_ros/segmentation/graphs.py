"""A segmentation model's two graphs as onnxruntime runs them, for one size of images, and what stands before them.

What a graph begins with is done here, where it is known how: an event layer event by event (`EventLayer`), a frame's
normalisation in one pass from its bytes (`FrameInput`). A graph that begins in another way runs whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from halsie_ros.errors import ModelError
from halsie_ros.events import Events
from halsie_ros.events.voxel import bin_counts
from halsie_ros.inference.cards import ModelCard
from halsie_ros.inference.session import input_names, input_shape, open_session, output_names
from halsie_ros.segmentation.event_layer import FIRST_NEXT, FIRST_SPIKES, FIRST_STATE, EventLayer
from halsie_ros.segmentation.frame_input import FrameInput
from halsie_ros.segmentation.restoration import Restored
from halsie_ros.segmentation.scratch import Scratch


class GraphStep(NamedTuple):
    """What one run of the step graph gives.

    Attributes:
        logits: class scores at a quarter of the size, ``(C, h, w) float32``.
        tensors: the next state by name.
        spikes: neurons that fired, per spiking layer.
    """

    logits: np.ndarray
    tensors: dict[str, np.ndarray]
    spikes: dict[str, float]


class SegmentationGraphs:
    """The graphs `frame` (image to features) and `step` (events, features and state to class scores and next state).

    Args:
        card: the model's.
        threads: of onnxruntime.
        provider: where they run, see `inference.session.PROVIDERS`.

    Attributes:
        size: (H, W) of what the graphs see, as last opened.
        neurons: how many each spiking layer has at that size.

    Raises:
        ModelError: the graphs are not those of a segmentation step.
    """

    def __init__(self, card: ModelCard, threads: int, provider: str = "cpu") -> None:
        self._card, self._threads, self._provider = card, threads, provider
        self._front = FrameInput.of(card.graph("frame"))
        self._layer = EventLayer.of(card.graph("step"))
        self.size = (0, 0)
        self.neurons: dict[str, int] = {}
        self.open((card.size_multiple * 4, card.size_multiple * 4))

    def open(self, size: tuple[int, int]) -> None:
        """Opens the graphs for a size, multiples of the card's `size_multiple`; nothing where they are."""
        if size == self.size:
            return
        sizes = {"height": size[0], "width": size[1]}
        image, path = self._card.graph("frame"), self._card.graph("step")
        front, layer = self._front, self._layer
        self._scratch = Scratch()
        self._frame = self._session(front.rest if front else image, sizes, image)
        self._step = self._session(layer.rest if layer else path, sizes, path)
        names, self._outputs = input_names(self._step), output_names(self._step)
        shapes = {name: input_shape(self._step, name, sizes) for name in names}
        self._feature_names = output_names(self._frame)
        self._state_names = [name for name in names if name.startswith("state_")]
        layers = [name.removeprefix("spikes_") for name in self._outputs if name.startswith("spikes_")]
        if layer:
            self._event_names = [layer.spikes]
            self._state_names.insert(0, FIRST_STATE)
            layers.insert(0, FIRST_SPIKES.removeprefix("spikes_"))
            shapes[FIRST_STATE] = shapes[layer.spikes]
        else:
            self._event_names = [name for name in names if name.startswith("events")]
        wanted = {"dt_us", "frame_valid", *self._event_names, *self._feature_names, *self._state_names}
        is_step = {*names, *self._state_names} == wanted and self._event_names and "logits" in self._outputs
        if not is_step or set(input_names(self._frame)) != ({front.planes, front.halves} if front else {"image"}):
            raise ModelError(
                f"{path}: inputs {', '.join(names)} are not those of a segmentation step: export the model again"
            )
        self._fresh = {name: np.zeros(shapes[name], np.float32) for name in self._state_names}
        self._no_features = {name: np.zeros(shapes[name], np.float32) for name in self._feature_names}
        self._channel_ends = np.cumsum([shapes[name][1] for name in self._event_names])
        self.neurons = {layer: int(np.prod(shapes[f"state_{layer}"])) for layer in layers}
        self.size = size

    def _session(self, model: Path | bytes, sizes: dict[str, int], label: Path) -> onnxruntime.InferenceSession:
        return open_session(model, threads=self._threads, sizes=sizes, label=label, provider=self._provider)

    def features(self, seen: Restored) -> dict[str, np.ndarray]:
        """What the step graph needs of a frame; its last pixels are repeated up to `size`."""
        height, width = self.size
        if self._front is None:
            image = seen.image
            below, beside = height - image.shape[1], width - image.shape[2]
            if below or beside:
                image = np.pad(image, ((0, 0), (0, below), (0, beside)), "edge")
            return dict(zip(self._feature_names, self._frame.run(None, {"image": image[None]})))
        with self._scratch.borrow((1, 3, height, width), (1, 3, height // 2, width // 2)) as (planes, halves):
            feed = self._front.fill(seen.picture, planes, halves)
            return dict(zip(self._feature_names, self._frame.run(None, feed)))

    def step(
        self,
        events: Events,
        tensors: dict[str, np.ndarray],
        *,
        t0_us: int,
        dt_us: int,
        features: dict[str, np.ndarray] | None,
    ) -> GraphStep:
        """Runs one step of ``(t0_us, t0_us + dt_us]``.

        Args:
            events: of that time.
            tensors: the state by name; empty: a fresh one.
            t0_us: start of the first bin.
            dt_us: how long the step takes.
            features: of the frame at its end, None where there is none.
        """
        feed = {
            "dt_us": np.array([dt_us], np.float32),
            "frame_valid": np.array([float(features is not None)], np.float32),
            **(features or self._no_features),
            **(tensors or self._fresh),
        }
        outputs = self._run(events, t0_us, feed)
        return GraphStep(
            outputs["logits"][0],
            {name: outputs["next_" + name.removeprefix("state_")] for name in self._state_names},
            {layer: float(outputs[f"spikes_{layer}"][0]) for layer in self.neurons},
        )

    def _run(self, events: Events, t0_us: int, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The whole graph's outputs by name, for events and its other inputs."""
        if self._layer is None:
            return dict(zip(self._outputs, self._step.run(None, feed | self._grid(events, t0_us))))
        before = feed.pop(FIRST_STATE)
        with self._scratch.borrow(before.shape, (*before.shape[2:], before.shape[1])) as (spikes, currents):
            membrane, fired = self._layer.step(
                events, before, spikes, currents, t0_us=t0_us, dt_us=feed["dt_us"], bin_us=self._card.bin_us
            )
            outputs = dict(zip(self._outputs, self._step.run(None, feed | {self._layer.spikes: spikes})))
        return outputs | {FIRST_NEXT: membrane, FIRST_SPIKES: np.array([fired], np.float32)}

    def _grid(self, events: Events, t0_us: int) -> dict[str, np.ndarray]:
        """The event grid, channel after channel handed out to the graph's event inputs."""
        height, width = self.size
        bins, bin_us = self._card.bins, self._card.bin_us
        counts = bin_counts(events, t0_us=t0_us, bin_us=bin_us, bins=bins, height=height, width=width)
        return dict(zip(self._event_names, np.split(counts[None], self._channel_ends[:-1], 1)))
