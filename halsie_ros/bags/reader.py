"""Reading rosbags: rosbag2 in sqlite3 or mcap, a folder or one of its files, and ROS 1 bags."""

from __future__ import annotations

import functools
import heapq
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halsie_ros.bags.metadata import COMPRESSED, BagMetadata, read_metadata, storage_files, storage_kind
from halsie_ros.bags.storage import Channel, OfferedQos, Storage, unpacked
from halsie_ros.bags.storage_mcap import McapStorage
from halsie_ros.bags.storage_ros1 import open_ros1
from halsie_ros.bags.storage_sqlite import SqliteStorage
from halsie_ros.errors import BagError
from halsie_ros.events.messages import carries_events
from halsie_ros.wire.definitions import typestore
from halsie_ros.wire.stamps import SECOND_NS

_FIRST_LOOK_NS = SECOND_NS
_MEND = ": copy it again, or read up to there with --partial"


@dataclass(frozen=True)
class TopicInfo:
    """One topic of a bag.

    Attributes:
        type: message type, ``package/msg/Name``.
        count: how many messages.
        qos: the profiles it was offered with; empty where the bag does not say.
        serialization: "cdr" or "ros1"; another name where another tool wrote messages of its own.
        definition: .msg text that the bag carries, None where it carries none.
    """

    type: str
    count: int
    qos: tuple[OfferedQos, ...]
    serialization: str
    definition: str | None


