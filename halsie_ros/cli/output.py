"""What every verb of the command shares: `--json FILE`, and writing files whole or not at all."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--json FILE` (`-` = standard output)."""
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON to FILE (- = standard output)")


def write_json(destination: str | None, value: Any) -> None:
    """Writes `value` as JSON; does nothing where `destination` is None. numpy values are converted."""
    if destination is None:
        return
    text = json.dumps(value, indent=2, default=_plain) + "\n"
    if destination == "-":
        sys.stdout.write(text)
    else:
        write_atomically(Path(destination), text.encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: a temporary file beside it, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
