"""The thread that does a node's heavy work, so that the callback thread is always free to take messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from rclpy.impl.rcutils_logger import RcutilsLogger

T = TypeVar("T")


class Worker(Generic[T]):
    """Takes work when there is some, and does it.

    Args:
        take: called under `changed` with the steady time in seconds; gives the work that is due, or None.
        deadline: called likewise after that; when to look again if nothing happens, None if there is no need.
        do: does the work, without the lock.
        logger: hears of unexpected errors; the thread goes on.

    Attributes:
        changed: hold it while changing what `take` looks at, and notify.
        failures: how many pieces of work failed with an unexpected error.
    """

    def __init__(
        self,
        take: Callable[[float], T | None],
        deadline: Callable[[float], float | None],
        do: Callable[[T], None],
        logger: RcutilsLogger,
    ) -> None:
        self.changed = threading.Condition()
        self.failures = 0
        self._take = take
        self._deadline = deadline
        self._do = do
        self._logger = logger
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Ends the thread after the piece of work at hand."""
        with self.changed:
            self._stopped = True
            self.changed.notify()
        if self._thread.ident:
            self._thread.join(timeout_s)

    def _next(self) -> T | None:
        with self.changed:
            while not self._stopped:
                now_s = time.monotonic()
                work = self._take(now_s)
                if work is not None:
                    return work
                deadline_s = self._deadline(now_s)
                self.changed.wait(None if deadline_s is None else max(deadline_s - now_s, 0.0))
        return None

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                self._do(work)
            except Exception as error:
                if self._stopped:
                    return
                self.failures += 1
                self._logger.error(f"{type(error).__name__}: {error}", throttle_duration_sec=5.0)
