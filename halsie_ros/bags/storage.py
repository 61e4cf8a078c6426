"""What every kind of bag file offers to the reader, and what they share: definitions as .msg text, offered QoS."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from halsie_ros.errors import BagError
from halsie_ros.wire.stamps import SECOND_NS

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""How a zstd frame begins. No CDR message does: its first byte is 0."""
RECOVER = "`mcap recover FILE -o NEW` saves what is whole, --partial reads up to the cut"
_RELIABILITY = ("system_default", "reliable", "best_effort", "unknown", "best_available")
_DURABILITY = ("system_default", "transient_local", "volatile", "unknown", "best_available")
_SORT_WITHIN_NS = SECOND_NS


@dataclass(frozen=True)
class OfferedQos:
    """What a replay needs of a publisher's quality of service.

    Attributes:
        reliability: "reliable", "best_effort", ...; "unknown" where the bag does not say.
        durability: "volatile", "transient_local", ...; "unknown" where the bag does not say.
        depth: of the queue, 0 where the bag does not say.
    """

    reliability: str = "unknown"
    durability: str = "unknown"
    depth: int = 0


@dataclass(frozen=True)
class Channel:
    """One topic in one file.

    Attributes:
        number: of the file's own.
        topic: name.
        type: message type, ``package/msg/Name``.
        serialization: "cdr" or "ros1"; any other name where other tools wrote messages of their own beside.
        definition: .msg text with what it nests, None where the file carries none that can be read.
        qos: the profiles it was offered with; empty where the file does not say.
        count: how many messages.
    """

    number: int
    topic: str
    type: str
    serialization: str
    definition: str | None
    qos: tuple[OfferedQos, ...]
    count: int


class Storage(Protocol):
    """One open file of a bag.

    Attributes:
        channels: what it holds.
        count: messages of all channels.
        start_ns: log time of the first message, 0 without messages.
        end_ns: log time of the last message, 0 without messages.
        cut: where `partial` was asked for and the file is cut: after how many messages and why; else "".
    """

    channels: list[Channel]
    count: int
    start_ns: int
    end_ns: int
    cut: str

    def messages(self, channels: Collection[Channel], start_ns: int) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and message in the order of log time, from a log time on."""

    def close(self) -> None:
        """Lets the file go."""


def parse_qos(value: Any) -> tuple[OfferedQos, ...]:
    """Profiles as metadata.yaml and files carry them: a list, or YAML text of one; fields may lack.

    rosbag2 plays bags whatever stands there, so what says nothing is no error: an empty text, a path, a mapping.
    """
    if isinstance(value, str):
        try:
            value = yaml.safe_load(value)
        except (yaml.YAMLError, RecursionError):
            return ()
    profiles = [value] if isinstance(value, dict) else value
    if not isinstance(profiles, list):
        return ()
    return tuple(
        OfferedQos(_policy(one, "reliability", _RELIABILITY), _policy(one, "durability", _DURABILITY), _depth(one))
        for one in profiles
        if isinstance(one, dict)
    )


def _policy(profile: dict[str, Any], key: str, names: tuple[str, ...]) -> str:
    """A policy by rmw's number (metadata before version 9) or by its name."""
    value = profile.get(key)
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return value.lower() if isinstance(value, str) and value.lower() in names else "unknown"


def _depth(profile: dict[str, Any]) -> int:
    value = profile.get("depth")
    return value if isinstance(value, int) and 0 <= value < 1 << 31 else 0


def definition_text(message_type: str, encoding: str, text: str) -> str | None:
    """A schema as .msg text, whichever language it is in; None where it says nothing or cannot be read.

    Args:
        message_type: ``package/msg/Name``.
        encoding: "ros2msg", "ros1msg", "ros2idl", "omgidl" or what the file says.
        text: the schema. rosbag2 joins the nested types' own with lines of 80 ``=``, each named ``MSG:`` or ``IDL:``.
    """
    if not text.strip():
        return None
    if encoding in ("ros2msg", "ros1msg") and "IDL: " not in text:
        return text
    if encoding not in ("ros2msg", "ros2idl", "omgidl"):
        return None
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    try:
        for number, part in enumerate(text.split("=" * 80 + "\n")):
            head, _, body = part.lstrip().partition("\n")
            if head.startswith("IDL: "):
                types |= get_types_from_idl(_without_includes(body))
            elif head.startswith("MSG: "):
                name = head[5:].strip()
                types |= get_types_from_msg(body, name if "/msg/" in name else name.replace("/", "/msg/"))
            elif part.strip() and number == 0:
                types |= (
                    get_types_from_msg(part, message_type)
                    if encoding == "ros2msg"
                    else get_types_from_idl(_without_includes(part))
                )
        store.fielddefs.update(types)  # the file's own win over those of the same name that we know
        return str(store.generate_msgdef(message_type, ros_version=2)[0])
    except Exception:  # rosbags raises whatever its parser stumbles over
        return None


def _without_includes(idl: str) -> str:
    """The IDL without its ``#include`` lines: the included types follow in sections of their own, or are ROS's."""
    return "\n".join(line for line in idl.splitlines() if not line.lstrip().startswith("#include"))


def unpacked(channel: Channel, payload: bytes) -> bytes:
    """The message as it was before a recorder compressed each one (compression mode "message").

    The file alone does not always say that it was; the zstd frame does.

    Raises:
        BagError: the frame is damaged.
    """
    if channel.serialization != "cdr" or payload[:4] != ZSTD_MAGIC:
        return payload
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    except zstandard.ZstdError as error:
        raise BagError(f"message on {channel.topic}: its zstd compression is damaged ({error})") from error


def nearly_sorted(
    stream: Iterable[tuple[Channel, int, bytes]], within_ns: int = _SORT_WITHIN_NS
) -> Iterator[tuple[Channel, int, bytes]]:
    """Messages in the order of log time, out of one that keeps it but for `within_ns`; holds as much at a time."""
    heap: list[tuple[int, int, Channel, bytes]] = []
    for number, (channel, log_ns, payload) in enumerate(stream):
        heapq.heappush(heap, (log_ns, number, channel, payload))
        while heap[0][0] < log_ns - within_ns:
            oldest = heapq.heappop(heap)
            yield oldest[2], oldest[0], oldest[3]
    while heap:
        oldest = heapq.heappop(heap)
        yield oldest[2], oldest[0], oldest[3]
