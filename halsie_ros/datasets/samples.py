"""Items for training and evaluation: a few frames, the events between them, and the label at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from halsie_ros.classes import ClassSet
from halsie_ros.datasets.base import IGNORE, Sequence
from halsie_ros.errors import DatasetError, ParameterError
from halsie_ros.events import Events


@dataclass(frozen=True, eq=False)
class Sample:
    """T frames in order, each with the events of the window that it ends.

    Attributes:
        name: of the labelled frame.
        t_us: (T,) int64, times of the frames.
        t0_us: start of the first window; window k is ``(t_us[k-1], t_us[k]]``, window 0 is ``(t0_us, t_us[0]]``.
        frames: (T, H, W, 3) uint8 RGB or (T, H, W) uint8.
        events: all events of the windows, by time.
        labels: (T, H, W) uint8 ids, 255 = no label; the last one is the data set's own.
        labelled: (T,) bool, which of `labels` hold anything.
        motion_px: (2,) float64, mean movement x, y of the picture in the last window; None where unknown.
        off_sensor: events left out because they lie outside the sensor.
    """

    name: str
    t_us: np.ndarray
    t0_us: int
    frames: np.ndarray
    events: Events
    labels: np.ndarray
    labelled: np.ndarray
    motion_px: np.ndarray | None = None
    off_sensor: int = 0

    def __len__(self) -> int:
        return len(self.t_us)

    def bounds_us(self, k: int) -> tuple[int, int]:
        """Start (excluded) and end (included) of window k."""
        return (int(self.t_us[k - 1]) if k else self.t0_us), int(self.t_us[k])

    def window(self, k: int) -> Events:
        """The events of window k."""
        return self.events.between(*self.bounds_us(k))


@dataclass(frozen=True)
class SampleProtocol:
    """How samples are cut from a sequence.

    Attributes:
        frames: frames per sample, the labelled one included.
        skip: labels left out at the sequence's start (ESS on DSEC: 6).
        every: one label in so many is taken after that (ESS on DSEC: 2).
    """

    frames: int = 8
    skip: int = 0
    every: int = 1

    def __post_init__(self) -> None:
        for name, value, lowest in (("frames", self.frames, 1), ("skip", self.skip, 0), ("every", self.every, 1)):
            if value < lowest:
                raise ParameterError(f"{name} {value}: must be at least {lowest}")


def samples(sequence: Sequence, protocol: SampleProtocol) -> Iterator[Sample]:
    """The samples of a sequence in order; each ends at a label.

    The frame that belongs to a label is the latest one not after it; a label before the first frame is left out.
    Where fewer frames precede it than asked, the sample is shorter.

    Raises:
        DatasetError: at the end, that none of the samples overlaps the events in time: figures of them would be of
            frames alone.
    """
    first_us, last_us = sequence.span_us
    made = overlapping = 0
    frames = sequence.frames()
    kept: deque[tuple[int, np.ndarray]] = deque(maxlen=protocol.frames + 1)
    ahead = next(frames, None)
    for number, (t_us, mask) in enumerate(sequence.labels()):
        while ahead is not None and ahead[0] <= t_us:
            kept.append(ahead)
            ahead = next(frames, None)
        if number < protocol.skip or (number - protocol.skip) % protocol.every or not kept:
            continue
        window = list(kept)
        if len(window) > protocol.frames:
            t0_us = window.pop(0)[0]
        else:
            gap_us = window[1][0] - window[0][0] if len(window) > 1 else 50_000
            t0_us = window[0][0] - gap_us
        times = np.array([t for t, _ in window], np.int64)
        times[-1] = max(times[-1], t_us)
        masks = np.full((len(window), *mask.shape), IGNORE, np.uint8)
        masks[-1] = mask
        labelled = np.zeros(len(window), bool)
        labelled[-1] = True
        before = sequence.off_sensor
        events = sequence.events(t0_us, int(times[-1]))
        made += 1
        overlapping += t0_us < last_us and int(times[-1]) >= first_us
        yield Sample(
            name=f"{sequence.name}/{number:06d}",
            t_us=times,
            t0_us=t0_us,
            frames=np.stack([image for _, image in window]),
            events=events,
            labels=masks,
            labelled=labelled,
            off_sensor=sequence.off_sensor - before,
        )
    if made and not overlapping:
        note = f"; {sequence.time_note}" if sequence.time_note else ""
        raise DatasetError(
            f"{sequence.name}: events ({first_us / 1e6:.3f} to {last_us / 1e6:.3f} s) and labelled frames (the last at "
            f"{times[-1] / 1e6:.3f} s) do not overlap in time{note}"
        )


class Split(NamedTuple):
    """Labelled samples of a split.

    Attributes:
        classes: of the labels.
        number: of samples, 0 where it is not known beforehand.
        samples: one after the other.
    """

    classes: ClassSet
    number: int
    samples: Iterator[Sample]
