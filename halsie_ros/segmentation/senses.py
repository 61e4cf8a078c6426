"""Which of the two senses can be relied on, step by step, and the word for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from halsie_ros.segmentation.event_faults import EventFaults
from halsie_ros.segmentation.frame_faults import GOOD, FrameFaults
from halsie_ros.segmentation.mirrored import Mirrored
from halsie_ros.segmentation.synchronizer import Step


@dataclass(frozen=True)
class SenseStatus:
    """How the senses fare.

    Attributes:
        word: `starting`, `ok`, `blind` (neither sense can be used), or what is wrong: `frames_gone`, `events_gone`,
            `dark`, `blown_out`, `frozen`, `torn`, `flood`, `flicker`, `mirrored`, `hot_pixels`, `misaligned`,
            `skewed`.
        reason: one line for people.
    """

    word: str
    reason: str

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}"


WELL = ("ok", "hot_pixels")
"""Words for senses that both serve."""
BLIND = "blind"
STARTING = SenseStatus("starting", "no mask yet")


class Senses:
    """Judges frames and events of a stream, leaves out what misleads, and says how it is.

    Attributes:
        status: after the newest step.
        counts: frames left out, by fault; `events_hot_pixel` left out.
        clocks: what is wrong with the clocks of the two senses, in one line; empty where nothing is.
        hot_pixels: pixels of the event sensor that are left out.
    """

    def __init__(self) -> None:
        self.status = STARTING
        self.clocks = ""
        self.counts: Counter[str] = Counter()
        self._frames = FrameFaults()
        self._events = EventFaults()
        self._mirrored = Mirrored()
        self._verdict = GOOD

    @property
    def hot_pixels(self) -> int:
        """Pixels of the event sensor that are left out."""
        return self._events.hot_pixels

    def clean(
        self, step: Step, image: np.ndarray | None, sensor_size: tuple[int, int] | None
    ) -> tuple[Step, np.ndarray | None]:
        """Leaves out of a step what would mislead.

        A frame is left out where it shows nothing, or not what is there now and events do; events where they are a
        flood and a good frame is there. Whatever is good again counts from its first frame or half second on.

        Args:
            step: from the synchroniser.
            image: its frame, None between frames.
            sensor_size: (height, width) of the event sensor, None where no event has come.

        Returns:
            Step and image as they are to be used.
        """
        if image is not None:
            self._verdict = self._frames.judge(image)
        elif not step.use_frame:
            self._verdict = GOOD  # it is gone, which is worse, and says nothing of the next one
        if step.use_events and sensor_size is not None:
            step = replace(step, events=self._events.clean(step.events, sensor_size, step.t0_us, step.t1_us))
            self.counts["events_hot_pixel"] = self._events.left_out
            if image is not None and self._verdict.usable:
                self._mirrored.look(image, step.events, sensor_size)
        good_frames = step.use_frame and self._verdict.usable
        if step.use_frame and not good_frames and (self._verdict.word != "frozen" or step.use_events):
            if image is not None:
                self.counts[f"{self._verdict.word}_frame"] += 1
            step, image = replace(step, frame=None, use_frame=False), None
        if self._events.flooded and good_frames:
            step = replace(step, use_events=False)
        return step, image

    def tell(self, frames: bool, events: bool, problem: str) -> SenseStatus:
        """The status now; it is kept in `status`.

        Args:
            frames: whether frames come.
            events: whether events come.
            problem: why events cannot be used for the image, empty when they can.
        """
        self.status = self._status(frames, events, problem)
        return self.status

    def _status(self, frames: bool, events: bool, problem: str) -> SenseStatus:
        verdict = self._verdict
        alone = "masks from events alone" if events else "no mask"
        if not frames and not events:
            return SenseStatus(BLIND, "neither frames nor events come")
        if not frames:
            return SenseStatus("frames_gone", f"no frame comes; {alone}")
        if verdict.word:
            kept = "frames are used all the same" if verdict.usable or not events else alone
            blind = not verdict.usable and not events and verdict.word != "frozen"
            return SenseStatus(BLIND if blind else verdict.word, f"{verdict.reason}; {alone if blind else kept}")
        if not events:
            return SenseStatus("events_gone", "no event comes; masks from frames alone")
        if problem:
            return SenseStatus("misaligned", f"{problem}; masks from frames alone")
        if self.clocks:
            return SenseStatus("skewed", self.clocks)
        if self._events.word:
            kept = "masks from frames alone" if self._events.flooded else "events are used all the same"
            return SenseStatus(self._events.word, f"{self._events.reason}; {kept}")
        if self._mirrored.how:
            return SenseStatus("mirrored", f"events look {self._mirrored.how} against the frames: turn one of them")
        if self.hot_pixels:
            return SenseStatus("hot_pixels", f"{self.hot_pixels} hot pixels of the event camera are left out")
        return SenseStatus("ok", "frames and events")
