"""The measure: CPU time of one thread, the median of interleaved runs, ours and the peer's in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of `halsie bench`.

    Attributes:
        case: the case's name, as the README's table and `halsie bench` list them.
        unit: what `ours` and `peer_value` count, e.g. "ms" or "Mevents/s".
        ours: our median figure.
        peer: who we were measured against, None where no peer was there.
        peer_value: the peer's median figure.
        ratio: above 1 means that ours is better, whatever the unit.
        note: what the reader must know to read the row.
    """

    case: str
    unit: str
    ours: float
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return asdict(self)


def median_seconds(
    *functions: Callable[[], Any], runs: int = 15, warmup: int = 2, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Median seconds of each function, called in turn A B A B … so that drift hits all alike.

    The default clock is this process's CPU time; give ``time.perf_counter`` for work done in other processes.
    """
    times: list[list[float]] = [[] for _ in functions]
    for run in range(warmup + runs):
        for index, function in enumerate(functions):
            start = clock()
            function()
            if run >= warmup:
                times[index].append(clock() - start)
    return [median(values) for values in times]


def row_of_times(
    case: str,
    ours_s: float,
    peer: str | None = None,
    peer_s: float | None = None,
    *,
    work: float = 0.0,
    unit: str = "ms",
    note: str = "",
) -> Row:
    """A row from two times: in ms, or as a rate where `work` (units of work per call, e.g. 1.0 Mevents) is given."""
    value = (lambda s: work / s) if work else (lambda s: s * 1e3)
    return Row(
        case,
        unit,
        value(ours_s),
        peer,
        None if peer_s is None else value(peer_s),
        None if peer_s is None else peer_s / ours_s,
        note,
    )
