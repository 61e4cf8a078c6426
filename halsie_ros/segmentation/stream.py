"""From a synchronised step to a mask: geometry, sizes, and the state that goes from step to step.

The node and the offline evaluation of bags both run this.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from halsie_ros.errors import GeometryError
from halsie_ros.events import Events
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.lazy import renamed
from halsie_ros.segmentation.pipeline import SegmentationPipeline, State, StepResult
from halsie_ros.segmentation.senses import Senses
from halsie_ros.segmentation.synchronizer import Step
from halsie_ros.segmentation.work_size import enlarged, shrunk_events, shrunk_frame, work_size

COARSEST = 1.3
"""Image pixels per event pixel, or the other way round, up to which events can restore frames pixel by pixel."""

__getattr__ = renamed(__name__, {"Engine": "MaskStream"})


class MaskStream:
    """A pipeline on one stream of frames and events: where events lie in the image, and the state from step to step.

    Args:
        pipeline: the model.
        alignment: how events get into the image frame; its calibrations may be set at any time.
        work_height: rows to which larger images are shrunk before, see `work_size`; 0 for none.

    Attributes:
        problem: why events cannot be used, in one line; empty when they can.
        counts: `events_outside` the image, `size_change` (a fresh start), `restored_frame` where events restored a
            noisy or blurred frame.
        image_size: (height, width) of the newest image, None before the first.
        senses: which of the two senses can be relied on.
        mode: what the newest mask was made from: "frames and events", "frames" or "events"; empty before the first.
    """

    def __init__(self, pipeline: SegmentationPipeline, alignment: Alignment, work_height: int = 0) -> None:
        self.pipeline = pipeline
        self.work_height = work_height
        self.alignment = alignment
        self.problem = ""
        self.counts: Counter[str] = Counter()
        self.image_size: tuple[int, int] | None = None
        self.senses = Senses()
        self.mode = ""
        self._state: State | None = None

    def run(self, step: Step, image: np.ndarray | None, sensor_size: tuple[int, int] | None) -> StepResult | None:
        """Segments one step.

        Args:
            step: from the synchroniser.
            image: the step's frame, ``(H, W, 3)`` or ``(H, W)`` uint8, or None between frames.
            sensor_size: (height, width) of the event sensor, None where no event message has come.

        Returns:
            The result at the image's size (the sensor's while no image has come); None where there is nothing to
            segment, because neither image nor usable events are there.

        Raises:
            HalsieError: the pipeline refuses the step.
        """
        if image is not None:
            self.image_size = (image.shape[0], image.shape[1])
        size = self.image_size or sensor_size
        if size is None:
            return None
        frames_come, events_come = step.use_frame, step.use_events
        step, image = self.senses.clean(step, image, sensor_size)
        events, scale = self._registered(step, size, sensor_size)
        self.senses.tell(frames_come, events_come, self.problem)
        if image is None and events is None:
            return None
        work = work_size(size, self.work_height)
        if work != size:
            scale *= work[0] / size[0]
            image = None if image is None else shrunk_frame(image, work)
            events = None if events is None else shrunk_events(events, size, work)
        result = self.pipeline.step(
            image if step.use_frame else None,
            events,
            self._state_before(step, work),
            t0_us=step.t0_us,
            t1_us=step.t1_us,
            size=work,
            restoration=1 / COARSEST < scale < COARSEST and not step.late,
            hurried=step.hurried,
        )
        self._state = result.state
        used = (step.use_frame, "frames"), (events is not None, "events")
        self.mode = " and ".join(name for use, name in used if use)
        if result.frame_weight is not None and result.frame_weight < 1:
            self.counts["restored_frame"] += 1
        return result if work == size else enlarged(result, size)

    def forget(self) -> None:
        """Starts anew with the next step."""
        self._state = None

    def _state_before(self, step: Step, size: tuple[int, int]) -> State | None:
        """The state to step from: fresh after a gap, a jump or another size of images."""
        if self._state is None:
            return None
        if self._state.size != size:
            self.counts["size_change"] += not step.fresh
            return None
        return self._state.renewed() if step.fresh else self._state

    def _registered(
        self, step: Step, size: tuple[int, int], sensor_size: tuple[int, int] | None
    ) -> tuple[Events | None, float]:
        """The step's events in the image frame, None where they cannot be used; and image pixels per event pixel."""
        if not step.use_events or sensor_size is None:
            return None, 1.0
        if self.image_size is None:  # before the first image the sensor's own frame is the image frame
            self.problem = ""
            return step.events, 1.0
        try:
            registration = self.alignment.registration(sensor_size, size)
        except GeometryError as error:
            self.problem = str(error)
            return None, 1.0
        self.problem = ""
        events = registration.apply(step.events)
        self.counts["events_outside"] += len(step.events) - len(events)
        return events, registration.scale
