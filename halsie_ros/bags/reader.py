"""Reading rosbags: rosbag2 in sqlite3 or mcap, a folder or one of its files, and ROS 1 bags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from halsie_ros.bags.types import typestore
from halsie_ros.errors import BagError


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
        self._reader, self.storage = _open(path)
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
        self.custom_data = _custom_data(path)

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
        wanted = None if topics is None else set(topics)
        connections = [c for c in self._reader.connections if wanted is None or c.topic in wanted]
        if not connections:
            return
        stream = self._reader.messages(connections)
        number = 0
        while True:
            item = _guard(self.path, f"damaged after {number} messages", lambda: next(stream, None))
            if item is None:
                return
            number += 1
            yield item[0].topic, item[1], item[2]

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
        BagError: it is missing, of another kind, or cut short; the line says what would be right.
    """
    return BagReader(Path(path))


def _open(path: Path) -> tuple[Any, str]:
    typestore()  # names the missing library before anything else
    from rosbags.rosbag1 import Reader as Ros1Reader
    from rosbags.rosbag2 import Reader

    if not path.exists():
        raise BagError(f"{path} does not exist: name a rosbag2 folder, an .mcap, a .db3 or a ROS 1 .bag file")
    if path.is_dir():
        parts = sorted(p for p in path.iterdir() if p.suffix in (".mcap", ".db3"))
        if not (path / "metadata.yaml").exists():
            if not parts:
                raise BagError(f"{path} is no rosbag2 folder: it holds neither metadata.yaml nor an .mcap or .db3 file")
            raise BagError(
                f"{path} has no metadata.yaml (the recording did not end cleanly): run `ros2 bag reindex`, "
                f"or name the file {parts[0].name} in it"
            )
        if len(parts) == 1 and parts[0].suffix == ".mcap" and _storage_is_empty(path / "metadata.yaml"):
            path = parts[0]
    elif path.suffix not in (".bag", ".mcap", ".db3"):
        raise BagError(f"{path} is a {path.suffix or 'nameless'} file: name a folder, an .mcap, a .db3 or a .bag file")
    kind = Ros1Reader if path.suffix == ".bag" else Reader

    def opened() -> Any:
        reader = kind(path)
        reader.open()
        return reader

    reader = _guard(path, "cannot be opened, it is damaged or cut short", opened)
    if path.suffix == ".bag":
        return reader, "ros1"
    is_mcap = path.suffix == ".mcap" or (path.is_dir() and any(p.suffix == ".mcap" for p in path.iterdir()))
    return reader, "mcap" if is_mcap else "sqlite3"


def _custom_data(path: Path) -> dict[str, str]:
    file = path / "metadata.yaml"
    if not path.is_dir() or not file.exists():
        return {}
    information = (yaml.safe_load(file.read_text()) or {}).get("rosbag2_bagfile_information", {})
    return dict(information.get("custom_data") or {})


def _storage_is_empty(metadata: Path) -> bool:
    """True for the metadata of tools that leave storage_identifier empty, which rosbags refuses."""
    lines = metadata.read_text(errors="replace").splitlines()
    return any(
        line.strip() in ("storage_identifier:", "storage_identifier: ''", 'storage_identifier: ""') for line in lines
    )


def _guard(path: Path, what: str, action: Callable[[], Any]) -> Any:
    """Runs an action of the rosbags library, whose errors have many types, and turns what it raises into one line."""
    try:
        return action()
    except (BagError, KeyboardInterrupt):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BagError(f"{path}: {what} ({reason[:200]})") from error
