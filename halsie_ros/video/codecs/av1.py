"""AV1: open bitstream units (AV1 Bitstream & Decoding Process Specification, 5.3 to 5.9), as far as their heads go."""

from __future__ import annotations

from halsie_ros.video.codecs.bits import BitReader, BitstreamError

_SEQUENCE, _DELIMITER, _FRAME_HEADER, _FRAME = 1, 2, 3, 6
_MOST = 4096  # units of one message


def units_of(data: bytes) -> list[tuple[int, int, bytes]]:
    """The units: where each begins, its type, the first bytes of what it holds.

    Raises:
        BitstreamError: a size reaches past the end, or there are too many.
    """
    units: list[tuple[int, int, bytes]] = []
    at = 0
    while at < len(data):
        begin, head = at, data[at]
        if head & 0x80 or len(units) == _MOST:
            raise BitstreamError("message holds no AV1 units: it is damaged, or in AV1's length-delimited form")
        at += 2 if head & 4 else 1
        size = len(data) - at
        if head & 2:
            size = 0
            for place in range(8):
                if at >= len(data):
                    raise BitstreamError("AV1 unit ends inside its size: the packet is cut off")
                size |= (data[at] & 127) << 7 * place
                at += 1
                if not data[at - 1] & 128:
                    break
        if size > len(data) - at:
            raise BitstreamError(f"AV1 unit claims {size} bytes, {len(data) - at} are left: the packet is cut off")
        units.append((begin, head >> 3 & 15, data[at : at + 16]))
        at += size
    return units


def temporal_units(data: bytes) -> list[bytes]:
    """The message cut where a temporal delimiter begins a new picture; whole where it cannot be read."""
    try:
        cuts = [begin for begin, kind, _ in units_of(data) if kind == _DELIMITER and begin]
    except BitstreamError:
        return [data]
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]


def is_key(data: bytes) -> bool:
    """Whether the first frame is a key frame that is shown, by its header (5.9.2)."""
    for _, kind, head in units_of(data):
        if kind in (_FRAME, _FRAME_HEADER) and head:
            bits = BitReader(head[:1])
            return not bits.flag() and bits.bits(2) == 0
    return False


def has_frame(data: bytes) -> bool:
    """Whether a message holds a frame; sequence headers, metadata, padding and delimiters do not."""
    return any(kind not in (_SEQUENCE, _DELIMITER, 5, 15) for _, kind, _ in units_of(data))
