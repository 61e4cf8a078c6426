"""While a kernel runs, other threads go on: callbacks must never queue up behind the worker's mathematics."""

from __future__ import annotations

import importlib
import pkgutil
import threading
import time

import numba
import numpy as np

import halsie_ros
from halsie_ros.segmentation.upsample import mask_and_confidence


def kernels():
    """Every compiled kernel of the package by its full name; nodes have none of their own."""
    found = {}
    for info in pkgutil.walk_packages(halsie_ros.__path__, "halsie_ros."):
        if info.name.startswith("halsie_ros.nodes"):
            continue
        try:
            module = importlib.import_module(info.name)
        except ImportError:  # an extra that is not installed
            continue
        for name, value in vars(module).items():
            if isinstance(value, numba.core.registry.CPUDispatcher) and value.__module__ == info.name:
                found[f"{info.name}.{name}"] = value
    return found


def test_no_kernel_holds_the_interpreters_lock():
    found = kernels()
    assert "halsie_ros.segmentation.upsample._enlarge" in found and len(found) > 60
    assert [name for name, kernel in found.items() if not kernel.targetoptions.get("nogil")] == []


def test_another_thread_counts_on_while_a_mask_is_made():
    logits = np.random.default_rng(0).normal(size=(19, 600, 800)).astype(np.float32)
    mask_and_confidence(logits[:, :2, :2].copy(), 8, 8)
    done, seen = threading.Event(), []

    def work():
        for _ in range(3):
            mask_and_confidence(logits, 2400, 3200)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        seen.append(time.perf_counter())
        time.sleep(0)
    thread.join()
    assert len(seen) > 20  # with the lock held there are as many as there are calls
