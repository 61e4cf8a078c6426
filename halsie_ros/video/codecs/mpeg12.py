"""MPEG-1 and MPEG-2 video: sequence, group and picture headers (ISO/IEC 13818-2, 6.2.2 and 6.2.3).

A picture says its place among those of its group, in display order (temporal_reference): a loss within a group shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from halsie_ros.video.codecs.bits import BitReader, BitstreamError, MissingSetsError
from halsie_ros.video.codecs.packet_header import Sight, Unproven

_PICTURE, _SEQUENCE, _EXTENSION, _GROUP = 0x00, 0xB3, 0xB5, 0xB8
_SEQUENCE_EXTENSION, _PICTURE_EXTENSION = 1, 8
_FRAME_PICTURE = 3
_MOST_UNITS = 64  # before a picture's slices
_PLACEHOLDER = 4  # bytes, at most, of a packet that is no picture
_PLACES = 1024  # temporal_reference has ten bits


@dataclass
class _Scanned:
    """What stands before a picture's slices: its type and place, the sequence header's bytes, whether a group begins,
    whether the picture is a whole frame."""

    kind: str = ""
    sequence: bytes = b""
    place: int = 0
    group: bool = False
    whole: bool = True


class Mpeg12Reader(Unproven):
    """Reads picture types, sizes and places; of the end of a group lost with the start of the next, times must tell."""

    def __init__(self, extradata: bytes = b"") -> None:
        """`extradata`: the sequence header of a file; empty for a live stream."""
        self._size: tuple[int, int] | None = None
        self.reset()
        self._scan(extradata)

    def reset(self) -> None:
        """Forgets the counter, not the size."""
        self._base = 0  # pictures before the present group
        self._newest = -1  # place of the newest picture, counted from the stream's start
        self._last: int | None = None  # of the newest reference picture
        self._before_last: int | None = None
        self._after_intra = False  # the newest reference picture is an I-picture
        self._length = 0  # of the group before

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        scanned = self._scan(data)
        kind, sequence = scanned.kind, scanned.sequence
        if not kind:
            if b"\0\0\1" not in data and len(data) > _PLACEHOLDER and any(data):
                raise BitstreamError("packet holds no start code: it is damaged or no MPEG video")
            return Sight(kind="", sets={"sequence": sequence} if sequence else None)
        if self._size is None:
            raise MissingSetsError("picture before any sequence header: wait for the next I-frame that carries one")
        sight = Sight(kind=kind, starts=kind == "I", reference=kind != "B", size=self._size, wrap=self._length)
        sight.earlier, sight.leads = kind == "B", kind == "B" and self._after_intra
        self._after_intra = kind == "I" or (kind == "B" and self._after_intra)
        sight.sets = {"sequence": sequence} if sequence else None
        self._count(sight, scanned)
        return sight

    def _count(self, sight: Sight, scanned: _Scanned) -> None:
        """Says the picture's place, and what is missing before it by that."""
        if scanned.group:
            self._length, self._base = max(self._newest + 1 - self._base, 0), self._newest + 1
        place = self._base + scanned.place
        if self._last is not None and self._last - place > _PLACES // 2:
            self._base, place = self._base + _PLACES, place + _PLACES
        sight.time, self._newest = place, max(self._newest, place)
        if sight.kind == "B":
            if self._last is not None and place >= self._last:
                sight.missing = "the reference picture after a B-picture"
            elif self._before_last is not None and place < self._before_last:
                sight.missing = "the reference picture before a B-picture"
            return
        if sight.kind == "P" and self._last is not None and place < self._last + scanned.whole:
            sight.missing = "picture: its place in its group does not move on"
        self._before_last, self._last = self._last, place

    def _scan(self, data: bytes) -> _Scanned:
        found = _Scanned()
        start, count = data.find(b"\0\0\1"), 0
        while 0 <= start < len(data) - 3 and count < _MOST_UNITS:
            count += 1
            code, body = data[start + 3], data[start + 4 : start + 160]
            if code == _SEQUENCE:
                bits = BitReader(body)
                self._size = bits.bits(12), bits.bits(12)
                found.sequence += repr(self._size).encode() + _matrices(body)
            elif code == _EXTENSION and body[:1] and body[0] >> 4 == _SEQUENCE_EXTENSION and self._size:
                bits = BitReader(body)
                bits.bits(15)
                wide, high = bits.bits(2), bits.bits(2)
                self._size = self._size[0] & 4095 | wide << 12, self._size[1] & 4095 | high << 12
                found.sequence += repr(self._size).encode() + bytes([body[1] & 14])  # progressive, chroma format
            elif code == _EXTENSION and body[:1] and body[0] >> 4 == _PICTURE_EXTENSION:
                found.whole = len(body) < 3 or body[2] & 3 == _FRAME_PICTURE
                break
            elif code == _GROUP:
                found.group = True
            elif code == _PICTURE:
                bits = BitReader(body)
                found.place, number = bits.bits(10), bits.bits(3)
                if not 1 <= number <= 3:
                    raise BitstreamError(
                        f"picture_coding_type is {number}: the packet is damaged, or MPEG-1's D-pictures"
                    )
                found.kind = "IPB"[number - 1]
            elif found.kind:  # slices begin
                break
            start = data.find(b"\0\0\1", start + 3)
        return found


def _matrices(body: bytes) -> bytes:
    """The quantizer matrices of a sequence header: of what follows its size, all that decoding depends on."""
    if len(body) < 8:
        return b""
    intra = bool(body[7] & 2)
    at = 7 + 64 * intra
    other = len(body) > at and bool(body[at] & 1)
    return bytes([intra, other]) + body[8 : 8 + 64 * (intra + other)]
