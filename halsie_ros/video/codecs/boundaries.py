"""Where one picture ends and the next begins, codec by codec, told from a start-coded unit's first bytes.

H.264: ITU-T H.264, 7.4.1.2.3 and 7.4.1.2.4; HEVC: ITU-T H.265, 7.4.2.4.4; MPEG-4: ISO/IEC 14496-2, 6.2; MPEG-1 and -2:
ISO/IEC 13818-2, 6.2.
"""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import Protocol

from halsie_ros.video.codecs.bits import SET, BitstreamError, rbsp
from halsie_ros.video.codecs.h264.headers import IDR, Pps, Slice, Sps, parse_pps, parse_slice, parse_sps
from halsie_ros.video.codecs.hevc.headers import Pps as HevcPps
from halsie_ros.video.codecs.hevc.headers import Sps as HevcSps
from halsie_ros.video.codecs.hevc.headers import parse_pps as parse_hevc_pps
from halsie_ros.video.codecs.hevc.headers import parse_sps as parse_hevc_sps
from halsie_ros.video.codecs.hevc.slices import order_of


class Role(Enum):
    """What a unit is to the picture before it.

    BEGINS: the first piece of a picture. GOES_ON: a further piece. HEADS: belongs to the next picture (parameter sets,
    SEI). SPARE: the same, and says nothing that matters (delimiters, filler). STAYS: belongs to what is before it.
    """

    BEGINS = "begins"
    GOES_ON = "goes on"
    HEADS = "heads"
    SPARE = "spare"
    STAYS = "stays"


class Boundaries(Protocol):
    """Tells the roles of one stream's units, in their order."""

    def role(self, unit: bytes) -> Role:
        """The role of a unit, given without its start code; its first 64 bytes are enough, one byte at least."""

    def continues(self, unit: bytes) -> bool | None:
        """Whether a unit that goes on belongs to the picture that began last; None where that cannot be told."""


def boundaries(codec: str) -> Boundaries | None:
    """The boundaries of a codec's start-coded units; None for codecs without start codes."""
    if codec == "h264":
        return _H264()
    if codec == "hevc":
        return _Hevc()
    if codec == "mpeg4":
        return _Mpeg4()
    return _Mpeg12() if codec in ("mpeg2video", "mpeg1video") else None


class _H264:
    def __init__(self) -> None:
        self._sps: dict[int, Sps] = {}
        self._pps: dict[int, Pps] = {}
        self._first = b""  # slice of the picture that began last
        self._first_field = 0  # parity of a field that waits for its second

    def role(self, unit: bytes) -> Role:
        kind = unit[0] & 31
        if kind in (1, 2, IDR):
            return self._slice(unit)
        if kind in (3, 4, 19, 20):  # partitions, auxiliary pictures, slices of extensions
            return Role.GOES_ON
        with contextlib.suppress(BitstreamError):
            if kind == 7:
                number, sps = parse_sps(rbsp(unit[1:], SET))
                self._sps[number] = sps
            elif kind == 8:
                number, pps = parse_pps(rbsp(unit[1:], SET))
                self._pps[number] = pps
        return Role.SPARE if kind in (9, 12) else Role.HEADS

    def _slice(self, unit: bytes) -> Role:
        if len(unit) > 1 and not unit[1] & 0x80:  # first_mb_in_slice is not 0
            return Role.GOES_ON
        field = 0
        if any(not sps.frames_only for sps in self._sps.values()) or any(pps.redundant for pps in self._pps.values()):
            head, before = self._parse(unit), self._parse(self._first)
            if head and head.redundant:
                return Role.GOES_ON
            field = head.field if head else 0
            same = head is not None and before is not None and head.frame_num == before.frame_num
            if same and field and self._first_field and field != self._first_field:
                self._first_field = 0
                return Role.GOES_ON  # the second field
        self._first, self._first_field = unit, field
        return Role.BEGINS

    def continues(self, unit: bytes) -> bool | None:
        head, first = self._parse(unit), self._parse(self._first)
        if head is None or first is None:
            return None
        return (
            (head.frame_num, head.order) == (first.frame_num, first.order)
            and (head.field == first.field or not self._first_field)
            and bool(unit[0] & 0x60) == bool(self._first[0] & 0x60)
        )

    def _parse(self, unit: bytes) -> Slice | None:
        try:
            return parse_slice(unit, self._sps, self._pps)[0]
        except (BitstreamError, IndexError):
            return None


class _Hevc:
    def __init__(self) -> None:
        self._sps: dict[int, HevcSps] = {}
        self._pps: dict[int, HevcPps] = {}
        self._first = b""  # segment of the picture that began last

    def role(self, unit: bytes) -> Role:
        kind = unit[0] >> 1 & 63
        if len(unit) > 1 and ((unit[0] & 1) << 5 | unit[1] >> 3):  # another layer
            return Role.STAYS
        if kind < 32:
            if len(unit) > 2 and not unit[2] & 0x80:
                return Role.GOES_ON
            self._first = unit
            return Role.BEGINS
        with contextlib.suppress(BitstreamError):
            if kind == 33:
                number, sps = parse_hevc_sps(rbsp(unit[2:], SET))
                self._sps[number] = sps
            elif kind == 34:
                number, pps = parse_hevc_pps(rbsp(unit[2:], SET))
                self._pps[number] = pps
        if kind in (40, 45, 46, 47) or kind > 55:
            return Role.STAYS
        return Role.SPARE if kind in (35, 38) else Role.HEADS

    def continues(self, unit: bytes) -> bool | None:
        order, first = self._order_of(unit), self._order_of(self._first)
        return None if order is None or first is None else order == first

    def _order_of(self, unit: bytes) -> int | None:
        try:
            return order_of(unit, self._sps, self._pps)
        except (BitstreamError, IndexError):
            return None


class _Mpeg4:
    def role(self, unit: bytes) -> Role:
        code = unit[0]
        if code == 0xB6:
            return Role.BEGINS
        if code in (0xB0, 0xB3, 0xB5) or code < 0x30:
            return Role.HEADS
        return Role.STAYS

    def continues(self, unit: bytes) -> bool | None:
        return None


class _Mpeg12:
    def __init__(self) -> None:
        self._place = -1  # of the picture that began last
        self._field = False
        self._slices = False  # came for it

    def role(self, unit: bytes) -> Role:
        code = unit[0]
        if code == 0x00:
            place = int.from_bytes(unit[1:3], "big") >> 6
            second = self._field and self._slices and place == self._place
            self._place, self._field, self._slices = place, False, False
            return Role.GOES_ON if second else Role.BEGINS
        if code < 0xB0:
            self._slices = True
            return Role.GOES_ON
        if code == 0xB5 and len(unit) > 3 and unit[1] >> 4 == 8:
            self._field |= unit[3] & 3 != 3
        return Role.HEADS if code in (0xB3, 0xB8) else Role.STAYS

    def continues(self, unit: bytes) -> bool | None:
        return None
