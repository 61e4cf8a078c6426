"""From a synchronised step to a mask: geometry, sizes, and the state that goes from step to step."""

from __future__ import annotations

from collections import Counter

import numpy as np

from halsie_ros.errors import GeometryError
from halsie_ros.events import Events
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.segmentation.pipeline import SegmentationPipeline, State, StepResult
from halsie_ros.segmentation.synchronizer import Step

COARSEST = 1.3
"""Image pixels per event pixel, or the other way round, up to which events can restore frames pixel by pixel."""


class Engine:
    """Runs a pipeline over the steps of one stream.

    Args:
        pipeline: the model.
        alignment: how events get into the image frame; its calibrations may be set at any time.

    Attributes:
        problem: why events cannot be used, in one line; empty when they can.
        counts: `events_outside` the image, `fresh_start` after a gap or a jump, `size_change`, `restored_frame` where
            events restored a noisy or blurred frame.
        image_size: (height, width) of the newest image, None before the first.
    """

    def __init__(self, pipeline: SegmentationPipeline, alignment: Alignment) -> None:
        self.pipeline = pipeline
        self.alignment = alignment
        self.problem = ""
        self.counts: Counter[str] = Counter()
        self.image_size: tuple[int, int] | None = None
        self._state: State | None = None
        self._pixel_by_pixel = True

    def run(self, step: Step, image: np.ndarray | None, sensor_size: tuple[int, int] | None) -> StepResult | None:
        """Segments one step.

        Args:
            step: from the synchroniser.
            image: the step's frame, ``(H, W, 3)`` or ``(H, W)`` uint8, or None between frames.
            sensor_size: (height, width) of the event sensor, None where no event message has come.

        Returns:
            The result at the image's size (the sensor's while no image has come); None where there is nothing to
            segment, because neither image nor usable events are there.
        """
        if image is not None:
            self.image_size = (image.shape[0], image.shape[1])
        size = self.image_size or sensor_size
        if size is None:
            return None
        events = self._registered(step, size, sensor_size)
        if image is None and events is None:
            return None
        if self._state is not None and (step.fresh or self._state.size != size):
            self.counts["fresh_start" if step.fresh else "size_change"] += 1
            self._state = self._state.renewed() if self._state.size == size else None
        result = self.pipeline.step(
            image,
            Events.empty() if events is None else events,
            self._state,
            t0_us=step.t0_us,
            t1_us=step.t1_us,
            size=size,
            use_frame=step.use_frame,
            use_events=events is not None,
            restoration=self._pixel_by_pixel and step.stamp_ns // 1000 >= step.t1_us,  # a late frame shows the past
        )
        self._state = result.state
        if result.frame_weight is not None and result.frame_weight < 1:
            self.counts["restored_frame"] += 1
        return result

    def forget(self) -> None:
        """Starts anew with the next step."""
        self._state = None

    def _registered(self, step: Step, size: tuple[int, int], sensor_size: tuple[int, int] | None) -> Events | None:
        """The step's events in the image frame; None where they cannot be used."""
        if not step.use_events or sensor_size is None:
            return None
        try:
            # Before the first image the sensor's own frame is the image frame.
            registration = self.alignment.registration(sensor_size, size) if self.image_size else None
            self.problem = ""
        except GeometryError as error:
            self.problem = str(error)
            return None
        scale = 1.0 if registration is None else registration.scale
        self._pixel_by_pixel = 1 / COARSEST < scale < COARSEST
        if registration is None:
            return step.events
        mapped = registration.apply(step.events)
        self.counts["events_outside"] += len(step.events) - len(mapped)
        return mapped
