"""A file of events alone as a bag: Prophesee raw (EVT 2.0, 2.1, 3.0), AEDAT4, DSEC-like HDF5, text."""

from __future__ import annotations

import argparse
from typing import Any

from halsie_ros.bags.builders.common import START_US, EventTopic, Progress, add_bag_arguments, write_static
from halsie_ros.bags.builders.sequence import add_span_arguments
from halsie_ros.bags.writer import BagWriter
from halsie_ros.datasets.recordings.event_files import EventFile, open_events
from halsie_ros.errors import DatasetError, ParameterError
from halsie_ros.events import Events
from halsie_ros.events.codecs import sort_for_writing

_TOLERANCE_US = 1000
"""Events may come this much out of order; later ones are refused and counted."""
_SINCE_1970_US = 10**14
"""Times from here on are taken for the host's; smaller ones count from the recording's start, or the sensor's."""
_BYTES_PER_EVENT = 8
"""What the file's size is multiplied with, at most, for the estimate of the disk space: EVT 3.0 packs best."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares FILE, DST, --storage, --events, --start and --duration."""
    parser.description = "Ends: .raw (EVT2, EVT21, EVT3), .aedat4, .h5 and .hdf5 (DSEC, MVSEC), events.txt."
    add_bag_arguments(parser, source=True)
    add_span_arguments(parser)


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag and sums it up.

    Raises:
        CodecError: the file is of no known format, or damaged.
        DatasetError: no event is in it, or in the chosen stretch, or its times cannot be.
        ParameterError: --start or --duration are no seconds.
        BagError: the destination exists or the disk is full.
    """
    if args.start < 0 or (args.duration is not None and args.duration <= 0):
        raise ParameterError(f"--start {args.start}, --duration {args.duration}: give seconds, more than 0")
    recording = open_events(args.source)
    metadata = {"source": recording.format, "file": recording.path.name}
    needed = min(recording.path.stat().st_size * _BYTES_PER_EVENT, 1 << 30)
    with BagWriter(args.destination, args.storage, needed_bytes=needed) as writer:
        copy = _Copy(recording, EventTopic(writer, args.events, recording.width, recording.height), args)
        with Progress(recording.path.name, recording.path.stat().st_size) as progress:
            copy.run(lambda t_us: write_static(writer, t_us, metadata), progress)
    return {
        "bag": str(args.destination),
        "events": copy.topic.events,
        "refused": copy.refused + writer.refused,
        **recording.dropped,
        "width": recording.width,
        "height": recording.height,
        **metadata,
    }


class _Copy:
    """One pass over a file, a part at a time."""

    def __init__(self, recording: EventFile, topic: EventTopic, args: argparse.Namespace) -> None:
        self.topic = topic
        self.refused = 0
        self._recording = recording
        self._start_s, self._duration_s = args.start, args.duration

    def run(self, begin: Any, progress: Progress) -> None:
        """Writes the events; `begin` is called with the bag's first time before anything else is written."""
        rest, offset_us = Events.empty(), 0
        first_us: int | None = None
        last_us: int | None = None
        written_us: int | None = None
        for part in self._recording.parts():
            if not len(part):
                continue
            if first_us is None:
                first_us = int(part.t_us[:64].min())
                offset_us = START_US if first_us < _SINCE_1970_US else 0
            last_us = int(part.t_us[-1])
            chosen = self._chosen(part, first_us)
            events, refused = sort_for_writing(Events.concatenate([rest, chosen.shifted(offset_us)]), _TOLERANCE_US)
            self.refused += refused
            if not len(events):
                continue
            if written_us is not None and int(events.t_us[0]) < written_us:
                late = int((events.t_us < written_us).sum())
                self.refused += late
                events = events[late:]
                if not len(events):
                    continue
            if written_us is None:
                begin(int(events.t_us[0]))
            written_us = max(int(events.t_us[-1]) - _TOLERANCE_US, int(events.t_us[0]))
            ready = events.between(-1, written_us - 1)
            rest = events[len(ready) :]
            self.topic.push(ready, written_us)
            progress.show(0)
            if self._duration_s is not None and last_us > first_us + (self._start_s + self._duration_s) * 1e6 + 1e6:
                break
        if len(rest):
            self.topic.push(rest, int(rest.t_us[-1]) + 1)
        self.topic.finish()
        if not self.topic.events:
            span = "" if first_us is None or last_us is None else f" ({(last_us - first_us) / 1e6:.3f} s long)"
            raise DatasetError(f"{self._recording.path}{span}: no events to write: give another --start or --duration")

    def _chosen(self, part: Events, first_us: int) -> Events:
        """The events between --start and --duration."""
        if not self._start_s and self._duration_s is None:
            return part
        low = first_us + round(self._start_s * 1e6)
        high = 1 << 62 if self._duration_s is None else low + round(self._duration_s * 1e6)
        return part[(part.t_us >= low) & (part.t_us <= high)]