class BagReader:
    """An open bag; a context manager.

    Attributes:
        path: the bag.
        storage: "sqlite3", "mcap" or "ros1".
        topics: what it holds, by topic name.
        start_ns: log time of the first message (0 in an empty bag).
        end_ns: log time of the last message.
        count: messages of all topics.
        custom_data: key-value pairs of the metadata.
        cut: one line for each file of which only a part is read, for `partial` was asked for.
    """

    def __init__(self, path: Path, *, partial: bool = False) -> None:
        self.path = path
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._storages: list[Storage] = []
        self._stores: dict[str, Any] = {}
        try:
            self.storage, metadata = self._open(partial)
        except BaseException:
            self.__exit__()
            raise
        self.custom_data = metadata.custom_data if metadata else {}
        self.cut = tuple(storage.cut for storage in self._storages if storage.cut)
        self.topics: dict[str, TopicInfo] = {}
        for storage in self._storages:
            for channel in storage.channels:
                first = self.topics.get(channel.topic)
                self.topics[channel.topic] = TopicInfo(
                    first.type if first else channel.type,
                    channel.count + (first.count if first else 0),
                    (first.qos if first else ()) or channel.qos,
                    channel.serialization,
                    (first.definition if first else None) or channel.definition,
                )
        filled = [storage for storage in self._storages if storage.count]
        self.count = sum(storage.count for storage in filled)
        self.start_ns = min((storage.start_ns for storage in filled), default=0)
        self.end_ns = max((storage.end_ns for storage in filled), default=0)
        for name, profiles in (metadata.qos if metadata else {}).items():
            if name in self.topics and profiles:  # as rosbag2 plays them: metadata.yaml is where people edit them
                topic = self.topics[name]
                self.topics[name] = TopicInfo(topic.type, topic.count, profiles, topic.serialization, topic.definition)
        self._promise(metadata if not partial else None)

    def _promise(self, metadata: BagMetadata | None) -> None:
        """Holds the files to what metadata.yaml says of them; raises BagError where they have less."""
        for name, count in (metadata.counts if metadata else {}).items():
            held = self.topics[name].count if name in self.topics else 0
            if held < count:
                raise BagError(f"{self.path}: damaged, {name} has {held} of the {count} messages that metadata.yaml "
                               f"promises{_MEND}")  # fmt: skip

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        for storage in self._storages:
            storage.close()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    # Opening

    def _open(self, partial: bool) -> tuple[str, BagMetadata | None]:
        """Opens the files; the storage, and the metadata where there is one."""
        typestore()  # names the missing library before anything else
        path = self.path
        if not path.exists():
            raise BagError(f"{path} does not exist: name a rosbag2 folder, an .mcap, a .db3 or a ROS 1 .bag file")
        metadata = None
        files: tuple[Path, ...] = (path,)
        if path.is_dir():
            if (path / "metadata.yaml").exists():
                metadata = read_metadata(path)
                files, kind = metadata.files, metadata.storage
            else:
                files = tuple(storage_files(path))
                kinds = {storage_kind(file) for file in files}
                if len(kinds) != 1:
                    found = "both .mcap and .db3 files" if kinds else "neither metadata.yaml nor an .mcap or .db3 file"
                    raise BagError(f"{path} is no rosbag2 folder: it holds {found}")
                (kind,) = kinds
        else:
            kind = "ros1" if path.suffix == ".bag" else storage_kind(path)
            if not kind:
                raise BagError(
                    f"{path} is a {path.suffix or 'nameless'} file: name a folder, an .mcap, a .db3 or a .bag file"
                )
        for file in files:
            file.open("rb").close()  # what is not ours to read is not damaged
            whole = self._unpacked(file) if file.suffix in COMPRESSED else file
            what = "cannot be opened, it is damaged or cut short"
            self._storages.append(_guard(file, what, functools.partial(_storage, kind, whole, partial)))
        return kind, metadata

    def _unpacked(self, file: Path) -> Path:
        """A file that was compressed as a whole, unpacked into a temporary folder for as long as the bag is open."""
        import zstandard

        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="halsie_ros-bag-")
        whole = Path(self._temporary.name) / file.with_suffix("").name
        try:
            with file.open("rb") as packed, whole.open("wb") as out:
                zstandard.ZstdDecompressor().copy_stream(packed, out)
        except (OSError, zstandard.ZstdError) as error:
            raise BagError(
                f"{file} cannot be unpacked into {self._temporary.name} ({error}): unpack it with `zstd -d {file.name}`"
            ) from error
        return whole

    # Reading

    def topics_of(self, *types: str) -> list[str]:
        """Names of the topics of these types, those with most messages first."""
        return self._ordered(name for name, topic in self.topics.items() if topic.type in types)

    def event_topics(self) -> list[str]:
        """Names of the topics that carry events, by type or by the definition in the bag, the fullest first."""
        return self._ordered(
            name
            for name, topic in self.topics.items()
            if topic.serialization in ("cdr", "ros1")
            and carries_events(topic.type, topic.serialization, topic.definition)
        )

    def _ordered(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=lambda name: (-self.topics[name].count, name))

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time in ns, serialized message) in the order of log time.

        Raises:
            BagError: the bag is damaged here; what came before was whole.
        """
        wanted = set(self.topics) if topics is None else set(topics)
        promised = sum(topic.count for name, topic in self.topics.items() if name in wanted)
        stream = self._merged(wanted, self.start_ns)
        number = 0
        while True:
            item = _guard(self.path, f"damaged after {number} messages", lambda: next(stream, None))
            if item is None:
                break
            if not isinstance(item[1], int) or not isinstance(item[2], bytes):  # sqlite holds any type in any column
                raise BagError(f"{self.path}: damaged after {number} messages (no bytes with a time){_MEND}")
            number += 1
            yield item[0].topic, item[1], unpacked(item[0], item[2])
        if number < promised:
            raise BagError(f"{self.path}: damaged, it gave {number} of the {promised} messages that it promises{_MEND}")

    def _merged(self, topics: set[str], start_ns: int) -> Iterator[tuple[Channel, int, bytes]]:
        """Messages of all files; one file after the other where their times do not overlap."""
        parts = sorted((storage for storage in self._storages if storage.count), key=lambda storage: storage.start_ns)
        streams = [
            storage.messages(channels, start_ns)
            for storage in parts
            if storage.end_ns >= start_ns and (channels := [c for c in storage.channels if c.topic in topics])
        ]
        if any(one.end_ns > other.start_ns for one, other in itertools.pairwise(parts)):
            yield from heapq.merge(*streams, key=lambda item: item[1])
            return
        for stream in streams:
            yield from stream

    def span_ns(self, topic: str) -> tuple[int, int]:
        """Log times of a topic's first and last message, (0, 0) where it has none; reads little of the bag.

        Raises:
            BagError: the bag is damaged there.
        """
        if not self.topics[topic].count:
            return 0, 0

        def times(start_ns: int) -> Iterator[int]:
            return (item[1] for item in self._merged({topic}, start_ns))

        def find() -> tuple[int, int]:
            first = next(times(self.start_ns), 0)
            back_ns = _FIRST_LOOK_NS  # readers go forwards only: the last message is looked for in a growing tail
            while self.end_ns - back_ns > first:
                last = max(times(self.end_ns - back_ns), default=None)
                if last is not None:
                    return first, last
                back_ns *= 4
            return first, max(times(first), default=first)

        result: tuple[int, int] = _guard(self.path, f"damaged on {topic}", find)
        return result

    def deserialize(self, topic: str, payload: bytes) -> Any:
        """The message as an object, fields as attributes; raises BagError for bytes that are no such message."""
        info = self.topics[topic]
        if info.serialization not in ("cdr", "ros1"):
            raise BagError(f"{self.path}: {topic} is serialized as {info.serialization!r}: cdr and ros1 can be read")
        store = self._stores.get(topic)
        if store is None:
            store = self._stores[topic] = self._store_of(topic, info)
        decode = store.deserialize_ros1 if info.serialization == "ros1" else store.deserialize_cdr
        return _guard(self.path, f"bad message on {topic}", lambda: decode(payload, info.type))

    def _store_of(self, topic: str, info: TopicInfo) -> Any:
        """The types of a topic: as the bag defines them, else as the package knows them."""
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        known = typestore(info.serialization if info.serialization == "ros1" else "cdr")
        if not info.definition:
            if info.type not in known.fielddefs:
                raise BagError(f"{self.path}: {topic} has the unknown type {info.type} and no definition in the bag")
            return known
        try:
            types = get_types_from_msg(info.definition, info.type)
        except Exception as error:
            if info.type in known.fielddefs:
                return known
            raise BagError(f"{self.path}: the definition of {info.type} on {topic} cannot be read ({error})") from error
        if all(name in known.fielddefs and known.fielddefs[name] == fields for name, fields in types.items()):
            return known  # compiled once for all bags
        own = get_typestore(Stores.EMPTY)
        own.register({name: fields for name, fields in known.fielddefs.items() if name not in types} | types)
        return own


def open_bag(path: str | Path, *, partial: bool = False) -> BagReader:
    """Opens a bag: a rosbag2 folder, one of its .db3 or .mcap files, or a ROS 1 .bag file.

    Args:
        path: of the bag; its files may be compressed (.zstd).
        partial: read cut files up to the cut instead of refusing them; `BagReader.cut` names them.

    Raises:
        BagError: it is missing, of another kind, cut short or not ours to read; the line says what would be right.
    """
    try:
        return BagReader(Path(path), partial=partial)
    except OSError as error:
        raise BagError(f"{error.filename or path} cannot be read ({error.strerror}): check its permissions") from error


def _storage(kind: str, file: Path, partial: bool) -> Storage:
    if kind == "mcap":
        return McapStorage(file, partial=partial)
    if kind == "sqlite3":
        return SqliteStorage(file, partial=partial)
    return open_ros1(file)


def _guard(path: Path, what: str, action: Callable[[], Any]) -> Any:
    """Runs an action on files that may hold anything, and turns what it raises into one line."""
    try:
        return action()
    except (KeyboardInterrupt, PermissionError):
        raise
    except Exception as error:
        reason = " ".join(str(error).removeprefix(f"{path}: ").split()) or type(error).__name__
        raise BagError(f"{path}: {what} ({reason[:300]})") from error
