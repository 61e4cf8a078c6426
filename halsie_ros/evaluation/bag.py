"""Segmentation on a bag, offline: the node's own synchroniser, geometry and state, as fast as it goes.

The log time is the clock, so that two runs give the same masks bit for bit: those of a node that loses nothing.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.bags.reader import BagReader, open_bag
from halsie_ros.bags.recording import PerceptionTopics, perception_topics
from halsie_ros.classes import CLASS_SETS, ClassSet
from halsie_ros.errors import BagError, CodecError, GeometryError, HalsieError, ParameterError
from halsie_ros.evaluation.degradations import Degradation
from halsie_ros.evaluation.offline import BagStream, StreamSettings
from halsie_ros.evaluation.pairing import Pairing, class_set_of_info
from halsie_ros.evaluation.result import CommonClasses, Tally, class_set_of, usable_inputs
from halsie_ros.pictures.image_message import ImageConverter
from halsie_ros.segmentation.pipeline import SegmentationPipeline
from halsie_ros.segmentation.stream import MaskStream
from halsie_ros.segmentation.synchronizer import Step
from halsie_ros.wire.definitions import COMPRESSED_IMAGE, IMAGE
from halsie_ros.wire.stamps import stamp_to_ns


def evaluate_bag(
    pipeline: SegmentationPipeline,
    path: Path,
    *,
    ground_truth: str,
    inputs: str = "both",
    degradation: Degradation | None = None,
    settings: StreamSettings | None = None,
) -> tuple[dict[str, Any], Tally]:
    """Evaluates a model on a bag; gives the result for JSON and the tally with its pictures.

    Args:
        pipeline: the model.
        path: of the bag.
        ground_truth: topic of the label masks (mono8), stamped like their images.
        inputs: both, frames or events.
        degradation: of the frames; not a blackout.
        settings: the node's, how events get into the image frame and which masks come; None: its defaults.

    Raises:
        BagError: the bag cannot be read, or lacks images, events or labels.
        GeometryError: the events never got into the image frame.
        ParameterError: inputs or a degradation that has no meaning in a bag, or labels of unknown classes.
    """
    degradation, settings = degradation or Degradation(), settings or StreamSettings()
    if inputs not in ("both", "frames", "events") or degradation.kind == "blackout":
        raise ParameterError(
            f"--inputs {inputs} --degrade {degradation}: hold and blackout need sequences of their own, use --dataset"
        )
    inputs = usable_inputs(pipeline.card, inputs)
    with open_bag(path) as bag:
        topics = _topics(bag, ground_truth)
        run = _Run(pipeline, bag, topics, inputs, degradation, settings)
        run.through_the_bag()
        if run.unregistered and run.unregistered == len(run.tally.windows):
            raise GeometryError(f"{path}: {run.masks.problem}; see --registration and --params")
        run.refuse_events_apart()
        about = {
            "dataset": "bag",
            "split": path.name,
            "inputs": inputs,
            "degrade": str(degradation),
            "restoration": pipeline.restoration and inputs == "both",
            "protocol": "offline, the node's own steps, one state through the whole bag",
            "registration": settings.registration,
            "topics": {"images": topics.images, "events": topics.events, "labels": ground_truth},
            "labels_without_mask": run.pairing.labels - run.pairing.paired,
            "event_offset_ms": run.event_offset_ms,
            "drops": run.drops,
        }
        if not run.tally.records:
            lost = "".join(f"; {count} times {cause}" for cause, count in run.drops.items())
            raise BagError(
                f"{path}: {run.pairing.labels} labels on {ground_truth}, "
                f"none with the stamp of an image on {topics.images}{lost}"
            )
        return run.tally.result(about), run.tally


def _topics(bag: BagReader, ground_truth: str) -> PerceptionTopics:
    """The bag's topics, the labels among them."""
    pictures = bag.topics_of(IMAGE, COMPRESSED_IMAGE)
    if ground_truth not in bag.topics:
        masks = ", ".join(bag.topics_of(IMAGE)) or "none"
        raise BagError(f"{bag.path} has no topic {ground_truth}: name one by --gt; image topics are {masks}")
    try:
        return perception_topics(bag, truth=ground_truth)
    except BagError as error:
        if ground_truth in pictures and "has no images" in str(error):
            raise BagError(
                f"{bag.path}: beside the labels on {ground_truth} there is no camera topic (labels, depth and masks "
                "do not count): record the camera too, or name the labels' topic by --gt"
            ) from error
        raise


