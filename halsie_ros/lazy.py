"""Names that are found when they are asked for (PEP 562).

A package's public ones, so that `import halsie_ros.video` loads no decoder; and a module's old ones.
"""

from __future__ import annotations

import importlib
import warnings
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


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that finds classes by their old names for one release, with a DeprecationWarning.

    Args:
        module: its `__name__`.
        names: old name -> new name in the same module.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is called {names[name]} now", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(module), names[name])

    return find
