"""MCAP files (mcap.dev/spec), by way of their index, or record by record where there is none or the file is cut."""

from __future__ import annotations

import heapq
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from halsie_ros.bags.storage import RECOVER, Channel, definition_text, nearly_sorted, parse_qos
from halsie_ros.errors import BagError

MAGIC = b"\x89MCAP0\r\n"
_FOOTER_BYTES = 9 + 20 + len(MAGIC)
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _CHUNK_INDEX, _STATISTICS, _DATA_END = 2, 3, 4, 5, 6, 8, 11, 15
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_RECORD_HEAD = struct.Struct("<BQ")


@dataclass(frozen=True)
class _Chunk:
    """Where a chunk lies, and the log times in it."""

    start_ns: int
    end_ns: int
    offset: int


@dataclass
class _Tables:
    """What schemas, channels, statistics and indexes of a file say."""

    schemas: dict[int, tuple[str, str, bytes]] = field(default_factory=dict)
    channels: dict[int, tuple[int, str, str, dict[str, str]]] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    chunks: list[_Chunk] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # first and last
    loose: bool = False  # messages outside chunks
    statistics: bool = False

    def take_time(self, log_ns: int) -> None:
        """Widens the span."""
        if not self.times:
            self.times = [log_ns, log_ns]
        else:
            self.times = [min(self.times[0], log_ns), max(self.times[1], log_ns)]


