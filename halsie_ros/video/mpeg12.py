"""MPEG-1 and MPEG-2 video: sequence and picture headers (ISO/IEC 13818-2, 6.2.2 and 6.2.3)."""

from __future__ import annotations

from halsie_ros.video.bits import BitReader, BitstreamError
from halsie_ros.video.sequence import Sight

_PICTURE, _SEQUENCE, _EXTENSION = 0x00, 0xB3, 0xB5
_SEQUENCE_EXTENSION = 1


class Mpeg12Reader:
    """Reads picture types and sizes; these codecs count pictures only within a GOP, so time must show a loss."""

    def __init__(self, extradata: bytes = b"") -> None:
        """`extradata`: the sequence header of a file; empty for a live stream."""
        self._size: tuple[int, int] | None = None
        self._scan(extradata)

    def reset(self) -> None:
        """Nothing is counted."""

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        kind, sequence = self._scan(data)
        if not kind:
            if sequence:
                return Sight(kind="", sets={"sequence": sequence})
            raise BitstreamError("packet holds no picture header: the picture is missing")
        if self._size is None:
            raise BitstreamError("picture before any sequence header: wait for the next I-frame that carries one")
        sets = {"sequence": sequence} if sequence else None
        return Sight(kind=kind, starts=kind == "I", reference=kind != "B", size=self._size, sets=sets)

    def _scan(self, data: bytes) -> tuple[str, bytes]:
        kind, sequence = "", b""
        start = data.find(b"\0\0\1")
        while 0 <= start < len(data) - 3:
            code, body = data[start + 3], data[start + 4 : start + 160]
            if code == _SEQUENCE:
                bits = BitReader(body)
                self._size = bits.bits(12), bits.bits(12)
                sequence += body[:8]
            elif code == _EXTENSION and body[:1] and body[0] >> 4 == _SEQUENCE_EXTENSION and self._size:
                bits = BitReader(body)
                bits.bits(15)
                wide, high = bits.bits(2), bits.bits(2)
                self._size = self._size[0] & 4095 | wide << 12, self._size[1] & 4095 | high << 12
                sequence += body[:6]
            elif code == _PICTURE:
                bits = BitReader(body)
                bits.bits(10)
                number = bits.bits(3)
                if not 1 <= number <= 3:
                    raise BitstreamError(
                        f"picture_coding_type is {number}: the packet is damaged, or MPEG-1's D-pictures"
                    )
                return "IPB"[number - 1], sequence
            start = data.find(b"\0\0\1", start + 3)
        return kind, sequence
