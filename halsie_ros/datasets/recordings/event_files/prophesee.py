"""Prophesee RAW files: a text header of `% key value` lines, then EVT 2.0, EVT 2.1 or EVT 3.0 words."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from halsie_ros.datasets.recordings.event_files import EventFile
from halsie_ros.errors import CodecError
from halsie_ros.events.codecs import PacketDecoder, evt2, evt3
from halsie_ros.events.events import Events

_CHUNK = 1 << 22
_MAX_HEADER = 1 << 16
#: Sensors whose files may lack a geometry, by the header's `plugin_name` or `sensor_name` generation.
_GENERATIONS = {"gen31": (640, 480), "gen3": (640, 480), "gen41": (1280, 720), "imx636": (1280, 720)}


_NAMES = {"EVT2": "EVT2", "2.0": "EVT2", "EVT21": "EVT21", "2.1": "EVT21", "EVT3": "EVT3", "3.0": "EVT3"}
_NAMES |= {"EVT2.0": "EVT2", "EVT2.1": "EVT21", "EVT3.0": "EVT3"}
_DECODERS: dict[str, Callable[[], PacketDecoder]] = {
    "EVT2": evt2.Decoder,
    "EVT21": evt2.VectorDecoder,
    "EVT21 legacy": functools.partial(evt2.VectorDecoder, legacy=True),
    "EVT3": evt3.Decoder,
}


def _header(path: Path) -> tuple[dict[str, str], int]:
    """The header's keys and values, and where the words start."""
    values: dict[str, str] = {}
    with path.open("rb") as file:
        start = 0
        while file.read(1) == b"%":
            line = file.readline(_MAX_HEADER)
            start = file.tell()
            if start > _MAX_HEADER:
                raise CodecError(f"{path}: its header has no end within {_MAX_HEADER} bytes: not a Prophesee RAW file")
            key, _, value = line.decode("latin-1").strip().partition(" ")
            if key == "end":
                break
            values[key.lower()] = value.strip()
    return values, start


def _format(path: Path, values: dict[str, str]) -> tuple[str, int, int]:
    """Codec name, width and height from the header."""
    words = [part.strip() for part in values.get("format", "").split(";")]
    options = dict(word.partition("=")[::2] for word in words[1:])
    name = _NAMES.get(words[0].upper() or values.get("evt", ""), "")
    if not name:
        told = values.get("format") or values.get("evt") or "nothing"
        raise CodecError(f"{path}: its header says {told!r} for format: EVT2, EVT21 and EVT3 can be read")
    if name == "EVT21" and options.get("endianness") == "legacy":
        name = "EVT21 legacy"
    if "width" in options and "height" in options:
        size = options["width"], options["height"]
    elif match := re.fullmatch(r"(\d+)x(\d+)", values.get("geometry", "")):
        size = match[1], match[2]
    else:
        told = (values.get("plugin_name", "") + values.get("sensor_name", "")).lower()
        found = next((sides for generation, sides in _GENERATIONS.items() if generation in told), None)
        if found is None:
            raise CodecError(f"{path}: its header names no geometry: add a line `% geometry 640x480`")
        return name, *found
    if not all(side.isdigit() and 0 < int(side) <= 2048 for side in size):
        raise CodecError(f"{path}: its header says {size[0]}x{size[1]} pixels: both sides must be 1 to 2048")
    return name, int(size[0]), int(size[1])


def open_file(path: Path) -> EventFile:
    """Opens a RAW file; raises CodecError where its header does not say what follows."""
    values, start = _header(path)
    if not start:
        raise CodecError(f"{path}: does not start with a `% ` header: not a Prophesee RAW file")
    name, width, height = _format(path, values)

    def parts() -> Iterator[Events]:
        decoder = _DECODERS[name]()
        with path.open("rb") as file:
            file.seek(start)
            while chunk := file.read(_CHUNK):
                data = np.frombuffer(chunk, np.uint8)
                decoded = decoder.decode(data, width=width, height=height, time_base=0, big_endian=False, stamp_ns=0)
                recording.drop(decoded.dropped)
                if len(decoded.events):
                    yield decoded.events

    recording = EventFile(path, f"{name.lower()} raw", width, height, parts)
    return recording
