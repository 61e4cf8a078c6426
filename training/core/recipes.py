"""Recipes: YAML files, changed by `--set`, to frozen dataclasses; what does not belong is refused in one line.

A recipe's parts are dataclasses too, by their fields' types. A checkpoint keeps the recipe that it was trained by, and
can be read in place of the YAML file: keys that were renamed since then get their new names. In a YAML file or `--set`
an old key is refused with its new name.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from training.core.checkpoints import recipe_in
from training.core.command import TrainingError

RENAMED = {
    "augment.album": "augment.independent_frames",
    "augment.cut": "augment.window_split",
    "augment.turn": "augment.view_change",
    "lesson": "distillation_weight",
    "lesson_frames": "distillation_frames",
    "loop.average": "loop.ema_decay",
    "loss_stride": "loss_output_stride",
    "motion": "motion_weight",
    "overlap": "soft_iou_weight",
}
"""Old key -> new key, parts and keys joined by dots; of both senses' recipes."""

_WANTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number, in YAML like 1.0e-3",
    str: "a text",
    dict: "keys with values",
    list: "a list",
    tuple: "a list",
}

T = TypeVar("T")


def add_set_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--set PART.NAME=VALUE …`, once or several times; see `load`."""
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="PART.NAME=VALUE", help="changes of the recipe"
    )


def load(kind: type[T], path: Path, changes: Iterable[str] = ()) -> T:
    """The recipe of a YAML file, or the one that a checkpoint (.pt) was trained by.

    Args:
        kind: dataclass of the recipe.
        path: of the file.
        changes: like "loop.steps=6000", the value in YAML; nothing behind the sign is an empty text.

    Raises:
        TrainingError: a key is unknown, has a new name or is missing, or a value is of another type or refused.
        OSError, yaml.YAMLError: the file cannot be read.
    """
    values = renamed(recipe_in(path)) if path.suffix == ".pt" else yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise TrainingError(f"{path}: holds {values!r}, not a recipe: give keys with values")
    for change in changes:
        place, equals, value = change.partition("=")
        if not equals:
            raise TrainingError(f"--set {change}: give PART.NAME=VALUE, e.g. loop.steps=6000")
        *parts, name = place.split(".")
        inner = values
        for part in parts:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise TrainingError(f"--set {change}: {part} has no parts")
        inner[name] = yaml.safe_load(value) if value else ""
    if old := [f"{key} is now {new}" for key, new in RENAMED.items() if _find(values, key) is not None]:
        raise TrainingError(f"{path}: renamed keys: {', '.join(old)}; give the new ones")
    return build(kind, values, str(path))


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values, its old keys (see `RENAMED`) replaced by the new ones."""
    result = copy.deepcopy(dict(values))
    for old, new in RENAMED.items():
        if (part := _find(result, old)) is not None:
            part[new.rpartition(".")[2]] = part.pop(old.rpartition(".")[2])
    return result


def _find(values: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The part of a recipe that holds ``key``; None where it is not there."""
    *parts, name = key.split(".")
    inner: Any = values
    for part in parts:
        inner = inner.get(part) if isinstance(inner, dict) else None
    return inner if isinstance(inner, dict) and name in inner else None


def build(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from a mapping, with the dataclasses among its fields.

    Args:
        kind: the dataclass; lists become tuples where it says so.
        values: of its fields.
        where: what they are of, for messages.

    Raises:
        TrainingError: a key that the dataclass does not have, one that it needs, or a value it refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := set(values) - set(fields):
        raise TrainingError(
            f"{where}: unknown {', '.join(sorted(map(str, unknown)))}; known are {', '.join(sorted(fields))}"
        )
    needed = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if lacking := [name for name in needed if name not in values]:
        raise TrainingError(f"{where}: lacks {', '.join(lacking)}")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _fitted(value, hints[name], f"{where}: {name}") for name, value in values.items()})


def _fitted(value: Any, hint: Any, where: str) -> Any:
    """A value as a field's type has it, lists and parts included.

    Raises:
        TrainingError: it is of another type.
    """
    origin, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _fitted(value, next(one for one in inner if one is not type(None)), where)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise TrainingError(f"{where} is {value!r}: give {_WANTED[dict]}")
        return build(typing.cast(type, hint), value, where)
    if origin is float and type(value) is int:
        return float(value)
    right = isinstance(value, list | tuple) if origin in (list, tuple) else type(value) is origin
    if origin not in _WANTED or (right and not inner):
        return value
    if not right:
        raise TrainingError(f"{where} is {value!r}: give {_WANTED[origin]}")
    if origin is dict:
        return dict(value)
    kinds = (inner[0],) * len(value) if origin is list or inner[-1] is ... else inner
    if len(kinds) != len(value):
        raise TrainingError(f"{where} is {list(value)}: give {len(kinds)} values")
    return origin(_fitted(one, one_kind, where) for one, one_kind in zip(value, kinds))
