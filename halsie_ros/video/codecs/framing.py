"""How NAL units stand in a message: behind start codes (Annex B) or behind their lengths (ISO/IEC 14496-15).

Tools that write MP4 use lengths, decoders of live streams want start codes. Which of the two a message uses is told
from its bytes; what cannot be told from one message is told from those before.
"""

from __future__ import annotations

from halsie_ros.video.codecs.bits import BitstreamError

START = b"\0\0\0\1"
_SIZES = (4, 2)  # bytes of a length; 3 is not allowed, 1 too short for pictures (14496-15, 5.3.3.1)
_MOST = 512  # units of one message
_AVCC, _HVCC = 7, 23  # bytes before the first parameter set of a configuration record


class Framing:
    """Follows one stream of H.264 or HEVC.

    Attributes:
        size: bytes of a length, 0 for start codes, None while unknown.
    """

    def __init__(self, codec: str) -> None:
        """`codec`: "h264" or "hevc"."""
        self._hevc = codec == "hevc"
        self.size: int | None = None

    def with_start_codes(self, data: bytes) -> bytes:
        """The message's units behind start codes; data in neither form comes back as they are."""
        record = configuration(data, hevc=self._hevc)
        if record:
            return START + START.join(record)
        units = None
        if self.size is None:
            if data[:4] == START or (data[:3] == START[1:] and self._units(data, 4) is None):
                self.size = 0
            else:
                self.size = next((size for size in _SIZES if self._units(data, size) is not None), None)
        elif self.size == 0 and data[:3] != START[1:] and data[:4] != START:
            # a sender that changed over; a piece of a picture that looks so by chance is left alone
            units = self._units(data, 4)
            if units is not None and len(units) > 1:
                self.size = 4
        if not self.size:
            return data
        units = self._units(data, self.size)
        if units is None:
            if data[:4] == START or data[:3] == START[1:]:
                self.size = 0
            return data
        return START + START.join(units)

    def _units(self, data: bytes, size: int) -> list[bytes] | None:
        """The units, where lengths of `size` bytes lead exactly to the end and all units could be such; else None."""
        units: list[bytes] = []
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + size], "big")
            at += size
            if length < 2 or length > len(data) - at or len(units) == _MOST or not self._plausible(data[at : at + 2]):
                return None
            units.append(data[at : at + length])
            at += length
        return units or None

    def _plausible(self, head: bytes) -> bool:
        """Whether these may be the first bytes of a NAL unit (H.264, table 7-1; HEVC, table 7-1)."""
        if head[0] & 0x80:
            return False
        if self._hevc:
            kind, layer, temporal = head[0] >> 1 & 63, (head[0] & 1) << 5 | head[1] >> 3, head[1] & 7
            return (kind <= 9 or 16 <= kind <= 21 or 32 <= kind <= 40) and layer == 0 and temporal > 0
        return 1 <= head[0] & 31 <= 20


def configuration(data: bytes, *, hevc: bool) -> list[bytes]:
    """Parameter sets of a configuration record that is all of `data` (avcC, hvcC); empty where it is none."""
    if data[:1] != b"\1" or len(data) < (_HVCC if hevc else _AVCC):
        return []
    try:
        units, end = record_units(data, hevc=hevc)
    except BitstreamError:
        return []
    # Profiles of H.264 with more than 4:2:0 carry four bytes more, and as many extra sets as the last one says.
    return units if units and (end == len(data) or (not hevc and len(data) - end <= 4)) else []


def record_units(data: bytes, *, hevc: bool) -> tuple[list[bytes], int]:
    """Parameter sets of a record (14496-15, 5.3.3.1 and 8.3.3.1), and where it ends.

    Raises:
        BitstreamError: the record ends inside a set.
    """
    units: list[bytes] = []
    at = 22 if hevc else 5
    groups = data[at] if hevc else 2
    at += hevc
    for group in range(groups):
        head = data[at : at + (3 if hevc else 1)]
        if not head and not hevc:
            break  # some records end after their sequence parameter sets
        if len(head) < (3 if hevc else 1):
            raise BitstreamError(f"configuration record of {len(data)} bytes is cut off")
        count = int.from_bytes(head[1:], "big") if hevc else head[0] & (31 if group == 0 else 255)
        at += len(head)
        for _ in range(count):
            length = int.from_bytes(data[at : at + 2], "big")
            unit = data[at + 2 : at + 2 + length]
            at += 2 + length
            if at > len(data):
                raise BitstreamError(f"configuration record of {len(data)} bytes ends inside a parameter set")
            units.append(unit)
    return [unit for unit in units if len(unit) > (2 if hevc else 0)], at
