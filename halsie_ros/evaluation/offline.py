"""A bag's stream as the segmentation node would step it, offline: the log time is the clock, nothing is lost to haste.

Messages go into the node's own `Synchronizer` in the order of log time, and each step comes out at the moment at which
a worker that is never busy would take it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from halsie_ros.bags.reader import BagReader
from halsie_ros.bags.recording import PerceptionTopics
from halsie_ros.errors import BagError, CodecError, GeometryError, ParameterError
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.messages import EventTopicDecoder
from halsie_ros.events.windows import EventRing
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.pictures.image_message import ImageConverter, image_size
from halsie_ros.segmentation.synchronizer import Step, Synchronizer, Timing
from halsie_ros.wire.stamps import stamp_to_ns

_A_MOMENT_S = 1e-6
"""What is due at a time is due when that time has passed."""


@dataclass(frozen=True)
class StreamSettings:
    """The node's parameters that decide which masks come; names, defaults and ranges are the node's."""

    registration: str = "identity"
    homography: tuple[float, ...] = ()
    rotation: tuple[float, ...] = ()
    undistort: bool = False
    max_wait_ms: float = 20.0
    timeout_ms: float = 500.0
    mask_rate_hz: float = 0.0
    event_time: str = "auto"
    event_offset_ms: float = 0.0
    image_bits: int = 0
    restoration: bool = True

    @classmethod
    def load(cls, path: Path) -> StreamSettings:
        """From a parameter file of the node such as config/segmentation.yaml; the node's other parameters are ignored.

        Raises:
            ParameterError: no such file, no parameters of the node in it, or a value of the wrong type.
        """
        try:
            nodes = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ParameterError(f"{path}: no parameter file ({' '.join(str(error).split())})") from error
        named = nodes.items() if isinstance(nodes, dict) else ()
        blocks = [block for name, block in named if str(name).rpartition("/")[2] in ("segmentation", "**")]
        found: dict[str, Any] = {}
        for block in blocks:
            values = block.get("ros__parameters") if isinstance(block, dict) else None
            if not isinstance(values, dict):
                raise ParameterError(f"{path}: a node's block without ros__parameters: see config/segmentation.yaml")
            found |= {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
        if not blocks:
            raise ParameterError(f"{path}: no parameters of the node segmentation: see config/segmentation.yaml")
        for name, value in found.items():
            found[name] = _converted(path, name, value, getattr(cls, name))
        return cls(**found)

    def timing(self, window_us: int) -> Timing:
        """The synchroniser's rules; raises ParameterError where they contradict each other."""
        return Timing(window_us, self.max_wait_ms, self.timeout_ms, self.mask_rate_hz)

    def alignment(self) -> Alignment:
        """How events get into the image frame; raises ParameterError where the numbers for it are missing."""
        return Alignment(self.registration, self.homography, self.rotation, self.undistort)


def _converted(path: Path, name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple) and isinstance(value, list) and all(type(one) in (int, float) for one in value):
        return tuple(map(float, value))
    if isinstance(default, float) and type(value) in (int, float):
        return float(value)
    if type(value) is not type(default):
        kind = "list of numbers" if isinstance(default, tuple) else type(default).__name__
        raise ParameterError(f"{path}: {name} is {value!r}: give a value of type {kind}")
    return value


