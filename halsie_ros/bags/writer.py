"""Writing rosbag2 bags whole or not at all, the same bytes for the same messages."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from halsie_ros.errors import BagError, CodecError
from halsie_ros.wire.definitions import URI_CHARACTERS, typestore
from halsie_ros.wire.stamps import SECOND_NS

STORAGES = ("mcap", "sqlite3")
SORT_WITHIN_NS = 1_000_000
"""Messages may come this much out of order and are sorted; later ones are refused and counted."""
STAMP_LIMIT_NS = (1 << 31) * SECOND_NS
"""builtin_interfaces/Time holds signed 32-bit seconds."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
        BagError: the path exists or cannot be made, the storage is unknown, or the disk is too full; in the block and
            at its end also that a message could not be written (disk full, file size limit, disk gone).
    """

    def __init__(self, path: str | Path, storage: str = "mcap", *, needed_bytes: int = 0) -> None:
        self.path = Path(path)
        self.refused = 0
        self._storage = storage
        if storage not in STORAGES:
            raise BagError(f"storage {storage!r}: give one of {', '.join(STORAGES)}")
        if storage == "sqlite3" and set(URI_CHARACTERS) & set(str(self.path)):
            raise BagError(f"{self.path}: sqlite3 takes no {URI_CHARACTERS} in a path: choose another, or mcap")
        with self._said():
            _refuse_existing(self.path)
            free = shutil.disk_usage(_nearest_folder(self.path.parent)).free
        if needed_bytes > free:
            raise BagError(
                f"{self.path} needs about {needed_bytes / 1e6:.0f} MB, the disk has {free / 1e6:.0f} MB free: "
                "make room or choose another disk"
            )
        self._folder: Path | None = None
        self._parents: list[Path] = []
        self._writer: Any = None
        self._connections: dict[str, Any] = {}
        self._pending: list[tuple[int, int, str, bytes]] = []
        self._number = 0
        self._newest_ns = 0

    def __enter__(self) -> BagWriter:
        store = typestore()
        from rosbags.rosbag2 import StoragePlugin, Writer

        self._store = store
        plugin = StoragePlugin.MCAP if self._storage == "mcap" else StoragePlugin.SQLITE3
        try:
            with self._said():
                for parent in reversed(self.path.parents):
                    if not parent.exists():
                        parent.mkdir()
                        self._parents.append(parent)
                self._folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.partial-", dir=self.path.parent))
                self._writer = Writer(self._folder / self.path.name, version=9, storage_plugin=plugin)
                self._writer.open()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                with self._said():
                    self._flush(None)
                    self._writer.close()
                    _refuse_existing(self.path)  # it may have come while this one was written
                    self._writer.path.rename(self.path)
                self._parents.clear()
        finally:
            self._discard()

    def _discard(self) -> None:
        """Removes what is unfinished."""
        if self._writer is not None:
            with contextlib.suppress(Exception):  # a full disk does not take the last words either
                self._writer.abort()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        for parent in reversed(self._parents):
            with contextlib.suppress(OSError):  # gone, or somebody else's files are in it by now
                parent.rmdir()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """Turns what the operating system or the storage refuses into one line."""
        try:
            yield
        except sqlite3.Error as error:
            raise BagError(_refusal(self.path, str(error), full="full" in str(error))) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise BagError(_refusal(self.path, reason, full=error.errno in _FULL)) from error

    def set_metadata(self, values: dict[str, str]) -> None:
        """Adds key-value pairs to the bag's metadata (data set, sequence, licence, seed)."""
        for key, value in values.items():
            self._writer.set_custom_data(key, value)

    def add_topic(self, name: str, message_type: str, *, latched: bool = False, best_effort: bool = False) -> None:
        """Declares a topic and the quality of service that a replay offers it with."""
        if name not in self._connections:
            profile = _profile(latched, best_effort)
            with self._said():
                self._connections[name] = self._writer.add_connection(
                    name, message_type, typestore=self._store, offered_qos_profiles=[profile]
                )

    def write(self, topic: str, stamp_ns: int, payload: bytes) -> None:
        """Writes one serialized message (CDR); raises CodecError for an undeclared topic or an impossible stamp."""
        if topic not in self._connections:
            raise CodecError(f"topic {topic} was not declared: call add_topic first")
        if not 0 <= stamp_ns < STAMP_LIMIT_NS:
            raise CodecError(f"{topic}: stamp of {stamp_ns / 1e9:.6f} s: ROS counts 0 to 2147483647 s, shift the clock")
        if stamp_ns < self._newest_ns - SORT_WITHIN_NS:
            self.refused += 1
            return
        self._newest_ns = max(self._newest_ns, stamp_ns)
        self._pending.append((stamp_ns, self._number, topic, payload))
        self._number += 1
        if len(self._pending) >= 64:
            with self._said():
                self._flush(self._newest_ns - SORT_WITHIN_NS)

    def _flush(self, before_ns: int | None) -> None:
        self._pending.sort(key=lambda item: item[:2])
        keep = len(self._pending)
        if before_ns is not None:
            keep = next((i for i, item in enumerate(self._pending) if item[0] >= before_ns), keep)
        for stamp_ns, _, topic, payload in self._pending[:keep]:
            self._writer.write(self._connections[topic], stamp_ns, payload)
        del self._pending[:keep]


def _refusal(path: Path, reason: str, *, full: bool) -> str:
    remedy = "make room" if full else "check the folder and its permissions"
    return f"{path} cannot be written ({reason}): {remedy}, or choose another place"


def _refuse_existing(path: Path) -> None:
    try:
        os.lstat(path)  # lexists would take a name that is too long for a free one
    except (FileNotFoundError, NotADirectoryError):
        return
    raise BagError(f"{path} exists already: remove it or choose another name")


def _nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest above it that exists; raises BagError where that is a file."""
    for folder in (path, *path.parents):
        if os.path.lexists(folder):
            if not folder.is_dir():
                raise BagError(f"{folder} is no folder: a bag is made inside one, choose another place")
            return folder
    raise BagError(f"{path} has no folder above it that exists: choose another place")


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
