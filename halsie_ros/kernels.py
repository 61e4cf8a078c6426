"""Compiled kernels: numba's `njit`, cached on disk where an edit of anything that a kernel inlines changes its place.

Numba's own cache looks at the file of the function alone. A kernel that calls a kernel of another file, or reads a
constant from there, would go on with the old code after that file has changed. Here each file's kernels lie in a folder
named by a digest of the file and of all that it imports from this repository, directly or not.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds the package: module names are looked up below it."""

_KEPT_S = 30 * 86_400
_PACKAGES = "halsie_ros|training"
_IMPORT = re.compile(
    rf"^[ \t]*(?:from[ \t]+((?:{_PACKAGES})[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)"
    rf"|import[ \t]+((?:{_PACKAGES})[\w.]*))",
    re.MULTILINE,
)

Function = TypeVar("Function", bound=Callable[..., Any])


def njit(**options: Any) -> Callable[[Function], Function]:
    """`numba.njit` with its result on disk; kernels release the interpreter's lock.

    Args:
        **options: as numba takes them; `cache` and `nogil` are True unless said otherwise.
    """
    import numba  # here, so that `import halsie_ros` stays light
    from numba.core import config as numba_config

    config: Any = numba_config

    def compiled(function: Function) -> Function:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(_folder(function.__code__.co_filename))
        try:  # numba reads the folder while it decorates
            result: Function = numba.njit(**{"cache": True, "nogil": True, **options})(function)
            return result
        finally:
            config.CACHE_DIR = before

    return compiled


@dataclass
class Compilation:
    """How many kernels were compiled, not merely loaded, inside `counting_compilation`."""

    compiled: int = 0


@contextlib.contextmanager
def counting_compilation() -> Iterator[Compilation]:
    """Counts the kernels that numba compiles inside the block; the kernels that they call count too."""
    from numba.core import event

    count = Compilation()

    class Ear(event.Listener):
        def on_start(self, event: Any) -> None:
            count.compiled += 1

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Ear()):
        yield count


@functools.cache
def _folder(file: str) -> Path:
    """Where the kernels of one source file lie; those of its older versions go once nobody has used them for long."""
    name, wanted = Path(file).stem, digest(Path(file))
    folder = cache_folder(os.environ) / f"{name}-{wanted}"
    try:
        if folder.is_dir():
            os.utime(folder)
        else:
            for old in folder.parent.glob(f"{name}-*"):
                if time.time() - old.stat().st_mtime > _KEPT_S:
                    shutil.rmtree(old, ignore_errors=True)
    except OSError:
        pass  # another process was faster, or the folder cannot be changed: kernels work all the same
    return folder


def digest(file: Path) -> str:
    """A digest of a source file and of all that it imports from this repository."""
    sources = sorted(_closure(file.resolve()))
    content = hashlib.sha256()
    for source in sources:
        content.update(source.name.encode() + b"\0" + _read(source))
    return content.hexdigest()[:16]


def _closure(file: Path) -> set[Path]:
    found, todo = set(), [file]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo.extend(_imports(path))
    return found


@functools.cache
def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # a frozen program has no sources: its kernels cannot change either


@functools.cache
def _imports(file: Path) -> tuple[Path, ...]:
    """The files of this repository that a file imports from."""
    modules = []
    for package, names, module in _IMPORT.findall(_read(file).decode("utf-8", "replace")):
        modules.append(module or package)
        modules += [f"{package}.{name}" for name in re.findall(r"\w+", names)]  # a module, or a name in one
    places = (ROOT.joinpath(*module.split(".")) for module in modules)
    return tuple(
        path for place in places for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()
    )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where compiled kernels are kept: ``$NUMBA_CACHE_DIR``, the user's cache folder, else a private temporary one.

    Containers may have neither a home nor a name for their user, and nothing but the temporary folder may be writable.
    That one must be the user's own, for kernels are loaded without further checks.

    Args:
        environment: ``os.environ``.
    """
    chosen = environment.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    home = environment.get("XDG_CACHE_HOME") or (environment.get("HOME") and f"{environment['HOME']}/.cache")
    if home and Path(home).is_absolute() and writable(Path(home)):
        return Path(home) / "halsie_ros" / "kernels"
    return temporary_folder()


@functools.cache
def temporary_folder() -> Path:
    """A folder below the temporary one that is this user's own, whatever name or home the user has or lacks."""
    folder = Path(tempfile.gettempdir()) / f"halsie_ros-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        own = folder.lstat().st_uid == os.getuid() and not folder.is_symlink() and folder.stat().st_mode & 0o077 == 0
        return folder if own else Path(tempfile.mkdtemp(prefix="halsie_ros-"))
    except OSError:
        return folder  # not even a temporary folder: numba's own message says what is missing


def writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, is one that can be written."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