@dataclass
class BagStream:
    """Gives the steps of a bag's frames and events.

    Attributes:
        bag: an open one.
        topics: of the bag.
        alignment: gets the bag's calibrations.
        timing: the synchroniser's rules.
        event_time: which times events get, one of `SensorClock.SOURCES`.
        shift_us: added to every event's time.
        image_bits: of samples in 16 bits, 0: learned.
        sensor_size: (height, width) of the event sensor, None before its first message.
        lost: bad messages, jumps of time and event losses, by cause.
    """

    bag: BagReader
    topics: PerceptionTopics
    alignment: Alignment
    timing: Timing
    event_time: str = "auto"
    shift_us: int = 0
    image_bits: int = 0
    sensor_size: tuple[int, int] | None = None
    lost: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._synchronizer = Synchronizer(self.timing, EventRing)
        info = self.bag.topics[self.topics.events]
        self._decoder = EventTopicDecoder(info.type, serialization=info.serialization, definition=info.definition)
        self._clock, self._converter = SensorClock(self.event_time), ImageConverter(bits=self.image_bits)
        needed = {name: topic for name, topic in self.topics.calibrations.items() if name in self.alignment.needs}
        self._calibrations = {topic: name for name, topic in needed.items()}
        self._now_s = 0.0
        self.events_seen = 0

    @property
    def inputs(self) -> set[str]:
        """The topics whose messages `take` wants."""
        return {self.topics.images, self.topics.events, *self._calibrations}

    @property
    def event_offset_ms(self) -> float | None:
        """How far events are ahead of the images at the same log time, lately; None while it is not known."""
        offset_us = self._synchronizer.offset_us
        return None if offset_us is None else offset_us / 1e3

    @property
    def drops(self) -> dict[str, int]:
        """What was lost or bent so far, by cause, as the node's diagnostics name it."""
        late = {"events_late": self._synchronizer.late_events, "events_lost": self._synchronizer.lost_events}
        every = Counter({**self.lost, **self._synchronizer.counts, **late})
        return {cause: number for cause, number in sorted(every.items()) if number}

    def take(self, topic: str, log_ns: int, payload: bytes) -> Iterator[tuple[Step, np.ndarray | None]]:
        """Takes the next message; gives the steps that came due before it and with it, each with its picture.

        The steps are to be consumed before the next message.
        """
        yield from self._until((log_ns - self.bag.start_ns) / 1e9)
        try:
            self._push(topic, log_ns, payload)
        except (BagError, CodecError, GeometryError):  # the next one may be readable
            self.lost[f"bad message on {topic}"] += 1
        yield from self._due()

    def finish(self) -> Iterator[tuple[Step, np.ndarray | None]]:
        """The steps that come due when no further message does."""
        yield from self._until(float("inf"))

    def _push(self, topic: str, log_ns: int, payload: bytes) -> None:
        if topic == self.topics.events:
            batch, jump = self._clock.localize(self._decoder.push(payload, log_ns))
            batch = batch.shifted(self.shift_us) if self.shift_us else batch
            self.events_seen += len(batch.events)
            self.lost.update(batch.losses())
            if jump.resets:
                self.lost[f"time_{jump.value}"] += 1
            self.sensor_size = (batch.height, batch.width)
            self._synchronizer.push_events(batch.events, self._now_s, stamp_us=batch.end_us)
            return
        message = self.bag.deserialize(topic, payload)
        if topic in self._calibrations:
            self.alignment.hear(self._calibrations[topic], message)
            return
        if not hasattr(message, "format"):
            image_size(message)
        self._synchronizer.push_frame(message, stamp_to_ns(message.header.stamp), self._now_s)

    def _until(self, time_s: float) -> Iterator[tuple[Step, np.ndarray | None]]:
        """Lets the clock run to a time, step by step."""
        while (deadline_s := self._synchronizer.deadline_s(self._now_s)) is not None:
            if deadline_s + _A_MOMENT_S >= time_s:
                break
            self._now_s = deadline_s + _A_MOMENT_S
            yield from self._due()
        self._now_s = max(self._now_s, time_s) if time_s != float("inf") else self._now_s

    def _due(self) -> Iterator[tuple[Step, np.ndarray | None]]:
        while True:
            self._synchronizer.excuse()  # nobody is in a hurry here: frames that are ready together all get their turn
            choice = self._synchronizer.choose(self._now_s)
            if choice is None:
                return
            image = None
            if choice.frame is not None:
                try:
                    image = self._converter.convert(choice.frame)
                except CodecError:
                    self.lost[f"bad message on {self.topics.images}"] += 1
                    continue
            yield self._synchronizer.cut(choice, self._now_s), image
