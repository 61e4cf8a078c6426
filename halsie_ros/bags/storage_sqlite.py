"""SQLite files of rosbag2 (.db3), of every version of their tables, read with Python's own library."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from halsie_ros.bags.storage import Channel, definition_text, nearly_sorted, parse_qos
from halsie_ros.errors import BagError


class SqliteStorage:
    """An open .db3 file; attributes as of `Storage`.

    Args:
        path: of the file.
        partial: read a cut file up to the cut.

    Raises:
        BagError: no database, damaged, or (without `partial`) messages that a recorder left in a write-ahead log
            beside the file.
    """

    def __init__(self, path: Path, *, partial: bool = False) -> None:
        self.path = path
        self.cut = ""
        self._partial = partial
        log = path.with_name(f"{path.name}-wal")
        if log.is_file() and log.stat().st_size and not partial:
            raise BagError(
                f"{path}: newer messages are still in {log.name} (the recording did not end cleanly): "
                f'move them in with `sqlite3 {path.name} "PRAGMA wal_checkpoint(TRUNCATE)"`, or read without: --partial'
            )
        # immutable: a bag on a read-only disk is read, and nothing is ever written beside it.
        self._base = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?immutable=1", uri=True, check_same_thread=False
        )
        if partial:  # the one state in which SQLite opens a file with fewer pages than its header promises
            self._base.execute("PRAGMA writable_schema=ON")
        try:
            self._read()
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise BagError(f"{path}: {error}: --partial reads up to the cut") from error
        except BaseException:
            self._base.close()
            raise

    def close(self) -> None:
        """Lets the file go."""
        self._base.close()

    def _read(self) -> None:
        columns = {row[1] for row in self._base.execute("PRAGMA table_info(topics)")}
        if not {"id", "name", "type", "serialization_format"} <= columns:
            raise BagError(f"{self.path}: no rosbag2 file, its tables lack topics")
        definitions = {}
        if self._base.execute("SELECT 1 FROM sqlite_master WHERE name = 'message_definitions'").fetchone():
            definitions = {
                str(name): (str(encoding), str(text))
                for name, encoding, text in self._base.execute(
                    "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
                )
            }
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        topics = self._base.execute(f"SELECT id, name, type, serialization_format, {qos} FROM topics ORDER BY id")
        rows = [(int(number), str(name), str(kind), str(form), offered) for number, name, kind, form, offered in topics]
        counts, times = self._partial_counts() if self._partial else self._counts()
        self.count = sum(counts.values())
        self.start_ns, self.end_ns = times if self.count else (0, 0)
        self.channels = [
            Channel(
                number,
                name,
                kind,
                form,
                definition_text(kind, *definitions[kind]) if kind in definitions else None,
                parse_qos(offered),
                counts.get(number, 0),
            )
            for number, name, kind, form, offered in rows
        ]

    def _counts(self) -> tuple[dict[int, int], tuple[int, int]]:
        counts = dict(self._base.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id").fetchall())
        first, last = self._base.execute("SELECT MIN(timestamp), MAX(timestamp) FROM messages").fetchone()
        return counts, (first or 0, last or 0)

    def _partial_counts(self) -> tuple[dict[int, int], tuple[int, int]]:
        """Counts what can be read row by row, in the order of writing."""
        counts: dict[int, int] = {}
        times: list[int] = []
        for number, log_ns, _ in self._rows():
            counts[number] = counts.get(number, 0) + 1
            times = [min(times[0], log_ns), max(times[1], log_ns)] if times else [log_ns, log_ns]
        return counts, (times[0], times[1]) if times else (0, 0)

    def _rows(self) -> Iterator[tuple[int, int, bytes]]:
        """Rows in the order of writing, up to the first that is damaged."""
        rows = self._base.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id")
        number = 0
        while True:
            try:
                row = next(rows, None)
            except sqlite3.Error as error:
                self.cut = f"{self.path}: cut or damaged after {number} messages ({error})"
                return
            if row is None:
                return
            number += 1
            yield row

    def messages(self, channels: Collection[Channel], start_ns: int = 0) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and message in the order of log time, from a log time on."""
        wanted = {channel.number: channel for channel in channels}
        if self._partial:
            yield from nearly_sorted(
                (wanted[number], log_ns, data)
                for number, log_ns, data in self._rows()
                if number in wanted and log_ns >= start_ns
            )
            return
        values: list[Any] = [*wanted, start_ns]
        marks = ",".join("?" * len(wanted))
        rows = self._base.execute(
            f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) AND timestamp >= ? "
            "ORDER BY timestamp, id",
            values,
        )
        for number, log_ns, data in rows:
            yield wanted[number], log_ns, data
