"""Whole pictures from messages, which may hold pieces of one, several, or none.

A message is taken for one picture or more, as nearly all senders have it, until a message goes on with the picture of
the one before: then pieces are put together, which costs the time of a message, since only the next picture's beginning
tells that a picture is whole. The first picture of a stream waits for the second message, to learn which it is.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace

from halsie_ros.video.codecs.av1 import temporal_units
from halsie_ros.video.codecs.boundaries import Role, boundaries
from halsie_ros.video.codecs.framing import Framing
from halsie_ros.video.packets import Packet
from halsie_ros.video.pieces import CODE, HEAD, MOST_UNITS, Pieces

_EXTENSION = b"\0\0\1\xb5"
_PLACEHOLDER = 4  # bytes; a message without a start code up to this long is no picture
_SUSPICIONS, _WINDOW = 3, 32  # so many messages of a window that go on with a picture show that pictures come in pieces
_STARTLESS = 16  # messages without a start code, after which it is said that they cannot be read
_MOST_IN_ONE = 64  # pictures of one message


@dataclass
class _Part:
    """A stretch of a message from one picture's first unit to the next one's."""

    begin: int
    end: int
    picture: bool = False
    headless: bool = False  # begins inside a picture
    heads: bool = False  # holds parameter sets or messages that matter to the next picture


class Assembler:
    """Follows the messages of one stream of one codec.

    Attributes:
        notes: what was found out about the sender's messages, a line each, by kind.
        problem: why nothing can be made of the messages; "" while something can.
    """

    def __init__(self, codec: str, most_bytes: int, counts: Counter[str]) -> None:
        """Starts with nothing known.

        Args:
            codec: one of `packets.CODECS`.
            most_bytes: of one picture.
            counts: what happened is counted here: "placeholder", "too_large", "pieces_lost".
        """
        self._codec = codec
        self._most = most_bytes
        self._counts = counts
        self._roles = boundaries(codec)
        self._framing = Framing(codec) if codec in ("h264", "hevc") else None
        self._long_codes = self._framing is not None  # elsewhere the zero before may be a picture's last byte
        self._pieces: Pieces | None = None
        self.notes: dict[str, str] = {}
        self.problem = ""
        self._known = False  # whether pictures come whole or in pieces
        self._held: tuple[Packet, bytes] | None = None
        self._prefix = b""
        self._suspicions: deque[int] = deque(maxlen=_SUSPICIONS)
        self._messages = 0
        self._before: tuple[Packet, int] | None = None  # the message before, and how many pictures it held

    @property
    def pieces(self) -> bool:
        """Whether pictures come in pieces of several messages, and are put together."""
        return self._pieces is not None

    @property
    def cut(self) -> bool:
        """Whether messages begin anywhere, so that their times are not those of pictures."""
        return self._pieces is not None and self._pieces.cut

    def push(self, packet: Packet) -> list[Packet]:
        """The pictures that are whole with this message; H.264 and HEVC come behind start codes."""
        data = bytes(packet.data)
        self._messages += 1
        if self._roles is None:
            return self._apart(packet, data)
        if self._framing is not None:
            data = self._framing.with_start_codes(data)
            if self._framing.size:
                self.notes["length_prefixed"] = (
                    f"NAL units come behind lengths of {self._framing.size} bytes: read, but Annex B is usual in "
                    f"messages (FFmpeg: -bsf:v {self._codec}_mp4toannexb)"
                )
        if self._pieces:
            return self._gather(packet, data)
        loose, parts = self._cut(data)
        if not parts and (len(data) <= _PLACEHOLDER or not any(data)):
            self._counts["placeholder"] += 1
            return []
        if parts and not loose and not any(part.picture for part in parts):
            return self._aside(data, parts)
        if loose or parts[0].headless:
            return self._goes_on(packet, data, loose, parts)
        if self._known:
            return self._give(packet, data, parts)
        if self._held:
            return self._settle(packet) + self._give(packet, data, parts)
        self._held, self._prefix = (packet, self._prefix + data), b""
        return []

    def flush(self) -> list[Packet]:
        """What was held back, whole or not; the next message begins anew."""
        given = self._settle() if self._held else []
        return given + self._pieces.flush() if self._pieces else given

    def gap(self) -> None:
        """Messages were left out before the next one: what waits for more of them is dropped."""
        if self._pieces:
            self._pieces.drop()
        self._held, self._before = None, None

    def _cut(self, data: bytes) -> tuple[bool, list[_Part]]:
        """Whether the message begins inside a unit, and its parts."""
        assert self._roles is not None
        parts: list[_Part] = []
        at = data.find(CODE)
        loose = at < 0 or any(data[:at])
        count = 0
        while 0 <= at < len(data) - 3 and count < MOST_UNITS:
            role = self._roles.role(data[at + 3 : at + 3 + HEAD] if count < MOST_UNITS - 1 else b"\0")
            begin = at - (self._long_codes and at > 0 and data[at - 1] == 0)
            new = role is Role.BEGINS or role in (Role.HEADS, Role.SPARE)
            if not parts or (new and parts[-1].picture):
                if parts:
                    parts[-1].end = begin
                parts.append(_Part(0 if not parts and not loose else begin, len(data)))
            part = parts[-1]
            if role is Role.BEGINS or role is Role.GOES_ON:
                part.headless |= role is Role.GOES_ON and not part.picture
                part.picture = True
            part.heads |= role is Role.HEADS
            count += 1
            at = data.find(CODE, at + 3)
        return loose, parts

    def _aside(self, data: bytes, parts: list[_Part]) -> list[Packet]:
        """A message without a picture: what heads the next one is put aside for it."""
        if self._held and self._codec == "mpeg2video" and data.startswith(_EXTENSION):  # of the picture's header
            self._held = self._held[0], self._held[1] + data
            return []
        given = self._settle() if self._held else []
        for part in parts:
            self._keep(data, part)
        return given

    def _keep(self, data: bytes, part: _Part) -> None:
        if part.heads or self._prefix:
            self._prefix = (self._prefix + data[part.begin : part.end])[-self._most :]

    def _give(self, packet: Packet, data: bytes, parts: list[_Part]) -> list[Packet]:
        """The pictures of a message, its stamps spread over them."""
        pictures = [part for part in parts if part.picture]
        if len(pictures) == 1 and len(parts) == 1 and not self._prefix and len(data) == len(packet.data):
            self._before = packet, 1
            return [packet if data is packet.data else replace(packet, data=data)]
        given: list[Packet] = []
        pts_step, stamp_step = self._steps(packet)
        if len(pictures) > 1:
            self.notes["several"] = "messages hold several pictures: taken apart, their stamps are spread evenly"
        for part in parts:
            if not part.picture:
                self._keep(data, part)
                continue
            place = len(given)
            given.append(
                replace(
                    packet,
                    data=self._prefix + data[part.begin : part.end],
                    stamp_ns=packet.stamp_ns + place * stamp_step,
                    pts=None if packet.pts is None else packet.pts + place * pts_step,
                )
            )
            self._prefix = b""
            if place == _MOST_IN_ONE:
                break
        self._before = packet, len(given)
        return given

    def _steps(self, packet: Packet) -> tuple[int, int]:
        """The step of pts and stamp from picture to picture, by the message before."""
        if self._before is None:
            return 0, 0
        before, count = self._before
        pts = 0 if packet.pts is None or before.pts is None else max(packet.pts - before.pts, 0) // max(count, 1)
        return pts, max(packet.stamp_ns - before.stamp_ns, 0) // max(count, 1)

    def _settle(self, following: Packet | None = None) -> list[Packet]:
        """The first picture was whole: so are the others."""
        self._known = True
        assert self._held is not None
        (packet, data), self._held = self._held, None
        parts = self._cut(data)[1]
        count = sum(part.picture for part in parts)
        if following is not None and count > 1:  # the step between pictures is known from the message after
            pts = None if packet.pts is None or following.pts is None else 2 * packet.pts - following.pts
            self._before = replace(packet, stamp_ns=2 * packet.stamp_ns - following.stamp_ns, pts=pts), count
        return self._give(packet, data, parts)

    def _goes_on(self, packet: Packet, data: bytes, loose: bool, parts: list[_Part]) -> list[Packet]:
        """A message that begins inside a picture: the first of a stream in pieces, or damage."""
        if not self._known:
            held, self._held = self._held, None
            self._in_pieces()
            return (self._gather(*held) if held else []) + self._gather(packet, data)
        self._suspicions.append(self._messages)
        sure = not loose and self._same_picture(data)
        often = len(self._suspicions) == _SUSPICIONS and self._messages - self._suspicions[0] < _WINDOW
        if not sure and not often:
            return [replace(packet, data=data)]
        self._in_pieces()
        self._counts["pieces_lost"] += 1
        return self._gather(packet, data)

    def _same_picture(self, data: bytes) -> bool:
        assert self._roles is not None
        at = data.find(CODE)
        return at >= 0 and self._roles.continues(data[at + 3 : at + 3 + HEAD]) is True

    def _in_pieces(self) -> None:
        assert self._roles is not None
        self._known = True
        self._suspicions.clear()
        self._pieces = Pieces(self._roles, self._most, self._counts, long_codes=self._long_codes)
        self.notes["pieces"] = (
            "pictures come in pieces of several messages: put together, each a message late; let the sender put one "
            "whole picture into a message"
        )

    def _gather(self, packet: Packet, data: bytes) -> list[Packet]:
        """Puts pieces together; notices messages without any start code, and whole pictures after all."""
        assert self._pieces is not None
        given = self._pieces.push(packet, self._prefix + data)
        self._prefix, self.problem = b"", ""
        if self._pieces.idle >= _STARTLESS:
            self.problem = (
                f"{self._pieces.idle} messages in a row begin no picture: send {self._codec} behind start codes "
                "(Annex B), one whole picture per message"
            )
        rest = self._pieces.whole()
        if rest is not None:
            self._pieces = None
            del self.notes["pieces"]
            given += self._give(packet, rest, self._cut(rest)[1])
        return given

    def _apart(self, packet: Packet, data: bytes) -> list[Packet]:
        """Codecs without start codes: AV1 marks where a picture begins; in VP9, a message is a picture."""
        parts = temporal_units(data) if self._codec == "av1" else [data]
        if len(parts) < 2:
            self._before = packet, 1
            return [packet]
        self.notes["several"] = "messages hold several pictures: taken apart, their stamps are spread evenly"
        pts_step, stamp_step = self._steps(packet)
        self._before = packet, len(parts)
        return [
            replace(
                packet, data=part, stamp_ns=packet.stamp_ns + place * stamp_step,
                pts=None if packet.pts is None else packet.pts + place * pts_step,
            )
            for place, part in enumerate(parts[:_MOST_IN_ONE])
        ]  # fmt: skip
