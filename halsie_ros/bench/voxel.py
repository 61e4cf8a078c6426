"""`halsie bench voxel`: the grid of event counts, one thread, against np.add.at, a C loop and tonic.

It is the grid of training, and of nodes whose model has no spiking first layer: five bins, two polarities. Tonic has no
such grid; its own of ten planes, bilinear in time, is as large."""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from halsie_ros.bench import c_loops
from halsie_ros.bench.harness import Row, median_seconds, row_of_times
from halsie_ros.bench.peers import Worker, python_with
from halsie_ros.events.events import Events
from halsie_ros.events.voxel import bin_counts

HEIGHT, WIDTH, CHANNELS = 480, 640, 10
BINS, BIN_US = CHANNELS // 2, 20_000
TONIC = "tonic==1.7.0"

_TONIC_CODE = """
import numpy as np
import tonic.transforms
rng = np.random.default_rng(0)
count = {count}
events = np.empty(count, dtype=[("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "?")])
events["x"] = rng.integers(0, {width}, count)
events["y"] = rng.integers(0, {height}, count)
events["t"] = np.sort(rng.integers(0, 100_000, count))
events["p"] = rng.integers(0, 2, count)
transform = tonic.transforms.ToVoxelGrid(sensor_size=({width}, {height}, 2), n_time_bins={bins})
def run():
    return transform(events)
"""


def sample(count: int) -> Events:
    """Events of 0.1 s, sorted by time, everywhere on the sensor: the hardest case for caches."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count)
    return Events.of(x, y, np.sort(rng.integers(0, 100_000, count)), rng.integers(0, 2, count))


def add_at(events: Events) -> np.ndarray:
    """The grid as numpy users write it, into a fresh array."""
    grid = np.zeros((BINS, 2, HEIGHT, WIDTH), np.float32)
    seen = events.t_us > 0
    bins = np.minimum((events.t_us - 1) // BIN_US, BINS - 1)
    np.add.at(grid, (bins[seen], events.polarity[seen].astype(int), events.y[seen], events.x[seen]), 1)
    return grid.reshape(CHANNELS, HEIGHT, WIDTH)


def cases(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of 1M and of 10k events into 640x480x10."""
    library = c_loops.build()
    python = python_with(TONIC) if args.with_peers else None
    for name, count, runs in (("1M", 1_000_000, 9), ("10k", 10_000, 41)):
        case = f"voxel/{name}_{WIDTH}x{HEIGHT}x{CHANNELS}"
        events = sample(count)
        work = count / 1e6
        unit = "Mevents/s"
        again, grid = (np.empty((CHANNELS, HEIGHT, WIDTH), np.float32) for _ in range(2))

        def ours(events: Events = events, again: np.ndarray = again) -> np.ndarray:
            return bin_counts(events, t0_us=0, bin_us=BIN_US, bins=BINS, height=HEIGHT, width=WIDTH, out=again)

        mine, numpy_s = median_seconds(ours, partial(add_at, events), runs=runs)
        yield row_of_times(case, mine, "np.add.at", numpy_s, work=work, unit=unit, note="ours: a grid used again")
        if library is not None:
            columns = [c_loops.pointer(array) for array in (events.x, events.y, events.t_us, events.polarity)]

            def in_c(count: int = count, columns: list[Any] = columns, grid: np.ndarray = grid) -> None:
                sizes = ctypes.c_size_t(count), ctypes.c_int64(0), ctypes.c_int64(BIN_US)
                library.counts(*columns, *sizes, BINS, HEIGHT, WIDTH, c_loops.pointer(grid))

            mine, c_s = median_seconds(ours, in_c, runs=runs)
            if not np.array_equal(ours(), grid):
                raise ArithmeticError("the C loop and our grid disagree: the comparison means nothing")
            yield row_of_times(case, mine, "C loop, gcc -O3", c_s, work=work, unit=unit, note="both: a grid used again")
        if python is not None:
            worker = Worker(python, _TONIC_CODE.format(count=count, width=WIDTH, height=HEIGHT, bins=CHANNELS))
            try:
                worker.seconds()
                pairs = [(median_seconds(ours, runs=1, warmup=0)[0], worker.seconds()) for _ in range(runs)]
            finally:
                worker.close()
            mine, tonic_s = (median(values) for values in zip(*pairs, strict=True))
            yield row_of_times(
                case, mine, TONIC, tonic_s, work=work, unit=unit, note="ToVoxelGrid, bilinear in time; own process"
            )
