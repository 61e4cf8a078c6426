"""Writing rosbag2 bags whole or not at all, the same bytes for the same messages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from halsie_ros.bags.types import typestore
from halsie_ros.errors import BagError, CodecError

STORAGES = ("mcap", "sqlite3")
SORT_WITHIN_NS = 1_000_000
"""Messages may come this much out of order and are sorted; later ones are refused and counted."""


class BagWriter:
    """A context manager; the bag appears under its name when the block ends without an error, else nothing stays.

    Messages are written in the order of their stamps: those that come up to a millisecond late are sorted in.

    Args:
        path: the folder to make.
        storage: "mcap" or "sqlite3".
        needed_bytes: refused at once where the disk has less room than this.

    Attributes:
        refused: messages that came more than `SORT_WITHIN_NS` late and were left out.

    Raises:
        BagError: the path exists, the storage is unknown, or the disk is too full.
    """

    def __init__(self, path: str | Path, storage: str = "mcap", *, needed_bytes: int = 0) -> None:
        self.path = Path(path)
        self.refused = 0
        self._storage = storage
        if storage not in STORAGES:
            raise BagError(f"storage {storage!r}: give one of {', '.join(STORAGES)}")
        if self.path.exists():
            raise BagError(f"{self.path} exists already: remove it or choose another name")
        self._folder = self.path.parent / f".{self.path.name}.partial-{os.getpid()}"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.path.parent).free
        if needed_bytes > free:
            raise BagError(
                f"{self.path} needs about {needed_bytes / 1e6:.0f} MB, the disk has {free / 1e6:.0f} MB free"
            )
        self._writer: Any = None
        self._connections: dict[str, Any] = {}
        self._pending: list[tuple[int, int, str, bytes]] = []
        self._number = 0
        self._newest_ns = 0

    def __enter__(self) -> BagWriter:
        store = typestore()
        from rosbags.rosbag2 import StoragePlugin, Writer

        self._store = store
        self._folder.mkdir()
        plugin = StoragePlugin.MCAP if self._storage == "mcap" else StoragePlugin.SQLITE3
        self._writer = Writer(self._folder / self.path.name, version=9, storage_plugin=plugin)
        self._writer.open()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._flush(None)
                self._writer.close()
                (self._folder / self.path.name).rename(self.path)
            elif self._writer is not None and self._writer.storage is not None:
                self._writer.close()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def set_metadata(self, values: dict[str, str]) -> None:
        """Adds key-value pairs to the bag's metadata (data set, sequence, licence, seed)."""
        for key, value in values.items():
            self._writer.set_custom_data(key, value)

    def add_topic(self, name: str, message_type: str, *, latched: bool = False, best_effort: bool = False) -> None:
        """Declares a topic and the quality of service that a replay offers it with."""
        if name not in self._connections:
            profile = _profile(latched, best_effort)
            self._connections[name] = self._writer.add_connection(
                name, message_type, typestore=self._store, offered_qos_profiles=[profile]
            )

    def write(self, topic: str, stamp_ns: int, payload: bytes) -> None:
        """Writes one serialized message (CDR); raises CodecError for an undeclared topic."""
        if topic not in self._connections:
            raise CodecError(f"topic {topic} was not declared: call add_topic first")
        if stamp_ns < self._newest_ns - SORT_WITHIN_NS:
            self.refused += 1
            return
        self._newest_ns = max(self._newest_ns, stamp_ns)
        self._pending.append((stamp_ns, self._number, topic, payload))
        self._number += 1
        if len(self._pending) >= 64:
            self._flush(self._newest_ns - SORT_WITHIN_NS)

    def _flush(self, before_ns: int | None) -> None:
        self._pending.sort(key=lambda item: item[:2])
        keep = len(self._pending)
        if before_ns is not None:
            keep = next((i for i, item in enumerate(self._pending) if item[0] >= before_ns), keep)
        for stamp_ns, _, topic, payload in self._pending[:keep]:
            self._writer.write(self._connections[topic], stamp_ns, payload)
        del self._pending[:keep]


def _profile(latched: bool, best_effort: bool) -> Any:
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(sec=9223372036, nsec=854775807)
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 1000,
        QosReliability.BEST_EFFORT if best_effort else QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )
