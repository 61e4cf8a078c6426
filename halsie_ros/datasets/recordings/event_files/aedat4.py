"""AEDAT4 files (iniVation) through the `aedat` library (MIT, ICNS)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from halsie_ros.datasets.recordings.event_files import EventFile
from halsie_ros.errors import CodecError
from halsie_ros.events.events import Events


def open_file(path: Path) -> EventFile:
    """Opens the file's first event stream; raises CodecError where there is none or the library is missing."""
    try:
        import aedat
    except ImportError:
        raise CodecError(f"{path}: aedat is not installed, `pip install halsie_ros[aedat]` brings it") from None
    try:
        streams = aedat.Decoder(path).id_to_stream()
    except Exception as error:
        # The library raises whatever its native code finds.
        raise CodecError(f"{path}: not an AEDAT4 file ({str(error).splitlines()[0]})") from None
    number = next((number for number, stream in streams.items() if stream["type"] == "events"), None)
    if number is None:
        there = ", ".join(sorted({stream["type"] for stream in streams.values()})) or "nothing"
        raise CodecError(f"{path}: no event stream, the file holds {there}")

    def parts() -> Iterator[Events]:
        decoder = aedat.Decoder(path)
        while True:
            try:
                packet = next(decoder)
            except StopIteration:
                return
            except Exception as error:
                raise CodecError(f"{path}: cut short or damaged ({str(error).splitlines()[0]})") from None
            if packet["stream_id"] == number and len(packet.get("events", ())):
                events = packet["events"]
                yield recording.inside(events["x"], events["y"], events["t"].astype(np.int64), events["on"])

    recording = EventFile(path, "aedat4", streams[number]["width"], streams[number]["height"], parts)
    return recording