class McapStorage:
    """An open MCAP file; attributes as of `Storage`.

    Args:
        path: of the file.
        partial: read a cut file up to the cut.

    Raises:
        BagError: it is no MCAP file, damaged, or cut without `partial`.
    """

    def __init__(self, path: Path, *, partial: bool = False) -> None:
        self.path = path
        self.cut = ""
        self._partial = partial
        self._file: BinaryIO = path.open("rb")
        self._size = path.stat().st_size
        try:
            self._tables = self._open()
        except BaseException:
            self._file.close()
            raise
        tables = self._tables
        self.channels = [self._channel(number) for number in sorted(tables.channels)]
        self.count = sum(tables.counts.values())
        self.start_ns, self.end_ns = tables.times if self.count and tables.times else (0, 0)

    def close(self) -> None:
        """Lets the file go."""
        self._file.close()

    def _channel(self, number: int) -> Channel:
        schema, topic, encoding, metadata = self._tables.channels[number]
        name, language, text = self._tables.schemas.get(schema, ("", "", b""))
        package, _, short = name.partition("/")
        if language == "ros1msg" and "/" not in short:  # ROS 1 says pkg/Name
            name = f"{package}/msg/{short}"
        definition = definition_text(name, language, text.decode("utf-8", "replace"))
        qos = parse_qos(metadata.get("offered_qos_profiles", ""))
        return Channel(number, topic, name, encoding, definition, qos, self._tables.counts[number])

    # What the file holds

    def _open(self) -> _Tables:
        if self._file.read(len(MAGIC)) != MAGIC:
            raise BagError(f"{self.path}: it does not begin as an MCAP file")
        summary = self._summary_start()
        if summary:
            tables = _Tables()
            for code, data in self._records(summary, self._size - _FOOTER_BYTES):
                _read_entry(code, data, tables)
            if tables.statistics and (tables.chunks or not sum(tables.counts.values())):
                return tables
        return self._scan()

    def _summary_start(self) -> int:
        """Where the summary begins, 0 where there is none."""
        self._file.seek(max(self._size - _FOOTER_BYTES, 0))
        tail = self._file.read(_FOOTER_BYTES)
        if tail[-len(MAGIC) :] != MAGIC or tail[0] != _FOOTER:
            if self._partial:
                return 0
            raise BagError(f"{self.path}: it is cut short, its end is missing: {RECOVER}")
        (summary,) = struct.unpack_from("<Q", tail, 9)
        if summary and not len(MAGIC) <= summary <= self._size - _FOOTER_BYTES:
            raise BagError(f"{self.path}: its footer points outside the file: {RECOVER}")
        return int(summary)

    def _records(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Records from one offset to another, their bytes read."""
        at = start
        while at + _RECORD_HEAD.size <= end:
            self._file.seek(at)  # whoever reads from the file in between
            code, length = _RECORD_HEAD.unpack(self._file.read(_RECORD_HEAD.size))
            at += _RECORD_HEAD.size + length
            if at > end:
                raise BagError(f"a record of {length} bytes ends behind the file's {self._size}")
            yield code, self._file.read(length)

    def _scan(self) -> _Tables:
        """Reads the file from the front: no summary, or an end that is missing."""
        tables = _Tables()
        at = len(MAGIC)
        try:
            for code, data in self._records(at, self._size):
                if code in (_DATA_END, _FOOTER):
                    break
                if code == _CHUNK:
                    start_ns, end_ns, content = _chunk_content(data)
                    tables.chunks.append(_Chunk(start_ns, end_ns, at))
                    for inner, entry in _split(content):
                        _count_entry(inner, entry, tables)
                else:
                    tables.loose |= code == _MESSAGE
                    _count_entry(code, data, tables)
                at += _RECORD_HEAD.size + len(data)
        except (BagError, struct.error, IndexError) as error:
            if not self._partial:
                raise BagError(f"{self.path}: damaged or cut short at byte {at} ({error}): {RECOVER}") from error
        if self._partial and at < self._size:
            self.cut = (
                f"{self.path}: cut at byte {at} of {self._size}, {sum(tables.counts.values())} messages are whole"
            )
        self._end = at
        return tables

    # Messages

    def messages(self, channels: Collection[Channel], start_ns: int = 0) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and message in the order of log time, from a log time on; raises BagError on damage."""
        wanted = {channel.number: channel for channel in channels}
        if self._tables.loose:
            yield from nearly_sorted(self._loose(wanted, start_ns))
            return
        # A chunk is opened when the time has come to its first message, so that chunks may overlap.
        chunks = sorted((c for c in self._tables.chunks if c.end_ns >= start_ns), key=lambda c: (c.start_ns, c.offset))
        heap: list[tuple[int, int, int, int, bytes]] = []
        for index, chunk in enumerate(chunks):
            content = _chunk_content(self._chunk_at(chunk.offset))[2]
            for place, (number, log_ns, data) in enumerate(_messages_in(content, wanted)):
                if log_ns >= start_ns:
                    heapq.heappush(heap, (log_ns, index, place, number, data))
            until = chunks[index + 1].start_ns if index + 1 < len(chunks) else None
            while heap and (until is None or heap[0][0] < until):
                log_ns, _, _, number, data = heapq.heappop(heap)
                yield wanted[number], log_ns, data

    def _chunk_at(self, offset: int) -> bytes:
        """The record at an offset, which must be a chunk."""
        self._file.seek(offset)
        code, length = _RECORD_HEAD.unpack(self._file.read(_RECORD_HEAD.size))
        if code != _CHUNK or offset + _RECORD_HEAD.size + length > self._size:
            raise BagError(f"no chunk at byte {offset}, where the index names one")
        return self._file.read(length)

    def _loose(self, wanted: dict[int, Channel], start_ns: int) -> Iterator[tuple[Channel, int, bytes]]:
        """Messages in the file's own order, chunked or not."""
        for code, data in self._records(len(MAGIC), self._end):
            if code in (_DATA_END, _FOOTER):
                return
            if code == _CHUNK:
                found: list[tuple[int, int, bytes]] = list(_messages_in(_chunk_content(data)[2], wanted))
            elif code == _MESSAGE:
                number, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(data)
                found = [(number, log_ns, data[_MESSAGE_HEAD.size :])] if number in wanted else []
            else:
                continue
            for number, log_ns, payload in found:
                if log_ns >= start_ns:
                    yield wanted[number], log_ns, payload


def _split(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The records inside a chunk."""
    at = 0
    while at < len(content):
        code, length = _RECORD_HEAD.unpack_from(content, at)
        at += _RECORD_HEAD.size
        if at + length > len(content):
            raise BagError(f"a record of {length} bytes ends behind its chunk of {len(content)}")
        yield code, content[at : at + length]
        at += length


def _messages_in(content: bytes, wanted: dict[int, Channel]) -> Iterator[tuple[int, int, bytes]]:
    """Channel, log time and payload of a chunk's messages; only those wanted are copied."""
    at, end = 0, len(content)
    while at < end:
        code, length = _RECORD_HEAD.unpack_from(content, at)
        at += _RECORD_HEAD.size
        if at + length > end:
            raise BagError(f"a record of {length} bytes ends behind its chunk of {end}")
        if code == _MESSAGE:
            number, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(content, at)
            if number in wanted:
                yield number, log_ns, content[at + _MESSAGE_HEAD.size : at + length]
        at += length


def _chunk_content(data: bytes) -> tuple[int, int, bytes]:
    """First and last log time and the records of a chunk, unpacked and checked."""
    start_ns, end_ns, size, checksum, name_length = struct.unpack_from("<QQQII", data)
    name = data[32 : 32 + name_length].decode("ascii", "replace")
    (length,) = struct.unpack_from("<Q", data, 32 + name_length)
    begin = 40 + name_length
    if begin + length > len(data):
        raise BagError(f"a chunk of {length} bytes in a record of {len(data)}")
    packed = data[begin : begin + length]
    content = _unpack(packed, name, size)
    if len(content) != size or (checksum and zlib.crc32(content) != checksum):
        raise BagError("a chunk does not fit its own checksum")
    return start_ns, end_ns, content


def _unpack(packed: bytes, name: str, size: int) -> bytes:
    if not name:
        return packed
    try:
        if name == "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=min(size, 1 << 31))
        if name == "lz4":
            import lz4.frame

            return bytes(lz4.frame.decompress(packed))
    except Exception as error:  # the libraries' own, RuntimeError and MemoryError among them
        raise BagError(f"a chunk's {name} compression is damaged ({error})") from error
    raise BagError(f"chunks are compressed by {name!r}: known are zstd and lz4")


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A string with its 4 bytes of length, and where it ends."""
    (length,) = struct.unpack_from("<I", data, at)
    end = at + 4 + length
    if end > len(data):
        raise BagError(f"a text of {length} bytes in a record of {len(data)}")
    return data[at + 4 : end].decode("utf-8", "replace"), end


def _read_entry(code: int, data: bytes, tables: _Tables) -> None:
    """Takes in a record of the summary, or a schema or a channel anywhere."""
    if code == _SCHEMA:
        (number,) = struct.unpack_from("<H", data)
        name, at = _text(data, 2)
        language, at = _text(data, at)
        (length,) = struct.unpack_from("<I", data, at)
        tables.schemas[number] = name, language, data[at + 4 : at + 4 + length]
    elif code == _CHANNEL:
        number, schema = struct.unpack_from("<HH", data)
        topic, at = _text(data, 4)
        encoding, at = _text(data, at)
        (length,) = struct.unpack_from("<I", data, at)
        at, end = at + 4, min(at + 4 + length, len(data))
        metadata = {}
        while at < end:
            key, at = _text(data, at)
            metadata[key], at = _text(data, at)
        tables.channels[number] = schema, topic, encoding, metadata
    elif code == _CHUNK_INDEX:
        tables.chunks.append(_Chunk(*struct.unpack_from("<QQQ", data)))
    elif code == _STATISTICS:
        count, _, _, _, _, _, first_ns, last_ns, length = struct.unpack_from("<QHIIIIQQI", data)
        tables.statistics = True
        tables.counts.update(dict(struct.iter_unpack("<HQ", data[46 : 46 + length // 10 * 10])))
        if count:
            tables.times = [first_ns, last_ns]


def _count_entry(code: int, data: bytes, tables: _Tables) -> None:
    """As `_read_entry`, for a file without summary: messages are counted."""
    if code == _MESSAGE:
        number, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(data)
        tables.counts[number] += 1
        tables.take_time(log_ns)
    elif code in (_SCHEMA, _CHANNEL):
        _read_entry(code, data, tables)
