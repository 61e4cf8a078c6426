"""What a codec's headers say about one packet, in common terms, and the readers that find it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass
class Sight:
    """What the headers of one packet say.

    Attributes:
        kind: "I", "P", "B" or "?"; "" for a packet without a picture: parameter sets alone, or (with a `time`) the word
            that the last picture stays.
        starts: decoding can start cleanly here (later pictures in output order need nothing earlier).
        recovers_in: pictures until an intra refresh is complete, None where none begins here.
        reference: later pictures may refer to this one.
        several_references: blocks may refer to more than the last reference picture.
        missing: what the stream's own counters say is missing before this packet; "" when they continue.
        counted: the stream counts its pictures itself, so a pause in time alone means no loss.
        wrap: pictures, or ticks of `time`, after which the counter repeats (0: it does not).
        doubtful: the counter continues, but a loss could look the same; with a pause in time it is one.
        checked: the decoder itself notices a missing reference.
        time: display time in the stream's own ticks, None where there is none.
        size: (width, height) of the active parameter sets, None while unknown.
        earlier: shown before a picture that came before it (True of B-frames that lie between their references).
        leads: shown before the intra picture that it follows in decoding order, so that it may refer to ones before.
        sets: what matters of the parameter sets in this packet, by kind and id: two that differ in timing, level or
            other hints alone are the same.
        pieces: slices or slice segments.
        coded: what `HeaderReader.ends` needs of the packet.
    """

    kind: str = "?"
    starts: bool = False
    recovers_in: int | None = None
    reference: bool = True
    several_references: bool = False
    missing: str = ""
    counted: bool = False
    wrap: int = 0
    doubtful: bool = False
    checked: bool = False
    time: int | None = None
    size: tuple[int, int] | None = None
    earlier: bool = False
    leads: bool = False
    sets: dict[str, bytes] | None = None
    pieces: int = 1
    coded: Any = None


class HeaderReader(Protocol):
    """Reads the headers of one stream, packet by packet, in decoding order."""

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""

    def ends(self, sight: Sight) -> bool | None:
        """Whether the decoding of a picture ends where its data end, which damage hardly ever leaves so.

        None where that cannot be said.
        """

    def reset(self) -> None:
        """Forgets the counters, not the parameter sets."""


class Unproven:
    """For codecs whose pictures are not read to their end here."""

    def ends(self, sight: Sight) -> bool | None:
        """Nothing can be said."""
        return None


class UnreadHeaders(Unproven):
    """For codecs whose headers are not read here (AV1): the decoder says what a picture is."""

    def read(self, data: bytes) -> Sight:
        """Nothing is known before decoding."""
        return Sight()

    def reset(self) -> None:
        """Nothing to forget."""
