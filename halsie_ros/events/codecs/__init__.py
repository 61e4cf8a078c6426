"""Codecs of event packets: one entry per `encoding` of event_camera_msgs/EventPacket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from halsie_ros.errors import CodecError
from halsie_ros.events.codecs import evt2, evt3, fixed, libcaer_cmp
from halsie_ros.events.codecs.batch import Decoded, Triggers
from halsie_ros.events.events import Events

__all__ = ["PACKET_CODECS", "Decoded", "PacketCodec", "PacketDecoder", "Triggers", "packet_codec"]


class PacketDecoder(Protocol):
    """Decodes the packets of one sensor in their order."""

    sensor_clock: bool

    def reset(self) -> None:
        """Forgets everything."""

    def resync(self) -> None:
        """After lost packets: forgets what the next packet must say anew."""

    def decode(
        self, data: np.ndarray, *, width: int, height: int, time_base: int, big_endian: bool, stamp_ns: int
    ) -> Decoded:
        """Decodes one packet."""


@dataclass(frozen=True)
class PacketCodec:
    """One encoding.

    Attributes:
        name: the message's `encoding`.
        decoder: makes a fresh decoder.
        encode: bytes of events sorted by time, `encode(events, time_base_us=0) -> (n,) uint8`.
    """

    name: str
    decoder: Callable[[], PacketDecoder]
    encode: Callable[..., np.ndarray]


PACKET_CODECS: dict[str, PacketCodec] = {
    codec.name: codec
    for codec in (
        PacketCodec("evt3", evt3.Decoder, evt3.encode),
        PacketCodec("libcaer_cmp", libcaer_cmp.Decoder, libcaer_cmp.encode),
        PacketCodec("libcaer", fixed.LibcaerDecoder, fixed.encode_libcaer),
        PacketCodec("mono", fixed.MonoDecoder, fixed.encode_mono),
        PacketCodec("evt2", evt2.Decoder, evt2.encode),
        PacketCodec("evt21", evt2.VectorDecoder, evt2.encode_vectors),
    )
}


_ALIASES = {"evt2.0": "evt2", "evt20": "evt2", "evt2.1": "evt21", "evt2_1": "evt21", "evt3.0": "evt3", "evt30": "evt3"}
_ALIASES |= {name: name for name in PACKET_CODECS}  # in whatever case


def packet_codec(encoding: str) -> PacketCodec:
    """The codec of an `encoding`; raises CodecError naming the known ones."""
    try:
        return PACKET_CODECS[_ALIASES.get(encoding.lower(), encoding)]
    except KeyError:
        known = ", ".join(PACKET_CODECS)
        raise CodecError(f"unknown event encoding {encoding[:40]!r}: known are {known}") from None


def sort_for_writing(events: Events, tolerance_us: int = 1000) -> tuple[Events, int]:
    """Events in order of time, and how many were refused because they lag the newest before them by more than that.

    Sensors swap neighbours by some microseconds; an event that is a millisecond late means a broken source, and
    a writer that moved it would hide that. Events that are in order come back as they are.
    """
    if len(events) < 2 or bool((events.t_us[1:] >= events.t_us[:-1]).all()):
        return events, 0
    newest = np.maximum.accumulate(events.t_us)
    kept = newest - events.t_us <= tolerance_us
    refused = len(events) - int(kept.sum())
    events = events[kept]
    return events[np.argsort(events.t_us, kind="stable")], refused
