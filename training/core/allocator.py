"""Memory that a training process keeps instead of giving it back to the kernel after every step."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`, as malloc.h numbers them."""


def keep_memory() -> bool:
    """Tells glibc's allocator to use freed blocks again, whatever their size.

    Left alone it asks the kernel for every block above 32 MB and gives it back when it is freed, so that a training
    step on a CPU spends a quarter of its time on pages that the kernel clears again and again (see
    training/README.md). The process then stays as large as its largest step.

    Returns:
        Whether it was done; False without glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1))
