"""The segmentation node while it is active: subscriptions, the worker, and what they tell about themselves.

The callback thread takes messages and decodes events; one worker thread converts images, steps the model and
publishes. Between the two stands the `Synchronizer`, under the worker's lock.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from halsie_ros.errors import HalsieError
from halsie_ros.events.messages import EventBatch
from halsie_ros.events.windows import EventRing
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.nodes import diagnostics, qos
from halsie_ros.nodes.calibration_input import CalibrationInput
from halsie_ros.nodes.diagnostics import Statistics
from halsie_ros.nodes.event_input import EventInput
from halsie_ros.nodes.parameters import Parameters
from halsie_ros.nodes.segmentation_output import SegmentationOutput
from halsie_ros.nodes.topics import DiscoveredSubscription
from halsie_ros.nodes.worker import Worker
from halsie_ros.pictures.image_message import ImageConverter, image_size
from halsie_ros.segmentation.familiarity import SceneWatch, only_sure, warning
from halsie_ros.segmentation.pipeline import SegmentationPipeline
from halsie_ros.segmentation.senses import BLIND, WELL, SenseStatus
from halsie_ros.segmentation.stream import MaskStream
from halsie_ros.segmentation.synchronizer import Choice, Step, Synchronizer, Timing
from halsie_ros.wire.stamps import stamp_to_ns

_RAW, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


_BEHIND_US = 20_000
"""How far events may lie behind the images, beyond what frames wait for them."""
_AHEAD_US = 200_000
"""What a slow camera explains."""
_OTHER_CLOCK_US = 1_000_000


def offset_complaint(offset_us: int, wait_us: int) -> str:
    """What is wrong with how far events are ahead of the images, in one line; empty where nothing is."""
    if -wait_us - _BEHIND_US <= offset_us <= _AHEAD_US:
        return ""
    where = "ahead of" if offset_us > 0 else "behind"
    told = f"{abs(offset_us) / 1e6:.1f} s" if abs(offset_us) >= _OTHER_CLOCK_US else f"{abs(offset_us) / 1e3:.0f} ms"
    return (
        f"events lie {told} {where} the images: give both stamps of the same clock, or correct it by the parameter "
        f"event_offset_ms ({-offset_us / 1e3:.0f})"
    )


def stream_timing(settings: Mapping[str, Any], window_us: int = 50_000) -> Timing:
    """The synchroniser's rules from the node's parameters; raises ParameterError where they contradict each other."""
    return Timing(window_us, settings["max_wait_ms"], settings["timeout_ms"], settings["mask_rate_hz"])


class SegmentationStream:
    """Subscribes and segments from its making until `stop`.

    Args:
        node: owner of the subscriptions.
        pipeline: the model.
        alignment: how events get into the image frame.
        output: where masks go.
        settings: the node's parameters.
    """

    def __init__(
        self,
        node: LifecycleNode,
        pipeline: SegmentationPipeline,
        alignment: Alignment,
        output: SegmentationOutput,
        settings: Parameters,
    ) -> None:
        self._logger = node.get_logger()
        self._card = pipeline.card
        self._output = output
        self._settings = settings
        self._converter = ImageConverter(bits=settings["image_bits"])
        self._frames = Statistics()
        self._steps = Statistics()
        self._cpu, self._work = Statistics(), Statistics()  # of steps with a frame: the pipeline's, the worker's whole
        self._frame_id = ""
        self._mode = ""
        self._spikes: dict[str, float] = {}
        self._scene = SceneWatch()
        self._newest_image: np.ndarray | None = None
        self._masks = MaskStream(pipeline, alignment, settings["work_height"])
        self._synchronizer = Synchronizer(self._timing(), EventRing)
        self._worker = Worker(self._synchronizer.choose, self._synchronizer.deadline_s, self._segment, self._logger)
        self._images = DiscoveredSubscription(
            node, "image", (_RAW, _COMPRESSED), qos.IMAGE_DEPTH, self._take_image, raw=False
        )
        self._events = EventInput(node, self._take_events, event_time=settings["event_time"])
        self._events.shift_us = round(settings["event_offset_ms"] * 1000)
        self._events_used = (time.monotonic(), 0)
        self.topics: Sequence[str] = (self._images.topic, self._events.topic)
        self._calibrations = [CalibrationInput(node, name, alignment) for name in alignment.needs]
        self._worker.start()

    def stop(self) -> None:
        """Ends subscriptions and worker."""
        self._images.stop()
        self._events.stop()
        for calibration in self._calibrations:
            calibration.stop()
        self._worker.stop()

    def retime(self) -> None:
        """Takes changed parameters into use."""
        with self._worker.changed:
            self._synchronizer.timing = self._timing()
            self._events.shift_us = round(self._settings["event_offset_ms"] * 1000)
            self._worker.changed.notify()

    def _timing(self) -> Timing:
        return stream_timing(self._settings, self._card.bins * self._card.bin_us)

    # The callback thread

    def _take_image(self, type_name: str, message: Any) -> None:
        if type_name == _RAW:
            try:
                image_size(message)
            except HalsieError as error:
                self._bad_image(error)
                return
        self._frames.count(accepted=False)
        with self._worker.changed:
            self._synchronizer.push_frame(message, stamp_to_ns(message.header.stamp), time.monotonic())
            self._worker.changed.notify()

    def _take_events(self, batch: EventBatch) -> None:
        with self._worker.changed:
            self._synchronizer.push_events(batch.events, time.monotonic(), stamp_us=batch.end_us)
            self._worker.changed.notify()

    # The worker thread

    def _segment(self, choice: Choice) -> None:
        started_s, started_cpu_s, image = time.monotonic(), time.thread_time(), None
        if choice.frame is not None:
            try:
                image = self._converter.convert(choice.frame)
            except HalsieError as error:
                self._bad_image(error)
                return
            self._frames.accept()
            self._frame_id, self._newest_image = choice.frame.header.frame_id, image
        with self._worker.changed:
            step = self._synchronizer.cut(choice, time.monotonic())
        size_before = self._masks.image_size
        try:
            self._publish(step, image)
        except HalsieError as error:
            self._steps.drop("refused_step")
            self._masks.forget()
            self._logger.error(str(error), throttle_duration_sec=5.0)
        with self._worker.changed:
            if self._masks.image_size != size_before:
                self._synchronizer.excuse()
            elif choice.frame is not None:
                self._synchronizer.took(time.monotonic() - started_s)
                self._work.latency((time.thread_time() - started_cpu_s) * 1e3)

    def _publish(self, step: Step, image: np.ndarray | None) -> None:
        started_cpu_s = time.thread_time()
        result = self._masks.run(step, image, self._events.size)
        if image is not None:
            self._cpu.latency((time.thread_time() - started_cpu_s) * 1e3)
        self._output.publish_status(self._masks.senses.status)
        if result is None:
            return
        if self._scene.see(result.confidence):
            self._logger.warning(warning(self._card.name, self._scene.known or 0.0))
        self._output.publish(
            only_sure(result.mask, result.confidence, self._settings["least_confidence"]),
            result.confidence,
            self._newest_image if step.use_frame else None,
            stamp_ns=step.stamp_ns,
            frame_id=self._frame_id or self._events.frame_id,
            alpha=self._settings["overlay_alpha"],
        )
        self._mode = self._masks.mode if self._are_used(step) else "frames"
        self._spikes = result.spikes
        self._steps.count()
        self._steps.latency((time.monotonic() - step.received_s) * 1e3)

    def _are_used(self, step: Step) -> bool:
        """Whether events, where they come, also fall into the windows of the steps."""
        now_s, units = time.monotonic(), self._events.statistics.units
        if len(step.events):
            self._events_used = (now_s, units)
        used_s, used_units = self._events_used
        return units == used_units or now_s - used_s <= self._settings["timeout_ms"] / 1e3

    def _bad_image(self, error: HalsieError) -> None:
        self._frames.refuse("bad_image", error)
        self._logger.warning(f"{self._images.topic}: {error}", throttle_duration_sec=5.0)

    # Diagnostics

    def statuses(self) -> list[DiagnosticStatus]:
        """How images, events and masks fare."""
        with self._worker.changed:
            counts = Counter(self._synchronizer.counts)
            late, lost = self._synchronizer.late_events, self._synchronizer.lost_events
            offset_us, standing = self._synchronizer.offset_us, self._synchronizer.standing_stamps
        problem, warning = self._masks.problem, ""
        if offset_us is not None and not standing:
            odd = offset_complaint(offset_us, round(self._settings["max_wait_ms"] * 1000))
            problem = problem or (odd if abs(offset_us) >= _OTHER_CLOCK_US else "")
            warning = odd
        self._masks.senses.clocks = warning
        events = {
            "events_late": late,
            "events_lost": lost,
            "events_outside": self._masks.counts["events_outside"],
            "ahead_of_images_ms": "" if offset_us is None else offset_us / 1e3,
        }
        self._output.publish_status(self._sense_status())
        return [
            self._image_status(counts, standing),
            self._events.status(self._settings["timeout_ms"], events, problem, warning),
            self._segmentation_status(counts),
        ]

    def _sense_status(self) -> SenseStatus:
        """How the senses fare at this moment, also where no step is made because nothing comes."""
        if not self._frames.total and not self._events.statistics.total:
            return self._masks.senses.status
        now_s = time.monotonic()
        with self._worker.changed:
            frames, events = (self._synchronizer.is_alive(stream, now_s) for stream in ("frame", "events"))
        refused = self._frames.refusal(self._settings["timeout_ms"] / 1e3)
        return self._masks.senses.tell(frames and not refused, events, self._masks.problem)

    def _image_status(self, counts: Counter[str], standing: bool) -> DiagnosticStatus:
        images = self._images
        height, width = self._masks.image_size or (0, 0)
        values = {
            **images.values(),
            "width": width,
            "height": height,
            "messages": self._frames.total,
            "messages_per_s": self._frames.rates()[0],
            "dropped_bad_image": self._frames.causes.get("bad_image", 0),
            **{f"dropped_{cause}": counts[cause] for cause in ("superseded", "duplicate_frame")},
            "late_frame": counts["late_frame"],
            "sample_bits": self._sample_bits(),
        }
        level, message = diagnostics.stream_level(self._frames, images, self._settings["timeout_ms"])
        arrival = f"stamps of {images.topic} do not advance: its images are taken at the time of their arrival"
        level, message = diagnostics.warned(level, message, arrival if standing else "")
        return diagnostics.status(level, "image", message or f"{width}x{height}", values)

    def _sample_bits(self) -> str:
        """Bits of the images' samples in 16, as they are told or learned; 8 where there are none such."""
        bits = self._converter.bits
        return f"{bits} (learned)" if bits and self._converter.learned else str(bits or 8)

    def _segmentation_status(self, counts: Counter[str]) -> DiagnosticStatus:
        rate = self._steps.rates()[0]
        latency = self._steps.percentiles_ms() or (0.0, 0.0)
        status = self._masks.senses.status
        values = {
            "model": self._card.name,
            "mode": self._mode,
            "masks": self._steps.total,
            "masks_per_s": rate,
            "latency_p50_ms": latency[0],
            "latency_p95_ms": latency[1],
            "step_cpu_ms": (self._cpu.percentiles_ms() or (0.0, 0.0))[0],
            "worker_cpu_ms": (self._work.percentiles_ms() or (0.0, 0.0))[0],
            **({} if self._scene.known is None else {"scene_known": self._scene.known}),
            "dropped_refused_step": self._steps.causes.get("refused_step", 0) + self._worker.failures,
            **{name: counts[name] for name in ("merged_step", "time_jump", "gap")},
            **{name: self._masks.counts[name] for name in ("size_change", "restored_frame")},
            **dict(sorted(self._masks.senses.counts.items())),
            "hot_pixels": self._masks.senses.hot_pixels,
            "status": status.word,
            **{f"spikes_{name}": share for name, share in self._spikes.items()},
        }
        if not self._steps.total:
            return diagnostics.status(diagnostics.STALE, "segmentation", "no mask yet", values)
        made = f"{rate:.1f} masks/s from {self._mode}"
        if status.word in WELL and self._mode == "frames and events":
            return diagnostics.status(diagnostics.OK, "segmentation", made, values)
        level = diagnostics.ERROR if status.word == BLIND else diagnostics.WARN
        return diagnostics.status(level, "segmentation", f"{made}; {status}", values)
