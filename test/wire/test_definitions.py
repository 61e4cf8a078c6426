"""One list of message definitions, one reader of CDR, one pair of stamp helpers."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from halsie_ros.errors import CodecError
from halsie_ros.wire.definitions import DEFINITIONS
from halsie_ros.wire.layout import known_definition, known_layout, stamp_ns_of
from halsie_ros.wire.stamps import ns_to_stamp, stamp_to_ns

ROOT = Path(__file__).parents[2]


def fields(text: str, package: str) -> list[list[str]]:
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    return [[words[0].removeprefix(f"{package}/"), *words[1:]] for words in lines if words and "=" not in words]


@pytest.mark.parametrize("file", sorted((ROOT / "interfaces").rglob("*.msg")), ids=lambda path: path.stem)
def test_definitions_are_those_of_the_message_packages(file):
    package = file.parents[1].name
    assert fields(DEFINITIONS[f"{package}/msg/{file.stem}"], package) == fields(file.read_text(), package)


def test_every_definition_has_a_message_package():
    packages = {f"{file.parents[1].name}/msg/{file.stem}" for file in (ROOT / "interfaces").rglob("*.msg")}
    assert set(DEFINITIONS) == packages


@pytest.mark.parametrize(("order", "flag"), [("<", 1), (">", 0)])
def test_a_stamp_is_read_in_either_byte_order(order, flag):
    payload = bytes((0, flag, 0, 0)) + struct.pack(f"{order}iI", 1_700_000_000, 999_999_999)
    assert stamp_ns_of(payload) == 1_700_000_000_999_999_999
    with pytest.raises(CodecError, match="cut short"):
        stamp_ns_of(payload[:11])


@pytest.mark.parametrize("stamp_ns", [0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_123_456_789])
def test_stamps_go_there_and_back(stamp_ns):
    seconds, nanoseconds = ns_to_stamp(stamp_ns)
    assert 0 <= nanoseconds < 10**9
    assert stamp_to_ns(SimpleNamespace(sec=seconds, nanosec=nanoseconds)) == stamp_ns


def test_a_message_without_a_known_definition_is_refused_by_name():
    with pytest.raises(CodecError, match="definition of my_msgs/msg/Gain is not known"):
        known_definition("my_msgs/msg/Gain")


def test_no_other_module_counts_a_second_in_nanoseconds_by_itself():
    found = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "halsie_ros").rglob("*.py")
        if path.name != "stamps.py" and path.parent.name != "bench" and re.search(r"1_000_000_000\b", path.read_text())
    ]
    assert found == []


def test_layouts_of_encoded_video_end_with_the_data():
    assert [field.name for field in known_layout("foxglove_msgs/msg/CompressedVideo").fields][-2:] == ["data", "format"]
