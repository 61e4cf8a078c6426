"""When pictures were taken, from what senders write: pts, stamps, times of arrival, of which none can be relied on.

A time that does not move on (zero, constant, whole seconds) is left aside for the next best. Times in sending order
although pictures are shown in another (B-frames) are given to the pictures anew, in the order of showing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from halsie_ros.video.packets import Packet

_ASSUMED_NS = 33_333_333  # between pictures without any time: 30 Hz
_UNSET = (1 << 63, (1 << 64) - 1)  # AV_NOPTS_VALUE and -1, as unsigned numbers
_BOUND = 6  # steps that a time remembers
_MOVES = 2  # so many more steps that went on than ones that did not bring a time back into use


@dataclass
class _Source:
    """One kind of time of a stream; `moves` counts steps that went on against those that did not."""

    last: int | None = None
    moves: int = 0
    usable: bool = True

    def take(self, value: int | None) -> bool:
        """Whether the value can be used."""
        if value is None:
            return False
        if self.last is not None:
            change = 1 if value != self.last else -1
            self.moves = max(-_BOUND, min(_BOUND, self.moves + change))
        self.last = value
        self.usable = self.moves >= 0 if self.usable else self.moves >= _MOVES
        return self.usable


@dataclass
class Moment:
    """The time of one picture: `order` decides what follows what, in the unit of `source`; `stamp_ns` is passed on.

    `said` are the times by source.
    """

    order: int
    stamp_ns: int
    source: str
    said: dict[str, int] = field(default_factory=dict)

    def turn_to(self, source: str) -> None:
        """Goes by another source, for a picture that was decoded before that one was chosen."""
        self.source, self.order = source, self.said.get(source, self.said.get("count", 0))


@dataclass
class Times:
    """Follows the times of one stream, in decoding order.

    Attributes:
        sending, stamps_sending: what `order` says, and stamps, grow in the order of sending, though pictures are shown
            in another.
        notes: what was found out, a line each, by kind.
    """

    notes: dict[str, str] = field(default_factory=dict)
    sending: bool = False
    stamps_sending: bool = False
    _pts: _Source = field(default_factory=_Source)
    _stamps: _Source = field(default_factory=_Source)
    _count: int = 0
    _first_ns: int | None = None
    _latest: Moment | None = None  # the greatest values since the last start

    def take(self, packet: Packet, *, earlier: bool, starts: bool = False, counted: bool = False) -> Moment:
        """The time of the next picture.

        Args:
            packet: with its picture.
            earlier: by the bitstream, it is surely shown before a picture that came before it.
            starts: decoding can start with it.
            counted: stamps are not those of pictures, and say nothing about losses.
        """
        self._count += 1
        first_ns = packet.stamp_ns if self._first_ns is None else self._first_ns
        self._first_ns = first_ns
        with_pts = self._pts.take(None if packet.pts in _UNSET else packet.pts)
        with_stamp = self._stamps.take(packet.stamp_ns)
        self.notes.pop("stamps", None)
        counted_ns = first_ns + (self._count - 1) * _ASSUMED_NS
        stamp_ns = packet.stamp_ns
        if not with_stamp:
            stamp_ns = packet.received_ns if packet.received_ns is not None else counted_ns
            told = "times of arrival" if packet.received_ns is not None else "30 pictures a second"
            self.notes["stamps"] = (
                f"stamps do not move on ({packet.stamp_ns / 1e9:.3f} s): {told} are taken instead; let the sender put "
                "the time of capture into header.stamp"
            )
        said = {"stamp": packet.stamp_ns, "count": self._count}
        if packet.pts is not None:
            said["pts"] = packet.pts
        source = "count" if counted else "pts" if with_pts else "stamp" if with_stamp else "count"
        moment = Moment(said[source], stamp_ns, source, said)
        if source == "count" and not counted:
            self.notes["stamps"] += "; a lost picture shows by the bitstream alone"
        latest = self._latest
        if latest is None or starts or latest.source != moment.source:
            self._latest = replace(moment)
            return moment
        if earlier:
            self.sending = moment.order > latest.order
            self.stamps_sending = moment.stamp_ns > latest.stamp_ns
            self.notes.pop("sending", None)
            if self.stamps_sending:
                self.notes["sending"] = (
                    "stamps are those of sending (B-frames are stamped later than the pictures after them): they are "
                    "given out in the order of showing; let the sender put the time of capture into header.stamp"
                )
        latest.order, latest.stamp_ns = max(latest.order, moment.order), max(latest.stamp_ns, moment.stamp_ns)
        return moment

    @staticmethod
    def order_of(packet: Packet, source: str) -> int | None:
        """A packet's time by a kind of source, None where it has none."""
        return packet.pts if source == "pts" else packet.stamp_ns if source == "stamp" else None

    def show(self, moment: Moment, waiting: Sequence[Moment]) -> None:
        """Gives a picture that is shown the earliest of the times that wait, where times are those of sending.

        Args:
            moment: of the picture; changed, as is the one that had that time.
            waiting: of the pictures decoded and not yet shown.
        """
        if self.sending:
            first = min((moment, *waiting), key=lambda other: other.order)
            moment.order, first.order = first.order, moment.order
        if self.stamps_sending:
            first = min((moment, *waiting), key=lambda other: other.stamp_ns)
            moment.stamp_ns, first.stamp_ns = first.stamp_ns, moment.stamp_ns
