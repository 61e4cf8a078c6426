"""Pictures from pieces: slices, NAL units or any bytes per message, put together by what their units say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from halsie_ros.video.codecs.boundaries import Boundaries, Role
from halsie_ros.video.packets import Packet

CODE = b"\0\0\1"
HEAD = 64
"""Bytes of a unit that tell its role."""
MOST_UNITS = 512
"""Units of one picture."""
_TOLD = 8  # bytes of a unit that tell whether a picture begins
_MOST_MESSAGES = 4096  # that one picture comes in
_SINGLES = 600  # pictures in messages of their own, after which they are taken for whole again


class Pieces:
    """Puts pictures together; one is over when the next begins.

    Attributes:
        cut: messages begin anywhere, so that their times are not those of pictures.
        idle: messages in a row that began no picture.
    """

    def __init__(self, roles: Boundaries, most_bytes: int, counts: Counter[str], *, long_codes: bool) -> None:
        """Starts with nothing.

        Args:
            roles: of the stream's units.
            most_bytes: of one picture.
            counts: "too_large" is counted here.
            long_codes: a zero before a start code belongs to it (elsewhere it may be a picture's last byte).
        """
        self._roles = roles
        self._most = most_bytes
        self._counts = counts
        self._long_codes = long_codes
        self.cut = False
        self.drop()

    def drop(self) -> None:
        """What waits belongs to nothing that comes."""
        self._buffer = bytearray()
        self._marks: list[tuple[int, Packet]] = []
        self._scanned, self._picture_at = 0, 0
        self._begin = -1  # of the picture at hand, its headers included; -1 before the first start code
        self._have, self._headless, self._joining = False, False, True
        self._singles = self.idle = 0

    def push(self, packet: Packet, data: bytes) -> list[Packet]:
        """Takes a message's bytes; gives the pictures that are over."""
        given: list[Packet] = []
        if len(self._buffer) + len(data) > self._most or len(self._marks) == _MOST_MESSAGES:
            self._counts["too_large"] += 1
            self.drop()
        self.cut |= data.find(CODE) not in (0, 1)
        self._marks.append((len(self._buffer), packet))
        self._buffer += data
        done = 0
        while True:
            at = self._buffer.find(CODE, self._scanned)
            if at < 0:
                if self._begin < 0:
                    del self._buffer[:-2], self._marks[:-1]
                    self._marks = [(0, packet)]
                    self._scanned = 0
                self._scanned = max(self._scanned, len(self._buffer) - 2)
                break
            end = self._buffer.find(CODE, at + 3)
            if end < 0 and len(self._buffer) < at + 3 + _TOLD:
                self._scanned = at
                break
            unit = bytes(self._buffer[at + 3 : min(at + 3 + HEAD, end if end > 0 else len(self._buffer))])
            self._scanned = at + 3
            if unit:
                begin = at - (self._long_codes and at > 0 and self._buffer[at - 1] == 0)
                done = self._place(unit, begin, given) or done
        if done:
            del self._buffer[:done]
            last = max(place for place, (offset, _) in enumerate(self._marks) if offset <= done)
            self._marks = [(max(offset - done, 0), mark) for offset, mark in self._marks[last:]]
            self._scanned, self._begin, self._picture_at = (
                max(at - done, 0) for at in (self._scanned, self._begin, self._picture_at)
            )
        self.idle = 0 if self._have else self.idle + 1
        return given

    def flush(self) -> list[Packet]:
        """The picture at hand, whole or not."""
        given: list[Packet] = []
        if self._have:
            self._emit(len(self._buffer), given)
        self.drop()
        return given

    def whole(self) -> bytes | None:
        """What waits, where all pictures of late came in messages of their own and the newest message begins one."""
        if self._singles < _SINGLES or self._marks[-1][0] != self._begin:
            return None
        return bytes(self._buffer)

    def _place(self, unit: bytes, at: int, given: list[Packet]) -> int:
        """Takes a unit that begins at a place of the buffer; gives the place where a new picture begins, else 0."""
        role = self._roles.role(unit)
        if role is Role.GOES_ON and self._have and self._roles.continues(unit) is False:
            role, headless = Role.BEGINS, True  # the first piece of its picture is missing
        else:
            headless = role is Role.GOES_ON and not self._have
        ended = 0
        if self._have and role in (Role.BEGINS, Role.HEADS, Role.SPARE):
            self._emit(at, given)
            ended = self._begin = at
            self._have = self._headless = False
        elif self._begin < 0:
            self._begin = at  # what lies before the first start code belongs to nothing known
        if role in (Role.BEGINS, Role.GOES_ON) and not self._have:
            self._have, self._headless, self._picture_at = True, headless, at
            self._joining &= headless
        return ended

    def _emit(self, end: int, given: list[Packet]) -> None:
        """The picture that ends there; not one whose beginning was never there to be received."""
        if self._headless and self._joining:
            return
        if end - self._begin > self._most or self._buffer.count(CODE, self._begin, end) > MOST_UNITS:
            self._counts["too_large"] += 1
        packet = next(mark for offset, mark in reversed(self._marks) if offset <= self._picture_at)
        several = any(self._begin < offset < end for offset, _ in self._marks)
        self._singles = 0 if several else self._singles + 1
        given.append(replace(packet, data=bytes(self._buffer[self._begin : end])))
