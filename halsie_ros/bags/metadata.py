"""A rosbag2 folder's metadata.yaml: read, and checked before anything is built on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

from halsie_ros.bags.storage import OfferedQos, parse_qos
from halsie_ros.errors import BagError

NEWEST_VERSION = 9
"""Of the metadata, the one that Jazzy and Kilted write."""
_SUFFIXES = {"mcap": ".mcap", "sqlite3": ".db3"}
COMPRESSED = (".zstd", ".zst")
"""Endings of files that a recorder compressed as a whole."""


@dataclass(frozen=True)
class BagMetadata:
    """What the reader needs of it.

    Attributes:
        storage: "mcap" or "sqlite3".
        files: the storage files, all there.
        custom_data: key-value pairs.
        counts: messages by topic.
        qos: profiles by topic, none where nothing is said that can be read.
    """

    storage: str
    files: tuple[Path, ...]
    custom_data: dict[str, str]
    counts: dict[str, int]
    qos: dict[str, tuple[OfferedQos, ...]]


def storage_kind(file: Path) -> str:
    """ "mcap" or "sqlite3" by a file's name, compressed (.zstd) or not; "" where it is neither."""
    suffix = file.with_suffix("").suffix if file.suffix in COMPRESSED else file.suffix
    return next((kind for kind, ending in _SUFFIXES.items() if ending == suffix), "")


def storage_files(folder: Path) -> list[Path]:
    """The .mcap and .db3 files of a folder, compressed or not."""
    return sorted(path for path in folder.iterdir() if storage_kind(path) and path.is_file())


def read_metadata(folder: Path) -> BagMetadata:
    """Reads ``folder/metadata.yaml``.

    Raises:
        BagError: it is missing, is no metadata, or does not fit the files beside it; the line says what to do.
    """
    file = folder / "metadata.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(folder, f"is not YAML ({_one_line(error)})") from error
    if not content:
        raise _damaged(folder, "is empty")
    information = content.get("rosbag2_bagfile_information") if isinstance(content, dict) else None
    if not isinstance(information, dict):
        raise _damaged(folder, "has no rosbag2_bagfile_information")
    _check(folder, information)
    counted = sum(topic["message_count"] for topic in information["topics_with_message_count"])
    if counted and not information["message_count"]:
        raise _damaged(folder, f"has message_count = 0, but {counted} messages in its topics")
    files = tuple(_file(folder / PurePath(name).name) for name in information["relative_file_paths"])
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise BagError(
            f"{folder} lacks {', '.join(missing)}, which its metadata.yaml names: copy the whole folder again"
        )
    storage = information["storage_identifier"] or storage_kind(files[0])
    if not storage:
        raise _damaged(folder, f"names no storage_identifier, and {files[0].name} tells none")
    mode, form = (str(information.get(f"compression_{key}") or "").lower() for key in ("mode", "format"))
    if mode not in ("", "none", "storage") and form != "zstd":
        raise BagError(f"{folder} is compressed by {form or 'nothing named'}: unpack it, zstd is the format known here")
    custom = information.get("custom_data") or {}
    topics = information["topics_with_message_count"]
    return BagMetadata(
        storage,
        files,
        {str(key): str(value) for key, value in custom.items()},
        {topic["topic_metadata"]["name"]: topic["message_count"] for topic in topics},
        {
            topic["topic_metadata"]["name"]: parse_qos(topic["topic_metadata"].get("offered_qos_profiles"))
            for topic in topics
        },
    )


def _file(named: Path) -> Path:
    """The file that is meant, where it was compressed or unpacked since the metadata was written."""
    others = [named.with_name(named.name + ending) for ending in COMPRESSED]
    if named.suffix in COMPRESSED:
        others.append(named.with_suffix(""))
    return named if named.is_file() else next((other for other in others if other.is_file()), named)


def _check(folder: Path, information: dict[str, Any]) -> None:
    """Raises BagError for the first key whose value cannot be."""
    version = _get(information, "version")
    if not _count(version):
        raise _damaged(folder, f"has the version {version!r}")
    if version > NEWEST_VERSION:
        raise BagError(
            f"{folder} has metadata of version {version}: {NEWEST_VERSION} is the newest known, convert the bag"
        )
    times = () if information.get("message_count") == 0 else _TIMES  # of an empty recording they are any numbers
    for keys, fits, wanted in (*_WANTED, *times):
        value = _get(information, *keys)
        if not fits(value):
            raise _damaged(folder, f"has {'.'.join(keys)} = {_shown(value)}, not {wanted}")
    for number, topic in enumerate(information["topics_with_message_count"]):
        for keys, fits, wanted in _WANTED_OF_TOPIC:
            value = _get(topic, *keys)
            if not fits(value):
                raise _damaged(folder, f"has topic {number}: {keys[-1]} = {_shown(value)}, not {wanted}")


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _storage(value: Any) -> bool:
    return value is None or value == "" or value in tuple(_SUFFIXES)


_Wanted = tuple[tuple[str, ...], Callable[[Any], bool], str]
_WANTED: tuple[_Wanted, ...] = (
    (("storage_identifier",), _storage, f"one of {', '.join(_SUFFIXES)}"),
    (
        ("relative_file_paths",),
        lambda v: isinstance(v, list) and bool(v) and all(map(_text, v)),
        "a list of file names",
    ),
    (("message_count",), _count, "a count"),
    (("topics_with_message_count",), lambda v: isinstance(v, list), "a list"),
    (("custom_data",), lambda v: v is None or isinstance(v, dict), "keys and values"),
)
_TIMES: tuple[_Wanted, ...] = (
    (("duration", "nanoseconds"), _count, "nanoseconds"),
    (("starting_time", "nanoseconds_since_epoch"), _count, "nanoseconds"),
)
_WANTED_OF_TOPIC: tuple[_Wanted, ...] = (
    (("message_count",), _count, "a count"),
    (("topic_metadata", "name"), _text, "a topic's name"),
    (("topic_metadata", "type"), _text, "a type like sensor_msgs/msg/Image"),
    (("topic_metadata", "serialization_format"), lambda v: v == "cdr", "cdr"),
)


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _shown(value: Any) -> str:
    return "nothing" if value is None else _one_line(repr(value))[:60]


def _one_line(value: object) -> str:
    return " ".join(str(value).split())[:160]


def _damaged(folder: Path, fault: str) -> BagError:
    parts = storage_files(folder)
    remedy = f", or name the file {parts[0].name} in it" if parts else ""
    return BagError(f"{folder}/metadata.yaml {fault}: run `ros2 bag reindex {folder}`{remedy}")
