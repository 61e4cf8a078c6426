"""Packets that wait to be decoded, and what is given up of them when decoding falls behind.

A picture left out breaks all that follow until the next key picture: so everything up to a key picture is left out. It
is found in the bitstream, since two of three message types have no flag for it and senders forget the third's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from halsie_ros.video.packets import Packet
from halsie_ros.video.starts import holds_picture, starts_picture

_MOST_PICTURES = 60  # that wait: two seconds at 30 Hz
_MOST_S = 2.0
_MOST_MESSAGES = 600
_MOST_BYTES = 64 * 2**20
_MOST_HEADS = 8  # messages without a picture that are kept for the one that follows
_PATIENCE = 600  # messages left out for want of a key picture, after which decoding goes on without


@dataclass(frozen=True)
class Waiting:
    """One message that waits.

    Attributes:
        packet: the message.
        arrived_s: when it came, steady seconds.
        gap: messages before it were left out.
    """

    packet: Packet
    arrived_s: float
    gap: bool = False


class Backlog:
    """The queue between the thread that receives and the one that decodes; the caller holds a lock."""

    def __init__(self) -> None:
        self._queue: deque[Waiting] = deque()
        self._bytes = 0
        self._heads: list[Waiting] = []
        self._skipped: int | None = None  # while waiting for a key picture

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, packet: Packet, arrived_s: float) -> int:
        """Puts a message at the end; gives how many were left out for it."""
        item = Waiting(packet, arrived_s)
        if self._skipped is not None:
            return self._skip(item)
        self._queue.append(item)
        self._bytes += len(packet.data)
        if not self._is_behind():
            return 0
        dropped = self._catch_up()
        self._bytes = sum(len(item.packet.data) for item in self._queue)
        return dropped

    def take(self) -> Waiting | None:
        """The next message, None where none waits."""
        if not self._queue:
            return None
        item = self._queue.popleft()
        self._bytes -= len(item.packet.data)
        return item

    def _is_behind(self) -> bool:
        oldest, newest = self._queue[0], self._queue[-1]
        if newest.arrived_s - oldest.arrived_s > _MOST_S:
            return True
        if len(self._queue) > _MOST_MESSAGES or self._bytes > _MOST_BYTES:
            return True
        if len(self._queue) <= _MOST_PICTURES:
            return False
        # Pictures may come in pieces, which share their times.
        return len({(item.packet.stamp_ns, item.packet.pts) for item in self._queue}) > _MOST_PICTURES

    def _catch_up(self) -> int:
        """Leaves out all before the newest key picture; where none waits, all, and what comes until there is one."""
        places = range(len(self._queue) - 1, 0, -1)
        key = next((place for place in places if _starts(self._queue[place])), None)
        if key is None:
            dropped = len(self._queue)
            self._queue.clear()
            self._skipped = 0
            return dropped
        while key > 1 and not _shows(self._queue[key - 1]):  # its parameter sets
            key -= 1
        for _ in range(key):
            self._queue.popleft()
        first = self._queue.popleft()
        self._queue.appendleft(Waiting(first.packet, first.arrived_s, gap=True))
        return key

    def _skip(self, item: Waiting) -> int:
        """Waits for a key picture."""
        assert self._skipped is not None
        if not _starts(item) and self._skipped < _PATIENCE:
            if _shows(item):
                dropped, self._heads = 1 + len(self._heads), []
            else:
                self._heads.append(item)
                dropped = max(len(self._heads) - _MOST_HEADS, 0)
                del self._heads[:dropped]
            self._skipped += dropped
            return dropped
        self._queue.extend([*self._heads, item])
        self._bytes = sum(len(item.packet.data) for item in self._queue)
        self._heads, self._skipped = [], None
        first = self._queue.popleft()
        self._queue.appendleft(Waiting(first.packet, first.arrived_s, gap=True))
        return 0


def _starts(item: Waiting) -> bool:
    return starts_picture(item.packet.codec, item.packet.data)


def _shows(item: Waiting) -> bool:
    return holds_picture(item.packet.codec, item.packet.data)
