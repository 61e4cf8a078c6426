"""VP9: superframes and uncompressed frame headers (VP9 Bitstream & Decoding Process Specification, 6.2 and annex B).

The stream counts nothing: of losses its times must tell. What a frame is and how large are read here before libvpx sees
it, which is given exactly the frames that were read: left to itself it would take bytes behind a frame for another one.
"""

from __future__ import annotations

from dataclasses import dataclass

from halsie_ros.video.codecs.bits import BitReader, BitstreamError
from halsie_ros.video.codecs.packet_header import Sight, Unproven

_FRAME_MARKER, _SYNC_CODE, _RGB = 2, 0x498342, 7
_HEAD = 32  # bytes of a frame that surely hold its size
_INDEX_MARKER, _INDEX_MASK = 0xC0, 0xE0
_FOUR_BYTES = 3 << 3  # sizes in the index take four bytes


@dataclass(frozen=True)
class _Header:
    """What one frame says: whether it needs no other, whether it is shown, its size where it says one."""

    key: bool
    shown: bool
    size: tuple[int, int] | None = None


class Vp9Reader(Unproven):
    """Reads what frames are, and their sizes."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None

    def reset(self) -> None:
        """There is no counter to forget."""

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        headers = [_header(BitReader(part[:_HEAD])) for part in frames_of(data)]
        sizes = [header.size for header in headers if header.size]
        if sizes:
            self._size = max(width for width, _ in sizes), max(height for _, height in sizes)
        key = headers[0].key
        sight = Sight(kind="I" if key else "P", starts=key, size=self._size)
        if key:
            sight.sets = {"frame size": repr(headers[0].size).encode()}
        if not any(header.shown for header in headers):
            sight.kind, sight.starts = "", False
        return sight


def frames_of(data: bytes) -> list[bytes]:
    """The frames of a packet: of a superframe, those that its index names.

    Raises:
        BitstreamError: the index names more bytes than there are, or nothing.
    """
    index = _index_bytes(data)
    if not index:
        return [data]
    sizes_at, width, end = len(data) - index + 1, (data[-1] >> 3 & 3) + 1, len(data) - index
    frames, start = [], 0
    for at in range(sizes_at, len(data) - 1, width):
        size = int.from_bytes(data[at : at + width], "little")
        if size > end - start:
            raise BitstreamError(f"superframe names {size} bytes, {end - start} are left: the packet is damaged")
        if size:
            frames.append(data[start : start + size])
        start += size
    if not frames:
        raise BitstreamError("superframe holds no frame: the packet is damaged")
    return frames


def as_superframe(data: bytes) -> bytes:
    """The packet with an index, so that a decoder takes it for the frames that `frames_of` sees, and no others."""
    if _index_bytes(data):
        return data
    marker = bytes([_INDEX_MARKER | _FOUR_BYTES])
    return data + marker + len(data).to_bytes(4, "little") + marker


def is_key(data: bytes) -> bool:
    """Whether a packet's first frame is a key frame.

    Raises:
        BitstreamError: its header cannot be read.
    """
    return _header(BitReader(frames_of(data)[0][:_HEAD])).key


def is_deep(data: bytes) -> bool:
    """Whether a packet's first frame has more than 8 bits per sample (profile 2 or 3)."""
    return bool(data) and data[0] >> 4 & 1 == 1


def _index_bytes(data: bytes) -> int:
    """Length of the superframe index at the packet's end, 0 where there is none."""
    if not data or data[-1] & _INDEX_MASK != _INDEX_MARKER:
        return 0
    length = 2 + ((data[-1] & 7) + 1) * ((data[-1] >> 3 & 3) + 1)
    return length if length <= len(data) and data[-length] == data[-1] else 0


def _header(bits: BitReader) -> _Header:
    if bits.bits(2) != _FRAME_MARKER:
        raise BitstreamError("frame does not begin with VP9's frame marker: the packet is damaged or no VP9")
    profile = bits.bits(1) | bits.bits(1) << 1
    if profile == 3 and bits.flag():
        raise BitstreamError("VP9 profile above 3: the packet is damaged")
    if bits.flag():  # show_existing_frame
        return _Header(key=False, shown=True)
    key, shown, resilient = not bits.flag(), bits.flag(), bits.flag()
    if key:
        _sync(bits)
        _colour(bits, profile)
        return _Header(True, shown, _size(bits))
    intra_only = not shown and bits.flag()
    if not resilient:
        bits.bits(2)  # reset_frame_context
    if intra_only:
        _sync(bits)
        if profile:
            _colour(bits, profile)
        bits.bits(8)  # refresh_frame_flags
        return _Header(False, shown, _size(bits))
    bits.bits(8 + 3 * 4)  # refresh_frame_flags, ref_frame_idx and sign bias
    for _ in range(3):
        if bits.flag():  # as large as a reference
            return _Header(False, shown)
    return _Header(False, shown, _size(bits))


def _sync(bits: BitReader) -> None:
    if bits.bits(24) != _SYNC_CODE:
        raise BitstreamError("frame lacks VP9's sync code: the packet is damaged")


def _colour(bits: BitReader, profile: int) -> None:
    if profile >= 2:
        bits.bits(1)  # ten or twelve bits
    if bits.bits(3) != _RGB:
        bits.bits(1)  # colour range
        if profile & 1:
            bits.bits(3)  # subsampling
    elif profile & 1:
        bits.bits(1)
    else:
        raise BitstreamError("RGB in a VP9 profile without it: the packet is damaged")


def _size(bits: BitReader) -> tuple[int, int]:
    return bits.bits(16) + 1, bits.bits(16) + 1