def label_classes(bag: BagReader, topics: PerceptionTopics, fallback: tuple[str, ...]) -> ClassSet:
    """What the labels' ids mean: from the LabelInfo beside them, else the model's own classes."""
    for topic, _, payload in bag.messages([topics.truth_info] if topics.truth_info else []):
        return class_set_of_info(bag.deserialize(topic, payload).class_map, CLASS_SETS)
    own = class_set_of(fallback)
    if own is None:
        raise ParameterError(f"{bag.path}: nothing says what the labels on {topics.truth} mean; add a LabelInfo topic")
    return own


class _Run:
    """One pass over a bag."""

    def __init__(
        self,
        pipeline: SegmentationPipeline,
        bag: BagReader,
        topics: PerceptionTopics,
        inputs: str,
        degradation: Degradation,
        settings: StreamSettings,
    ) -> None:
        self._bag, self._topics, self._inputs, self._degradation = bag, topics, inputs, degradation
        card, alignment = pipeline.card, settings.alignment()
        self.masks = MaskStream(pipeline, alignment)
        self._source = BagStream(
            bag,
            topics,
            alignment,
            settings.timing(card.bins * card.bin_us),
            event_time=settings.event_time,
            shift_us=round(settings.event_offset_ms * 1000),
            image_bits=settings.image_bits,
        )
        self._last_frame: np.ndarray | None = None
        self._bad: Counter[str] = Counter()
        self.unregistered = 0
        self.pairing = Pairing()
        self.tally = Tally(card, CommonClasses(card, label_classes(bag, topics, card.classes)))

    @property
    def event_offset_ms(self) -> float | None:
        """How far the bag's events are ahead of its images."""
        return self._source.event_offset_ms

    def refuse_events_apart(self) -> None:
        """Raises BagError where events came and none of them fell between the images."""
        used = sum(window["events"] for window in self.tally.windows)
        if self._inputs != "frames" and not self.masks.problem and self._source.events_seen and not used:
            offset = "" if self.event_offset_ms is None else f" (they are {self.event_offset_ms:.0f} ms ahead)"
            raise BagError(
                f"{self._bag.path}: none of the {self._source.events_seen} events falls between the images"
                f"{offset}: events and images do not overlap in time; see event_time and event_offset_ms (--params)"
            )

    @property
    def drops(self) -> dict[str, int]:
        """What was lost or bent, by cause."""
        unregistered = {"events_not_registered": self.unregistered} if self.unregistered else {}
        return dict(sorted(Counter({**self._source.drops, **unregistered, **self._bad}).items()))

    def through_the_bag(self) -> None:
        """Steps through the whole bag, and scores what has labels."""
        labels, truth = ImageConverter(), self._topics.truth
        for topic, log_ns, payload in self._bag.messages({*self._source.inputs, str(truth)}):
            if topic == truth:
                try:
                    message = self._bag.deserialize(topic, payload)
                    label, stamp_ns = labels.convert(message), stamp_to_ns(message.header.stamp)
                except (CodecError, BagError):
                    self._bad[f"bad message on {topic}"] += 1
                    continue
                self._score(self.pairing.add_label(stamp_ns, label), stamp_ns)
                continue
            for step, image in self._source.take(topic, log_ns, payload):
                self._step(step, image)
        for step, image in self._source.finish():
            self._step(step, image)

    def _step(self, step: Step, image: np.ndarray | None) -> None:
        seen = image
        if image is not None:
            if self._last_frame is None:
                self.masks.pipeline.warm_up((image.shape[0], image.shape[1]))
            rng = np.random.default_rng(zlib.crc32(b"%d" % step.stamp_ns))
            seen = self._degradation.frame(image, self._last_frame, rng)
            self._last_frame = image
        step = replace(
            step,
            use_frame=step.use_frame and self._inputs != "events",
            use_events=step.use_events and self._inputs != "frames",
        )
        outside = self.masks.counts["events_outside"]
        began = time.perf_counter()
        try:
            result = self.masks.run(step, seen, self._source.sensor_size)
        except HalsieError:
            self._bad["refused_step"] += 1
            self.masks.forget()
            return
        if result is None:
            return
        usable = step.use_events and not self.masks.problem
        self.unregistered += step.use_events and not usable
        self.tally.step(
            result,
            t_us=step.t1_us,
            ms=(time.perf_counter() - began) * 1e3,
            events=(len(step.events) - self.masks.counts["events_outside"] + outside) * usable,
            frame=image is not None and step.use_frame,
            window_us=step.t1_us - step.t0_us,
        )
        self._score(self.pairing.add_mask(step.stamp_ns, (result.mask, seen)), step.stamp_ns)

    def _score(self, pair: tuple[Any, np.ndarray] | None, stamp_ns: int) -> None:
        if pair is not None:
            (mask, frame), label = pair
            self.tally.score(f"{stamp_ns}", stamp_ns // 1000, frame, mask, label)
