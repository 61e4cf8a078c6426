"""Where the fields of a serialized message lie: read from the message's own definition.

ROS 2 serializes as CDR (every number aligned to its size, counted from the end of the 4-byte encapsulation), ROS 1
packs without padding. A bag carries its definitions, so field order and types are never guessed from a name.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as member
from typing import Any

from halsie_ros.errors import CodecError
from halsie_ros.wire.definitions import DEFINITIONS, ROS1_STANDARD, STANDARD
from halsie_ros.wire.stamps import SECOND_NS

_PRIMITIVES = {
    "bool": "?", "byte": "B", "char": "B", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i",
    "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f", "float64": "d",
}  # fmt: skip
_BYTES = ("uint8", "byte", "char")
_SERIALIZATIONS = {
    "cdr": {name.rpartition("/")[2]: text for name, text in STANDARD.items()},
    "ros1": ROS1_STANDARD,
}


def known_definition(message_type: str, serialization: str = "cdr") -> str:
    """The definition of a message of `DEFINITIONS` or `STANDARD` with what it nests, for topics that carry none.

    Raises:
        CodecError: a message that is in neither.
    """
    known = DEFINITIONS | STANDARD
    if message_type not in known:
        raise CodecError(f"the definition of {message_type} is not known: use a recording that carries it")
    package = message_type.partition("/")[0]
    parts = [known[message_type]]
    parts += [
        f"===\nMSG: {name.replace('/msg/', '/')}\n{text}"
        for name, text in DEFINITIONS.items()
        if name.startswith(f"{package}/") and name != message_type
    ]
    text = "".join(parts)
    return text.replace("builtin_interfaces/Time", "time") if serialization == "ros1" else text


@dataclass(frozen=True)
class Field:
    """One primitive, string or byte array, or an array of structures.

    Attributes:
        name: with dots for nested structures, e.g. `header.stamp.sec`.
        kind: "number", "string", "bytes" or "structs".
        type: the ROS name of the (element's) type.
        code: the `struct` format of a number.
        size: bytes of a number, which is its alignment in CDR too.
        members: the fields of an array's structure.
    """

    name: str
    kind: str
    type: str
    code: str = ""
    size: int = 4
    members: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The fields of a message in their order, and how they are laid out.

    Attributes:
        fields: up to and including the first array of structures.
        aligned: True for CDR, False for ROS 1.
    """

    fields: tuple[Field, ...]
    aligned: bool
    _steps: dict[str, list[tuple[str, str, int, Callable[..., Any]]]] = member(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # What `read` needs of each field, without looking up attributes for every message.
        steps = {
            order: [
                (field.name, field.kind, field.size, struct.Struct(order + (field.code or "I")).unpack_from)
                for field in self.fields
            ]
            for order in "<>"
        }
        object.__setattr__(self, "_steps", steps)

    def read(self, data: bytes | memoryview) -> dict[str, Any]:
        """The fields' values; a byte array comes as ``(start, end)``, an array of structures as ``(start, count)``.

        CDR of either byte order is read, which its encapsulation tells (0 big, 1 little endian).

        Raises:
            CodecError: the message is shorter than its fields, or it is not plain CDR.
        """
        start = 0
        order = "<"
        if self.aligned:
            if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
                raise CodecError(
                    f"message of {len(data)} bytes starts with {bytes(data[:2]).hex()}: not plain CDR (0000 or 0001)"
                )
            order = ">" if data[1] == 0 else "<"
            start = 4
        at = start
        values: dict[str, Any] = {}
        try:
            for name, kind, size, unpack_from in self._steps[order]:
                if self.aligned:
                    at += (start - at) % size
                (value,) = unpack_from(data, at)
                at += size
                if kind == "number":
                    values[name] = value
                    continue
                if kind == "structs":
                    values[name] = (at, value)
                    break
                if at + value > len(data):
                    raise CodecError(f"message cut short: {name} has {value} bytes, {len(data) - at} of them are there")
                if kind == "bytes":
                    values[name] = (at, at + value)
                else:
                    values[name] = bytes(data[at : at + value]).rstrip(b"\0").decode("utf-8", "replace")
                at += value
        except struct.error:
            raise CodecError(f"message cut short: {len(data)} bytes end before {name}") from None
        return values

    def struct_offsets(self, name: str) -> tuple[dict[str, int], dict[str, int], int, int]:
        """Offsets in an array of structures, from its first byte (which 4 divides in CDR).

        Returns:
            Offsets of the members of element 0; those that it had, were it aligned as the others are (element k has
            them plus k strides); the stride; and the bytes from the last member's end back to an element's base.

        Raises:
            CodecError: the elements do not repeat with one stride.
        """
        members = next(field for field in self.fields if field.name == name).members
        elements: list[dict[str, int]] = []
        at = end = 0
        for _ in range(4):
            offsets = {}
            for item in members:
                if item.kind != "number" or (self.aligned and item.size > 4):
                    raise CodecError(f"cannot read {name}: its member {item.name} is {item.type}")
                if self.aligned:
                    at += -at % item.size
                offsets[item.name] = at
                at += item.size
            elements.append(offsets)
            end = at
        stride = elements[3][members[0].name] - elements[2][members[0].name]
        rest = {key: value - stride for key, value in elements[1].items()}
        if any(elements[k][key] != rest[key] + k * stride for k in (1, 2, 3) for key in rest):
            raise CodecError(f"cannot read {name}: its elements do not repeat every {stride} bytes")
        return elements[0], rest, stride, end - 3 * stride


def _sections(definition: str) -> dict[str, list[tuple[str, str]]]:
    """Splits a definition into `(type, name)` lists by the structures' names; the message itself is ''."""
    sections: dict[str, list[tuple[str, str]]] = {"": []}
    current = sections[""]
    for line in definition.splitlines():
        line = line.split("#", 1)[0].strip()
        if line.startswith("==="):
            continue
        if line.startswith("MSG:"):
            current = sections.setdefault(line[4:].strip().split("/")[-1], [])
        elif "=" not in line.replace("<=", "") and len(words := line.split()) >= 2:
            current.append((words[0], words[1]))
    return sections


def parse_layout(definition: str, serialization: str) -> Layout:
    """Reads a message definition (.msg text, with nested definitions after `===` lines).

    Args:
        definition: as bags carry it.
        serialization: "cdr" or "ros1".

    Raises:
        CodecError: a type that is neither primitive, nor defined, nor an array that we can skip over.
    """
    if serialization not in _SERIALIZATIONS:
        raise CodecError(f"serialization {serialization!r} of an event topic: known are cdr and ros1")
    sections = _sections(definition)
    for name, text in _SERIALIZATIONS[serialization].items():
        sections.setdefault(name, _sections(text)[""])

    def expand(members: list[tuple[str, str]], prefix: str, depth: int) -> list[Field]:
        if depth > 8:
            raise CodecError(f"message definition nests without end at {prefix}")
        fields: list[Field] = []
        for type_name, name in members:
            base = type_name.split("/")[-1].split("<=")[0]
            array = base.endswith("[]")
            base = base.removesuffix("[]")
            if array and base in _BYTES:
                fields.append(Field(prefix + name, "bytes", base))
            elif array and base in sections:
                structs = tuple(expand(sections[base], "", depth + 1))
                fields.append(Field(prefix + name, "structs", base, members=structs))
            elif not array and base in _PRIMITIVES:
                code = _PRIMITIVES[base]
                fields.append(Field(prefix + name, "number", base, code, struct.calcsize("<" + code)))
            elif not array and base == "string":
                fields.append(Field(prefix + name, "string", base))
            elif not array and base in sections:
                fields.extend(expand(sections[base], f"{prefix}{name}.", depth + 1))
            else:
                raise CodecError(f"cannot read field {prefix}{name} of type {type_name}: not known to event messages")
        return fields

    return Layout(tuple(expand(sections[""], "", 0)), serialization == "cdr")


@functools.cache
def known_layout(message_type: str) -> Layout:
    """The CDR layout of a message of `DEFINITIONS` or `STANDARD`."""
    return parse_layout(known_definition(message_type), "cdr")


def stamp_ns_of(payload: bytes | memoryview) -> int:
    """header.stamp in ns of a CDR message that begins with a std_msgs/Header (or a Time); decodes nothing else.

    Raises:
        CodecError: the message is too short to hold a stamp.
    """
    values = known_layout("builtin_interfaces/msg/Time").read(payload)
    return int(values["sec"] * SECOND_NS + values["nanosec"])
