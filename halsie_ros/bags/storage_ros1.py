"""ROS 1 bags: version 2.0 with the rosbags library, version 1.2 (before 2010) by its own few records."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from halsie_ros.bags.storage import Channel, nearly_sorted
from halsie_ros.errors import BagError
from halsie_ros.wire.stamps import SECOND_NS

_OLD = b"#ROSBAG V1.2\n"
_DEFINITION, _DATA, _FILE_HEADER, _INDEX = 1, 2, 3, 4


def full_type(name: str) -> str:
    """``pkg/msg/Name`` of ROS 1's ``pkg/Name``."""
    return name if "/msg/" in name else name.replace("/", "/msg/", 1)


def open_ros1(path: Path) -> Ros1Storage | OldRos1Storage:
    """The storage of a .bag file of either version."""
    with path.open("rb") as file:
        old = file.read(len(_OLD)) == _OLD
    return OldRos1Storage(path) if old else Ros1Storage(path)


class Ros1Storage:
    """An open bag of version 2.0; attributes as of `Storage`."""

    def __init__(self, path: Path) -> None:
        from rosbags.rosbag1 import Reader

        self.cut = ""
        self._reader: Any = Reader(path)
        self._reader.open()
        self._connections = dict(enumerate(self._reader.connections))
        self.channels = [
            Channel(number, c.topic, full_type(c.msgtype), "ros1", c.msgdef.data or None, (), c.msgcount)
            for number, c in self._connections.items()
        ]
        self.count = self._reader.message_count
        self.start_ns = self._reader.start_time if self.count else 0
        self.end_ns = self._reader.end_time - 1 if self.count else 0

    def close(self) -> None:
        """Lets the file go."""
        self._reader.close()

    def messages(self, channels: Collection[Channel], start_ns: int = 0) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and message in the order of log time, from a log time on."""
        wanted = {(channel.topic, channel.type): channel for channel in channels}
        numbers = {channel.number for channel in channels}
        connections = [c for number, c in self._connections.items() if number in numbers]
        for connection, log_ns, payload in self._reader.messages(connections, start=start_ns):
            yield wanted[connection.topic, full_type(connection.msgtype)], log_ns, payload


class OldRos1Storage:
    """An open bag of version 1.2: records of a header (``name=value`` fields) and data, without chunks.

    The format is that of the ROS wiki, Bags/Format/1.2.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = ""
        self._size = path.stat().st_size
        types: dict[str, tuple[str, str]] = {}
        counts: Counter[str] = Counter()
        times: list[int] = []
        for fields, _ in self._records():
            if fields["op"] == bytes([_DEFINITION]):
                types[_word(fields, "topic")] = full_type(_word(fields, "type")), _word(fields, "def")
            elif fields["op"] == bytes([_DATA]):
                counts[_word(fields, "topic")] += 1
                times.append(_time_ns(fields))
        self.channels = [
            Channel(number, topic, kind, "ros1", text or None, (), counts[topic])
            for number, (topic, (kind, text)) in enumerate(sorted(types.items()))
        ]
        self.count = len(times)
        self.start_ns, self.end_ns = (min(times), max(times)) if times else (0, 0)

    def close(self) -> None:
        """Nothing stays open."""

    def messages(self, channels: Collection[Channel], start_ns: int = 0) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and message in the order of log time, from a log time on."""
        wanted = {channel.topic: channel for channel in channels}

        def found() -> Iterator[tuple[Channel, int, bytes]]:
            for fields, data in self._records():
                if fields["op"] == bytes([_DATA]) and (channel := wanted.get(_word(fields, "topic"))) is not None:
                    log_ns = _time_ns(fields)
                    if log_ns >= start_ns:
                        yield channel, log_ns, data

        return nearly_sorted(found())

    def _records(self) -> Iterator[tuple[dict[str, bytes], bytes]]:
        """Header fields and data of each record; raises BagError where the file is cut or damaged."""
        with self.path.open("rb") as file:
            file.seek(len(_OLD))
            while file.tell() < self._size:
                parts = []
                for _ in range(2):
                    head = file.read(4)
                    length = struct.unpack("<I", head)[0] if len(head) == 4 else self._size
                    if file.tell() + length > self._size:
                        raise BagError(f"{self.path}: cut short or damaged at byte {file.tell()}: run `rosbag reindex`")
                    parts.append(file.read(length))
                fields = _fields(parts[0])
                if len(fields.get("op", b"")) != 1:
                    raise BagError(f"{self.path}: damaged near byte {file.tell()}: run `rosbag reindex`")
                yield fields, parts[1]


def _fields(header: bytes) -> dict[str, bytes]:
    """The ``name=value`` fields of a record's header."""
    fields, at = {}, 0
    while at + 4 <= len(header):
        (length,) = struct.unpack_from("<I", header, at)
        name, _, value = header[at + 4 : at + 4 + length].partition(b"=")
        fields[name.decode("ascii", "replace")] = value
        at += 4 + length
    return fields


def _word(fields: dict[str, bytes], name: str) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")


def _time_ns(fields: dict[str, bytes]) -> int:
    """Seconds and nanoseconds of a message's record."""
    if len(fields.get("sec", b"")) != 4 or len(fields.get("nsec", b"")) != 4:
        raise BagError("a message without time: run `rosbag reindex`")
    return int(struct.unpack("<I", fields["sec"])[0] * SECOND_NS + struct.unpack("<I", fields["nsec"])[0])
