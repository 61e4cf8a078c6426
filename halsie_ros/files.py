"""Writing files whole or not at all, and values as JSON."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from halsie_ros.errors import HalsieError


def write_json(destination: str | None, value: Any) -> None:
    """Writes `value` as JSON; does nothing where `destination` is None. numpy values are converted."""
    if destination is None:
        return
    text = json.dumps(value, indent=2, default=_plain) + "\n"
    if destination == "-":
        print(text, end="")
    else:
        write_atomically(Path(destination), text.encode())


def refuse_unwritable(path: str | Path) -> None:
    """Raises HalsieError where `write_atomically` could not write `path`: said before the work, not after it."""
    path = Path(path)
    ground = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), path)
    if path.is_dir():
        raise HalsieError(f"{path} is a folder: name a file in it")
    if not ground.is_dir():
        raise HalsieError(f"{path} cannot be written: {ground} is no folder, choose another place")
    if not os.access(ground, os.W_OK | os.X_OK):
        raise HalsieError(f"{path} cannot be written: {ground} is not yours to write in, choose another place")


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: a temporary file beside it, then a rename.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_and_rename(path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error  # not the temporary file's name


def _write_and_rename(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _plain(value: Any) -> Any:
    import numpy as np  # here, so that `halsie --help` does not wait for it

    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
