"""Segmentation on a bag, offline: as fast as it goes, and the same masks bit for bit every time.

Only stamps decide: a frame is segmented when the events have passed it, whatever the times at which messages were
logged. The state runs through the whole bag, as on a robot that loses nothing.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.bags.reader import BagReader, open_bag
from halsie_ros.classes import CLASS_SETS, ClassSet
from halsie_ros.errors import BagError, CodecError, ParameterError
from halsie_ros.evaluation.degradations import Degradation
from halsie_ros.evaluation.pairing import Pairing, class_set_of_info
from halsie_ros.evaluation.result import Judge, Recorder, class_set_of, usable_inputs
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.messages import EventTopicDecoder
from halsie_ros.events.windows import EventRing
from halsie_ros.geometry.registration import Registration
from halsie_ros.pictures.image_message import ImageConverter
from halsie_ros.segmentation.pipeline import SegmentationPipeline, State
from halsie_ros.wire.definitions import COMPRESSED_IMAGE, IMAGE, LABEL_INFO
from halsie_ros.wire.stamps import stamp_to_ns

PATIENCE_NS = 500_000_000
"""A frame waits for its events no longer than this, in the bag's own log time."""
_GAP_US = 500_000
_RING = 1 << 22


def evaluate_bag(
    pipeline: SegmentationPipeline,
    path: Path,
    *,
    ground_truth: str,
    inputs: str = "both",
    degradation: Degradation | None = None,
) -> tuple[dict[str, Any], Recorder]:
    """Evaluates a model on a bag; gives the result for JSON and the recorder with its pictures.

    Args:
        pipeline: the model.
        path: of the bag.
        ground_truth: topic of the label masks (mono8), stamped like their images.
        inputs: both, frames or events.
        degradation: of the frames; not a blackout.

    Raises:
        BagError: the bag cannot be read, or lacks images, events or labels.
        ParameterError: inputs or a degradation that has no meaning in a bag, or labels of unknown classes.
    """
    degradation = degradation or Degradation()
    if inputs not in ("both", "frames", "events") or degradation.kind == "blackout":
        raise ParameterError(
            f"--inputs {inputs} --degrade {degradation}: hold and blackout need sequences of their own, use --dataset"
        )
    inputs = usable_inputs(pipeline.card, inputs)
    with open_bag(path) as bag:
        run = _Run(pipeline, bag, ground_truth, inputs, degradation)
        for topic, log_ns, payload in bag.messages(run.topics):
            run.take(topic, log_ns, payload)
        run.finish()
        about = {
            "dataset": "bag",
            "split": path.name,
            "inputs": inputs,
            "degrade": str(degradation),
            "restoration": pipeline.restoration and inputs == "both",
            "protocol": "offline, one state through the whole bag",
            "topics": {"images": run.images, "events": run.event_topic, "labels": ground_truth},
            "labels_without_mask": run.pairing.labels - run.pairing.paired,
            "drops": dict(sorted(run.drops.items())),
        }
        if not run.recorder.records:
            lost = "".join(f"; {count} times {cause}" for cause, count in sorted(run.drops.items()))
            raise BagError(
                f"{path}: {run.pairing.labels} labels on {ground_truth}, "
                f"none with the stamp of an image on {run.images}{lost}"
            )
        return run.recorder.result(about), run.recorder


def label_classes(bag: BagReader, ground_truth: str, fallback: tuple[str, ...]) -> ClassSet:
    """What the labels' ids mean: from the LabelInfo beside them, else the model's own classes."""
    near = ground_truth.rpartition("/")[0]
    topics = [name for name in bag.topics_of(LABEL_INFO) if name.startswith(f"{near}/")]
    for topic, _, payload in bag.messages(topics):
        return class_set_of_info(bag.deserialize(topic, payload).class_map, CLASS_SETS)
    own = class_set_of(fallback)
    if own is None:
        raise ParameterError(f"{bag.path}: nothing says what the labels on {ground_truth} mean; add a LabelInfo topic")
    return own


