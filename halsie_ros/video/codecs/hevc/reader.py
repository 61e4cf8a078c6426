"""HEVC: NAL unit types, the picture size and the order of pictures (ITU-T H.265, 7.3.1, 7.3.2.2 and 8.3.1).

Every HEVC slice lists the pictures that it needs (the reference picture set), and FFmpeg complains when one is missing;
the order only tells here which pictures are shown before others that came earlier.
"""

from __future__ import annotations

from halsie_ros.video.codecs.bits import SET, BitstreamError, MissingSetsError, nal_units, rbsp
from halsie_ros.video.codecs.framing import record_units
from halsie_ros.video.codecs.hevc.ends import SegmentsEnd
from halsie_ros.video.codecs.hevc.headers import parse_sps
from halsie_ros.video.codecs.hevc.slices import order_of
from halsie_ros.video.codecs.packet_header import Sight

_FIRST_IRAP, _LAST_IRAP, _LAST_SLICE = 16, 23, 31
_LEADING = range(6, 10)  # RADL and RASL pictures (table 7-1)
_CRA = 21
_VPS, _SPS, _PPS = 32, 33, 34


class HevcReader:
    """Reads where decoding can start, and the size, from the packets of one stream."""

    def __init__(self, extradata: bytes = b"") -> None:
        """`extradata`: hvcC (length-prefixed packets) or Annex B parameter sets; empty for a live stream."""
        self._size: tuple[int, int] | None = None
        self._length_size = 0
        self._end = SegmentsEnd()
        self.reset()
        if extradata[:1] == b"\1" and len(extradata) > 22:
            self._length_size = (extradata[21] & 3) + 1
            for unit in record_units(extradata, hevc=True)[0]:
                self._take_set(unit, {})
        elif extradata:
            for unit in nal_units(extradata):
                self._take_set(unit, {})

    def reset(self) -> None:
        """Forgets the order, not the parameter sets."""
        self._order, self._highest = 0, 0

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        sets: dict[str, bytes] = {}
        first: bytes | None = None
        segments: list[bytes] = []
        for unit in nal_units(data, self._length_size):
            kind = unit[0] >> 1 & 63
            if unit[0] & 0x80 or (len(unit) < 3 and kind <= _PPS):
                raise BitstreamError("NAL unit with its forbidden bit set or without a payload: the packet is damaged")
            self._take_set(unit, sets)
            if kind <= _LAST_SLICE:
                segments.append(unit)
            if kind <= _LAST_SLICE and first is None:
                first = unit
                if not unit[2] & 0x80:
                    raise BitstreamError("packet starts in the middle of a picture: its first slice is missing")
        if first is None:
            return Sight(kind="", sets=sets or None)
        if self._size is None:
            raise MissingSetsError(
                "slice names a parameter set that has not come: wait for the next I-frame with SPS and PPS"
            )
        kind = first[0] >> 1 & 63
        starts = _FIRST_IRAP <= kind <= _LAST_IRAP
        reference = kind > 14 or bool(kind & 1)  # even types up to 14 are sub-layer non-reference pictures
        return Sight(
            "I" if starts else "?", starts, None, reference, checked=True, size=self._size, sets=sets or None,
            earlier=self._shown_earlier(kind, segments), leads=kind in _LEADING, pieces=len(segments),
            coded=(segments, *self._end.sets),
        )  # fmt: skip

    def ends(self, sight: Sight) -> bool | None:
        """Whether the slice segments of a picture end where their data end; None where that cannot be said."""
        return self._end.check(*sight.coded) if sight.coded else None

    def _shown_earlier(self, kind: int, segments: list[bytes]) -> bool:
        """Moves the order on; raises BitstreamError for segments of several pictures."""
        all_sps, all_pps = self._end.sets
        orders = set()
        for unit in segments:
            try:
                orders.add(order_of(unit, all_sps, all_pps))
            except BitstreamError:  # of a kind that is not known here
                return False
        orders.discard(None)
        if len(orders) > 1:
            raise BitstreamError("packet holds slices of several pictures: a piece of one is missing")
        number, sps = next(iter(orders), None), next(iter(all_sps.values()), None)
        if number is None or sps is None:
            return False
        half = 1 << (sps.order_bits - 1)
        if _FIRST_IRAP <= kind <= _LAST_IRAP:
            self._order = self._highest = number if kind == _CRA else 0
            return False
        order = self._order + (number - self._order + half) % (2 * half) - half
        earlier, self._highest = order < self._highest, max(order, self._highest)
        if kind & 1 and kind not in _LEADING:
            self._order = order
        return earlier

    def _take_set(self, unit: bytes, sets: dict[str, bytes]) -> None:
        kind = unit[0] >> 1 & 63
        if kind == _SPS:
            _, sps = parse_sps(rbsp(unit[2:], SET))
            self._size = sps.width, sps.height
        said = self._end.take_set(unit)
        if said is not None:
            sets[said[0]] = said[1]
