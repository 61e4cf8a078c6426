"""MPEG-4 part 2: video object layer and VOP headers (ISO/IEC 14496-2, 6.2.3 and 6.2.5), and the VOP time.

A VOP says when it is shown: seconds passed since the previous reference VOP's second (modulo_time_base) and a fraction.
That clock is the only sign of a lost packet in the stream itself.
"""

from __future__ import annotations

from halsie_ros.video.codecs.bits import BitReader, BitstreamError, MissingSetsError
from halsie_ros.video.codecs.packet_header import Sight, Unproven

_GOV, _VOP = 0xB3, 0xB6
_SPRITE = 3
_PLACEHOLDER = 4  # bytes, at most; DivX 5 puts one byte (0x7f) second into its files
_LAYER = 320  # bytes that surely hold a layer header with its quantizer matrices
_MAX_SECONDS = 3600  # a jump of modulo_time_base beyond this is damage


class Mpeg4Reader(Unproven):
    """Follows the VOP time over the packets of one stream."""

    def __init__(self, extradata: bytes = b"") -> None:
        """`extradata`: the video object layer header of a file; empty for a live stream."""
        self._resolution = 0
        self._size: tuple[int, int] | None = None
        self.reset()
        if extradata:
            for code, body in _sections(extradata):
                if 0x20 <= code <= 0x2F:
                    self._read_layer(body)

    def reset(self) -> None:
        """Forgets the clock, not the layer's header."""
        self._second = 0
        self._previous_second = 0
        self._last: int | None = None  # time of the newest reference VOP
        self._before_last: int | None = None
        self._after_intra = False  # the newest reference VOP is an I-VOP

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        sight: Sight | None = None
        head: bytes | None = None
        sections = _sections(data)
        if not sections and len(data) > _PLACEHOLDER and any(data):
            raise BitstreamError("packet holds no start code: it is damaged or no MPEG-4")
        for code, body in sections:
            if 0x20 <= code <= 0x2F:
                head = (head or b"") + self._read_layer(body)
            elif code == _GOV:
                bits = BitReader(body[:4])
                hours, minutes, _, seconds = bits.bits(5), bits.bits(6), bits.bits(1), bits.bits(6)
                self._second = self._previous_second = (hours * 60 + minutes) * 60 + seconds
            elif code == _VOP:
                # A second VOP in one packet is a packed B-frame; the first one names the packet.
                vop = self._read_vop(body)
                sight = sight or vop
        if sight is None:  # headers alone, or DivX's placeholder of one byte: nothing is missing
            sight = Sight(kind="")
        sight.sets = {"layer": head} if head else None
        return sight

    def _read_layer(self, body: bytes) -> bytes:
        """Takes a layer's header; gives what decoding depends on of it: not its level, rate or aspect ratio."""
        bits = BitReader(body[:_LAYER].rstrip(b"\0"))
        bits.bits(9)
        version = 1
        if bits.flag():
            version = bits.bits(4)
            bits.bits(3)
        if bits.bits(4) == 15:
            bits.bits(16)
        if bits.flag():
            bits.bits(3)
            if bits.flag():
                bits.bits(79)
        shape = bits.bits(2)
        if shape == 3 and version != 1:
            bits.bits(4)
        bits.bits(1)
        self._resolution = bits.bits(16)
        if self._resolution == 0:
            raise BitstreamError("MPEG-4 layer says 0 ticks a second: the header is damaged")
        bits.bits(1)
        if bits.flag():
            bits.bits(self._tick_bits())
        if shape == 0:
            bits.bits(1)
            width = bits.bits(13)
            bits.bits(1)
            self._size = width, bits.bits(13)
        left = bits.left
        bits.bits(left)
        return f"{shape} {self._resolution} {self._size} ".encode() + bits.since(left)

    def _tick_bits(self) -> int:
        return max(1, (self._resolution - 1).bit_length())

    def _read_vop(self, body: bytes) -> Sight:
        if not self._resolution:
            raise MissingSetsError("VOP before any layer header: wait for the next I-frame that carries one")
        bits = BitReader(body[: _MAX_SECONDS // 8 + 16])
        coding = bits.bits(2)
        kind = "IPBP"[coding]
        passed = 0
        while bits.flag():
            passed += 1
            if passed > _MAX_SECONDS:
                raise BitstreamError(f"VOP says that {passed} seconds passed: the packet is damaged")
        if not bits.flag():
            raise BitstreamError("VOP header lacks its marker bit: the packet is damaged")
        ticks = bits.bits(self._tick_bits())
        if ticks >= self._resolution:
            raise BitstreamError(f"VOP time is {ticks} of {self._resolution} ticks: the packet is damaged")
        bits.flag()
        if not bits.flag():
            return self._not_coded(kind, passed, ticks)
        sight = Sight(
            kind=kind, starts=kind == "I", reference=kind != "B", size=self._size, wrap=self._resolution
        )  # fmt: skip
        sight.earlier, sight.leads = kind == "B", kind == "B" and self._after_intra
        sight.several_references = coding == _SPRITE  # blocks may follow a global motion that is not exported
        if kind == "B":
            sight.time = (self._previous_second + passed) * self._resolution + ticks
            if self._last is not None and sight.time >= self._last:
                sight.missing = "the reference VOP after a B-VOP"
            elif self._before_last is not None and sight.time < self._before_last:
                sight.missing = "the reference VOP before a B-VOP"
            return sight
        self._after_intra = kind == "I"
        sight.time = self._advance(passed, ticks)
        if self._last is not None and sight.time <= self._last and kind == "P":
            sight.missing = "VOP: its time does not move on"
        self._before_last, self._last = self._last, sight.time
        return sight

    def _advance(self, passed: int, ticks: int) -> int:
        """The time of a VOP that is no B-VOP; moves the clock on."""
        self._previous_second = self._second
        self._second += passed
        return self._second * self._resolution + ticks

    def _not_coded(self, kind: str, passed: int, ticks: int) -> Sight:
        """A VOP without a picture: the last one stays, or (its time does not move on) it stands in for a B-VOP that was
        packed with the P-VOP before."""
        sight = Sight(kind="")
        if kind != "B" and (self._last is None or (self._second + passed) * self._resolution + ticks > self._last):
            sight.time = self._advance(passed, ticks)
            self._before_last, self._last = self._last, sight.time
        return sight


def _sections(data: bytes) -> list[tuple[int, bytes]]:
    """(start code's last byte, what follows up to the next start code)."""
    sections: list[tuple[int, bytes]] = []
    start = data.find(b"\0\0\1")
    while 0 <= start < len(data) - 3 and len(sections) < 512:
        end = data.find(b"\0\0\1", start + 3)
        sections.append((data[start + 3], data[start + 4 :] if end < 0 else data[start + 4 : end]))
        start = end
    return sections
