"""Reading rosbags: rosbag2 in sqlite3 or mcap, a folder or one of its files, and ROS 1 bags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halsie_ros.bags.metadata import read_metadata
from halsie_ros.errors import BagError
from halsie_ros.wire.definitions import URI_CHARACTERS, typestore
from halsie_ros.wire.stamps import SECOND_NS

_FIRST_LOOK_NS = SECOND_NS
_MEND = ": copy it again, or run `ros2 bag reindex` where metadata.yaml was edited"


@dataclass(frozen=True)
class TopicInfo:
    """One topic of a bag.

    Attributes:
        type: message type, ``package/msg/Name``.
        count: how many messages.
        qos: the profiles it was offered with, as rosbags gives them; empty where the bag does not say.
        serialization: "cdr" or "ros1".
        definition: the message definition that the bag carries, None where it carries none.
    """

    type: str
    count: int
    qos: tuple[Any, ...]
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
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader, self.storage, self.custom_data = _open(path)
        self.topics: dict[str, TopicInfo] = {}
        for connection in self._reader.connections:
            first = self.topics.get(connection.topic)
            self.topics[connection.topic] = TopicInfo(
                connection.msgtype,
                connection.msgcount + (first.count if first else 0),
                tuple(getattr(connection.ext, "offered_qos_profiles", ()) or ()),
                "ros1" if self.storage == "ros1" else "cdr",
                connection.msgdef.data or None,
            )
        self.count = self._reader.message_count
        self.start_ns = self._reader.start_time if self.count else 0
        self.end_ns = self._reader.end_time - 1 if self.count else 0

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def topics_of(self, *types: str) -> list[str]:
        """Names of the topics of these types, those with most messages first."""
        found = [name for name, topic in self.topics.items() if topic.type in types]
        return sorted(found, key=lambda name: (-self.topics[name].count, name))

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time in ns, serialized message) in the order of log time.

        Raises:
            BagError: the bag is damaged here; what came before was whole.
        """
        connections = self._connections(topics)
        if not connections:
            return
        stream = self._reader.messages(connections)
        number = 0
        while True:
            item = _guard(self.path, f"damaged after {number} messages", lambda: next(stream, None))
            if item is None:
                break
            if not isinstance(item[1], int) or not isinstance(item[2], bytes):  # sqlite holds any type in any column
                raise BagError(f"{self.path}: damaged after {number} messages (no bytes with a time){_MEND}")
            number += 1
            yield item[0].topic, item[1], item[2]
        promised = sum(connection.msgcount for connection in connections)
        if number < promised:
            raise BagError(f"{self.path}: damaged, it gave {number} of the {promised} messages that it promises{_MEND}")

    def span_ns(self, topic: str) -> tuple[int, int]:
        """Log times of a topic's first and last message, (0, 0) where it has none; reads little of the bag.

        Raises:
            BagError: the bag is damaged there.
        """
        connections = self._connections([topic])
        if not self.topics[topic].count:
            return 0, 0

        def times(start_ns: int) -> Iterator[int]:
            return (item[1] for item in self._reader.messages(connections, start=start_ns))

        def find() -> tuple[int, int]:
            first = next(times(self.start_ns), 0)
            back_ns = _FIRST_LOOK_NS  # readers go forwards only: the last message is looked for in a growing tail
            while self.end_ns - back_ns > first:
                last = max(times(self.end_ns - back_ns), default=None)
                if last is not None:
                    return first, last
                back_ns *= 4
            return first, max(times(first), default=first)

        return _guard(self.path, f"damaged on {topic}", find)

    def _connections(self, topics: Iterable[str] | None) -> list[Any]:
        wanted = None if topics is None else set(topics)
        return [c for c in self._reader.connections if wanted is None or c.topic in wanted]

    def deserialize(self, topic: str, payload: bytes) -> Any:
        """The message as an object, fields as attributes; raises BagError for bytes that are no such message."""
        info = self.topics[topic]
        store = typestore(info.serialization)
        if info.type not in store.fielddefs:
            if not info.definition:
                raise BagError(f"{self.path}: {topic} has the unknown type {info.type} and no definition in the bag")
            from rosbags.typesys import get_types_from_msg

            types = get_types_from_msg(info.definition, info.type)
            store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
        decode = store.deserialize_ros1 if info.serialization == "ros1" else store.deserialize_cdr
        return _guard(self.path, f"bad message on {topic}", lambda: decode(payload, info.type))


def open_bag(path: str | Path) -> BagReader:
    """Opens a bag: a rosbag2 folder, one of its .db3 or .mcap files, or a ROS 1 .bag file.

    Raises:
        BagError: it is missing, of another kind, cut short or not ours to read; the line says what would be right.
    """
    try:
        return BagReader(Path(path))
    except OSError as error:
        raise BagError(f"{error.filename or path} cannot be read ({error.strerror}): check its permissions") from error


def _open(path: Path) -> tuple[Any, str, dict[str, str]]:
    """The open reader of rosbags, the storage, and the bag's custom data."""
    typestore()  # names the missing library before anything else
    from rosbags.rosbag1 import Reader as Ros1Reader
    from rosbags.rosbag2 import Reader

    if not path.exists():
        raise BagError(f"{path} does not exist: name a rosbag2 folder, an .mcap, a .db3 or a ROS 1 .bag file")
    custom_data: dict[str, str] = {}
    files: tuple[Path, ...] = (path,)
    storage = {".bag": "ros1", ".mcap": "mcap", ".db3": "sqlite3"}.get(path.suffix, "")
    if path.is_dir():
        metadata = read_metadata(path)
        storage, custom_data, files = metadata.storage, metadata.custom_data, metadata.files
        if not metadata.storage_is_named:
            if len(metadata.files) > 1:
                raise BagError(f"{path}/metadata.yaml leaves storage_identifier empty: write {storage} there")
            path = metadata.files[0]
    elif not storage:
        raise BagError(f"{path} is a {path.suffix or 'nameless'} file: name a folder, an .mcap, a .db3 or a .bag file")
    if storage == "sqlite3" and set(URI_CHARACTERS) & set(str(path)):
        raise BagError(f"{path}: sqlite3 takes no {URI_CHARACTERS} in a path: rename it")
    for file in files:
        file.open("rb").close()  # rosbags would call it damaged where it is only not ours to read
    kind = Ros1Reader if storage == "ros1" else Reader

    def opened() -> Any:
        reader = kind(path)
        reader.open()
        return reader

    return _guard(path, "cannot be opened, it is damaged or cut short", opened), storage, custom_data


def _guard(path: Path, what: str, action: Callable[[], Any]) -> Any:
    """Runs an action of the rosbags library, whose errors have many types, and turns what it raises into one line."""
    try:
        return action()
    except (BagError, KeyboardInterrupt):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BagError(f"{path}: {what} ({reason[:200]})") from error
