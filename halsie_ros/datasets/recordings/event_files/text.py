"""The RPG text format: an events.txt of `t x y p` lines, with images beside it that tell the sensor's size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from halsie_ros.datasets.recordings.event_files import EventFile
from halsie_ros.errors import CodecError
from halsie_ros.events.events import Events


def open_file(path: Path) -> EventFile:
    """Opens a folder's events.txt; without images the largest coordinates tell the size."""
    from halsie_ros.datasets.recordings.rpg import RpgSequence

    if path.name != "events.txt":
        raise CodecError(f"{path}: events as text are read from an events.txt, rename the file")
    sequence = RpgSequence(path.parent)

    def parts() -> Iterator[Events]:
        sequence.off_sensor = 0
        for events in sequence.parts():
            if sequence.off_sensor:
                recording.drop({"off_sensor": sequence.off_sensor})
                sequence.off_sensor = 0
            yield events

    recording = EventFile(path, "rpg text", sequence.width, sequence.height, parts)
    return recording
