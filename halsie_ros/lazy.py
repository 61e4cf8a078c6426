"""Packages that name what they offer without importing it (PEP 562): `import halsie_ros.video` loads no decoder."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazily(package: str, offered: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's `__getattr__` that imports a public name when it is first asked for.

    Args:
        package: its `__name__`.
        offered: module in the package -> the public names that it defines.
    """
    homes = {name: module for module, names in offered.items() for name in names}

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return find