class _Run:
    """One pass over a bag."""

    def __init__(
        self, pipeline: SegmentationPipeline, bag: BagReader, ground_truth: str, inputs: str, degradation: Degradation
    ) -> None:
        self._pipeline, self._bag, self._ground_truth = pipeline, bag, ground_truth
        self._inputs, self._degradation = inputs, degradation
        if ground_truth not in bag.topics:
            masks = ", ".join(bag.topics_of(IMAGE)) or "none"
            raise BagError(f"{bag.path} has no topic {ground_truth}: name one by --gt; image topics are {masks}")
        images = [name for name in bag.topics_of(IMAGE, COMPRESSED_IMAGE) if not _is_extra(name, ground_truth)]
        events = bag.event_topics()
        if not images and ground_truth in bag.topics_of(IMAGE, COMPRESSED_IMAGE):
            raise BagError(
                f"{bag.path}: beside the labels on {ground_truth} there is no camera topic (labels, depth and masks do "
                "not count): record the camera too, or name the labels' topic by --gt"
            )
        if not images or not events:
            raise BagError(
                f"{bag.path} has {'no image' if not images else 'no event'} topic; its topics are "
                f"{', '.join(bag.topics)}"
            )
        self.images, self.event_topic = images[0], events[0]
        self.topics = {self.images, self.event_topic, ground_truth}
        info = bag.topics[self.event_topic]
        self._decoder = EventTopicDecoder(info.type, serialization=info.serialization, definition=info.definition)
        self._converter = ImageConverter(use_cv_bridge=False)
        self._clock, self._ring = SensorClock(), EventRing(_RING)
        self._sensor: tuple[int, int] | None = None
        self._registration: Registration | None = None
        self._frames: deque[tuple[int, int, np.ndarray]] = deque()
        self._state: State | None = None
        self._end_us: int | None = None
        self._last_frame: np.ndarray | None = None
        self._warm = False
        self.drops: Counter[str] = Counter()
        self.pairing = Pairing()
        self.recorder = Recorder(
            pipeline.card, Judge(pipeline.card, label_classes(bag, ground_truth, pipeline.card.classes))
        )

    def take(self, topic: str, log_ns: int, payload: bytes) -> None:
        """One message, in the order of log time."""
        try:
            if topic == self.event_topic:
                self._take_events(payload, log_ns)
            else:
                message = self._bag.deserialize(topic, payload)
                stamp_ns = stamp_to_ns(message.header.stamp)
                pixels = self._converter.convert(message)
                if topic == self._ground_truth:
                    self._score(self.pairing.add_label(stamp_ns, pixels), stamp_ns)
                else:
                    self._frames.append((stamp_ns, log_ns, pixels))
        except (CodecError, BagError):  # what cannot be read, and what cannot be shown: the next one may
            self.drops[f"bad message on {topic}"] += 1
        watermark_us = self._ring.watermark_us
        while self._frames:
            stamp_ns, frame_log_ns, _ = self._frames[0]
            passed = watermark_us is not None and watermark_us >= stamp_ns // 1000
            if not passed and log_ns - frame_log_ns < PATIENCE_NS:
                break
            self._step(*self._frames.popleft())

    def finish(self) -> None:
        """The frames that were still waiting for events."""
        while self._frames:
            self._step(*self._frames.popleft())
        self.drops += Counter({"events late": self._ring.late, "events without room": self._ring.overflowed})

    def _take_events(self, payload: bytes, log_ns: int) -> None:
        batch = self._decoder.push(payload, log_ns)
        events, last_us, jump = self._clock.localize(batch)
        self.drops += Counter({"packets lost": batch.lost, **batch.dropped})
        if jump.resets:
            self.drops["jumps of time"] += 1
            self._ring.reset()
            self._state = self._end_us = None
        self._sensor = (batch.height, batch.width)
        self._ring.push(events)
        if last_us is not None:
            self._ring.advance(last_us)

    def _step(self, stamp_ns: int, _: int, image: np.ndarray) -> None:
        t1_us = stamp_ns // 1000
        size = (image.shape[0], image.shape[1])
        card = self._pipeline.card
        if self._end_us is not None and not 0 < t1_us - self._end_us <= _GAP_US:
            if t1_us <= self._end_us:
                self.drops["frames out of order"] += 1
                return
            self._state = self._end_us = None
        t0_us = t1_us - card.bins * card.bin_us if self._end_us is None else self._end_us
        events = self._ring.cut(t0_us, t1_us)
        if self._sensor is not None:
            if self._registration is None or self._registration.image_size != size:
                self._registration = Registration.identity(self._sensor, size)
            events = self._registration.apply(events)
        frame = self._degradation.frame(image, self._last_frame, np.random.default_rng(zlib.crc32(b"%d" % stamp_ns)))
        self._last_frame = image
        use_frame, use_events = self._inputs != "events", self._inputs != "frames"
        if not self._warm:  # opens the sessions for this size, outside the timing
            self._pipeline.step(frame, events, None, t0_us=t0_us, t1_us=t1_us)
            self._warm = True
        began = time.perf_counter()
        result = self._pipeline.step(
            frame,
            events,
            self._state,
            t0_us=t0_us,
            t1_us=t1_us,
            size=size,
            use_frame=use_frame,
            use_events=use_events,
        )
        self.recorder.step(
            result,
            t_us=t1_us,
            ms=(time.perf_counter() - began) * 1e3,
            events=len(events) * use_events,
            frame=use_frame,
            window_us=t1_us - t0_us,
        )
        self._state, self._end_us = result.state, t1_us
        self._score(self.pairing.add_mask(stamp_ns, (result.mask, frame)), stamp_ns)

    def _score(self, pair: tuple[Any, np.ndarray] | None, stamp_ns: int) -> None:
        if pair is not None:
            (mask, frame), label = pair
            self.recorder.score(f"{stamp_ns}", stamp_ns // 1000, frame, mask, label)


def _is_extra(name: str, ground_truth: str) -> bool:
    """Whether an image topic is no camera picture: labels, depth, and what the package itself publishes."""
    return name == ground_truth or any(word in name for word in ("ground_truth", "depth", "segmentation/"))
