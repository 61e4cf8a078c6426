"""Where decoding can start, told from a message's bytes alone: no sender's flag is needed, no state is kept."""

from __future__ import annotations

from halsie_ros.video.codecs import av1
from halsie_ros.video.codecs.bits import BitReader, BitstreamError, rbsp
from halsie_ros.video.codecs.framing import Framing
from halsie_ros.video.codecs.h264.headers import recovery_point
from halsie_ros.video.codecs.vp9 import is_key as is_vp9_key

_CODE = b"\0\0\1"
_MOST_UNITS = 512


def starts_picture(codec: str, data: bytes | memoryview) -> bool:
    """Whether a picture begins in the message at which a decoder can start: an IDR, IRAP, key or intra picture.

    Args:
        codec: one of `packets.CODECS`.
        data: a message, whole pictures or pieces, behind start codes or lengths.
    """
    whole = bytes(data)
    try:
        if codec == "h264":
            return _h264(Framing(codec).with_start_codes(whole))
        if codec == "hevc":
            return any(_hevc(unit) for unit in _units(Framing(codec).with_start_codes(whole)))
        if codec == "mpeg4":
            return any(unit[0] == 0xB6 and len(unit) > 1 and unit[1] >> 6 == 0 for unit in _units(whole))
        if codec in ("mpeg2video", "mpeg1video"):
            return any(unit[0] == 0 and len(unit) > 2 and unit[2] >> 3 & 7 == 1 for unit in _units(whole))
        return is_vp9_key(whole) if codec == "vp9" else codec == "av1" and av1.is_key(whole)
    except BitstreamError:
        return False


def holds_picture(codec: str, data: bytes | memoryview) -> bool:
    """Whether a message holds (part of) a picture; parameter sets, delimiters and messages alone are none."""
    whole = bytes(data)
    if codec == "h264":
        return any(unit[0] & 31 in (1, 2, 3, 4, 5, 20) for unit in _units(Framing(codec).with_start_codes(whole)))
    if codec == "hevc":
        return any(unit[0] >> 1 & 63 < 32 for unit in _units(Framing(codec).with_start_codes(whole)))
    if codec == "mpeg4":
        return any(unit[0] == 0xB6 for unit in _units(whole))
    if codec in ("mpeg2video", "mpeg1video"):
        return any(unit[0] < 0xB0 for unit in _units(whole))
    try:
        return codec != "av1" or av1.has_frame(whole)
    except BitstreamError:
        return True


def _units(data: bytes) -> list[bytes]:
    """The first 64 bytes of every unit behind a start code."""
    units: list[bytes] = []
    at = data.find(_CODE)
    while 0 <= at < len(data) - 3 and len(units) < _MOST_UNITS:
        following = data.find(_CODE, at + 3)
        end = len(data) if following < 0 else following
        units.append(data[at + 3 : min(end, at + 67)])
        at = following
    return [unit for unit in units if unit]


def _h264(data: bytes) -> bool:
    """An IDR picture, or an intra picture or refresh that a recovery point message announces (annex D.1.8)."""
    recovery: int | None = None
    for unit in _units(data):
        kind = unit[0] & 31
        if kind == 6:
            recovery = recovery_point(rbsp(unit[1:]), recovery)
        elif kind == 5 and _is_first(unit, 1):
            return True
        elif kind in (1, 2):
            return recovery is not None and _is_first(unit, 1)
    return False


def _hevc(unit: bytes) -> bool:
    return 16 <= unit[0] >> 1 & 63 <= 23 and _is_first(unit, 2)


def _is_first(unit: bytes, head: int) -> bool:
    """Whether a slice is its picture's first one, by the first bit of its header."""
    return len(unit) <= head or BitReader(unit[head : head + 1]).flag()
