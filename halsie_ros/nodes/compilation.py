"""Says in the log what is compiled while a node starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event
from rclpy.impl.rcutils_logger import RcutilsLogger


class _Ear(event.Listener):
    """Counts kernels that numba compiles, as against those that it finds in its cache."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self.kernels = 0

    def on_start(self, event: event.Event) -> None:
        if not self.kernels:
            self._logger.info("compiling kernels, which is done once per installation (beforehand: README, Kernels)")
        self.kernels += 1

    def on_end(self, event: event.Event) -> None:
        pass


@contextmanager
def telling_compilation(logger: RcutilsLogger) -> Iterator[None]:
    """Logs when kernels begin to be compiled inside the block, how many there were, and how long it took."""
    ear, start_s = _Ear(logger), time.monotonic()
    with event.install_listener("numba:compile", ear):
        yield
    if ear.kernels:
        logger.info(f"{ear.kernels} kernels compiled, ready after {time.monotonic() - start_s:.1f} s")
