"""HEVC: NAL unit types and the picture size (ITU-T H.265, 7.3.1 and 7.3.2.2).

Every HEVC slice lists the pictures that it needs (the reference picture set), and FFmpeg complains when one is missing;
its counter is not read here.
"""

from __future__ import annotations

from halsie_ros.video.codecs.bits import BitstreamError, nal_units, rbsp
from halsie_ros.video.codecs.hevc.ends import SegmentsEnd
from halsie_ros.video.codecs.hevc.headers import parse_sps
from halsie_ros.video.codecs.packet_header import Sight

_FIRST_IRAP, _LAST_IRAP, _LAST_SLICE = 16, 23, 31
_VPS, _SPS, _PPS = 32, 33, 34


class HevcReader:
    """Reads where decoding can start, and the size, from the packets of one stream."""

    def __init__(self, extradata: bytes = b"") -> None:
        """`extradata`: hvcC (length-prefixed packets) or Annex B parameter sets; empty for a live stream."""
        self._size: tuple[int, int] | None = None
        self._length_size = 0
        self._end = SegmentsEnd()
        if extradata[:1] == b"\1" and len(extradata) > 22:
            self._length_size = (extradata[21] & 3) + 1
            for unit in _hvcc_units(extradata):
                self._take_set(unit, {})
        elif extradata:
            for unit in nal_units(extradata):
                self._take_set(unit, {})

    def reset(self) -> None:
        """Nothing is counted."""

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        sets: dict[str, bytes] = {}
        first: int | None = None
        segments: list[bytes] = []
        for unit in nal_units(data, self._length_size):
            kind = unit[0] >> 1 & 63
            if unit[0] & 0x80 or (len(unit) < 3 and kind <= _PPS):
                raise BitstreamError("NAL unit with its forbidden bit set or without a payload: the packet is damaged")
            self._take_set(unit, sets)
            if kind <= _LAST_SLICE:
                segments.append(unit)
            if kind <= _LAST_SLICE and first is None:
                first = kind
                if not unit[2] & 0x80:
                    raise BitstreamError("packet starts in the middle of a picture: its first slice is missing")
        if first is None:
            if not sets:
                raise BitstreamError("packet holds no slice: the picture is missing")
            return Sight(kind="", sets=sets)
        if self._size is None:
            raise BitstreamError(
                "slice names a parameter set that has not come: wait for the next I-frame with SPS and PPS"
            )
        starts = _FIRST_IRAP <= first <= _LAST_IRAP
        reference = first > 14 or bool(first & 1)  # even types up to 14 are sub-layer non-reference pictures
        return Sight(
            "I" if starts else "?", starts, None, reference, checked=True, size=self._size, sets=sets or None,
            ends=lambda: self._end.check(segments),
        )  # fmt: skip

    def _take_set(self, unit: bytes, sets: dict[str, bytes]) -> None:
        kind = unit[0] >> 1 & 63
        if kind == _SPS:
            _, sps = parse_sps(rbsp(unit[2:]))
            self._size = sps.width, sps.height
        self._end.take_set(unit)
        if kind in (_VPS, _SPS, _PPS):
            sets[f"{kind} {unit[2] if len(unit) > 2 else 0}"] = unit


def _hvcc_units(extradata: bytes) -> list[bytes]:
    """Parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1)."""
    units, at = [], 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            units.append(extradata[at + 2 : at + 2 + length])
            at += 2 + length
            if at > len(extradata):
                raise BitstreamError("HEVC extradata ends inside a parameter set: the file is damaged")
    return [unit for unit in units if len(unit) > 2]
