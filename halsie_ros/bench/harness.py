"""The measure: CPU time of one thread, the median of interleaved runs, ours and the peer's in turn."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
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


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor in a line: its name, how many there are, the architecture, and the vector instructions that decide
    most of the figures."""
    fields: dict[str, str] = {}
    try:
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    flags = fields.get("flags", fields.get("Features", "")).split()  # as x86 and ARM call them
    vectors = [name for name in ("avx2", "avx512f", "avx512_vnni", "asimd", "sve") if name in flags]
    name = fields.get("model name") or platform.processor() or "unknown processor"
    return f"{name}, {os.cpu_count()} processors, {platform.machine()}, {' '.join(vectors) or 'no vector flags known'}"


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

    def value(seconds: float) -> float:
        return work / seconds if work else seconds * 1e3

    return Row(
        case,
        unit,
        value(ours_s),
        peer,
        None if peer_s is None else value(peer_s),
        None if peer_s is None else peer_s / ours_s,
        note,
    )
