"""A place for numba's compiled kernels where neither the package nor the user's home can be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path


def _writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, can be written."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


def ensure_cache_folder(environment: MutableMapping[str, str], package: Path, home_cache: Path) -> None:
    """Sets ``NUMBA_CACHE_DIR`` where numba would find no place of its own, which it answers with an exception.

    Numba tries the folder of the sources, then the user's cache folder; in a read-only container there is neither.
    The temporary folder that we give it is the user's own, for kernels are loaded without further checks.

    Args:
        environment: ``os.environ``, changed here.
        package: folder of the sources.
        home_cache: the user's cache folder.
    """
    if "NUMBA_CACHE_DIR" in environment or _writable(package) or _writable(home_cache):
        return
    folder = Path(tempfile.gettempdir()) / f"halsie_ros-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        own = folder.lstat().st_uid == os.getuid() and not folder.is_symlink() and folder.stat().st_mode & 0o077 == 0
        environment["NUMBA_CACHE_DIR"] = str(folder) if own else tempfile.mkdtemp(prefix="halsie_ros-")
    except OSError:
        # Not even a temporary folder: numba's own message says what is missing.
        return
