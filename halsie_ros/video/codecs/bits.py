"""Reading the first fields of a bitstream, bit by bit; a read past the end is an error, never a guess."""

from __future__ import annotations

from halsie_ros.errors import VideoError


class BitstreamError(VideoError):
    """A header ends early or holds a value that its standard forbids."""


class MissingSetsError(BitstreamError):
    """A picture names parameter sets, or a layer header, that have not come."""


class BitReader:
    """Reads big-endian bits from the head of a byte string."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    @property
    def left(self) -> int:
        """Bits not yet read."""
        return self._left

    def bits(self, count: int) -> int:
        """The next `count` bits as an unsigned number."""
        self._left -= count
        if self._left < 0:
            raise BitstreamError(f"header ends {-self._left} bits early: the packet is cut off or damaged")
        return (self._value >> self._left) & ((1 << count) - 1)

    def since(self, left: int) -> bytes:
        """The bits read since `left` bits were left, in a form of their own (digits), to be compared."""
        count = left - self._left
        return f"{count}:{(self._value >> self._left) & ((1 << count) - 1):x}".encode()

    def trailing_zeros(self) -> int:
        """Zeros at the end of the bits not yet read."""
        rest = self._value & ((1 << self._left) - 1)
        return (rest & -rest).bit_length() - 1 if rest else self._left

    def flag(self) -> bool:
        """The next bit."""
        return bool(self.bits(1))

    def ue(self) -> int:
        """Exp-Golomb code, unsigned (H.264 9.1): n zeros, a one, n bits."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 31:
                raise BitstreamError("header holds an exp-Golomb code of more than 31 zeros: the packet is damaged")
        return (1 << zeros) - 1 + self.bits(zeros)

    def se(self) -> int:
        """Exp-Golomb code, signed (H.264 9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def nal_units(data: bytes, length_size: int = 0, most: int = 512) -> list[bytes]:
    """Splits Annex B data at its start codes, or length-prefixed data (avcC, hvcC) when `length_size` is given.

    Raises:
        BitstreamError: a length reaches past the end, there are more than `most` units, or none.
    """
    units: list[bytes] = []
    if length_size:
        at = 0
        while at + length_size <= len(data):
            length = int.from_bytes(data[at : at + length_size], "big")
            at += length_size
            if length > len(data) - at:
                raise BitstreamError(
                    f"NAL unit claims {length} bytes, {len(data) - at} are left: the packet is cut off"
                )
            units.append(data[at : at + length])
            at += length
    else:
        start = data.find(b"\0\0\1")
        while start >= 0:
            end = data.find(b"\0\0\1", start + 3)
            units.append((data[start + 3 :] if end < 0 else data[start + 3 : end]).rstrip(b"\0"))
            start = end
            if len(units) > most:
                break
    units = [unit for unit in units if unit]
    if not 0 < len(units) <= most:
        raise BitstreamError(
            f"packet of {len(data)} bytes holds {len(units)} NAL units: it is damaged or no such stream"
        )
    return units


SET = 4096
"""Bytes of a parameter set or SEI message that are read: far more than encoders write, little for a hostile sender."""


def rbsp(unit: bytes, head: int | None = None) -> bytes:
    """The payload of a NAL unit without emulation prevention bytes; only its first `head` bytes when given."""
    if head is not None:
        unit = unit[: head + 8]
    return unit.replace(b"\0\0\3", b"\0\0")
