"""A small recording that official layouts are written from."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.simulation.miniatures import Take


def build_take(width, height, frames=9, events=4000):
    rng = np.random.default_rng(5)
    t_us = np.arange(frames, dtype=np.int64) * 50_000
    smooth = np.kron(rng.integers(0, 256, (height // 20, width // 20 + 1, 3)), np.ones((20, 20, 1)))
    smooth = smooth[:, :width]
    pictures = np.stack([np.roll(smooth, 2 * k, 1) for k in range(frames)]).astype(np.uint8)
    labels = np.tile((np.arange(height) * 11 // height)[:, None], (frames, 1, width)).astype(np.uint8)
    labels[:, :, :3] = 255
    return Take(
        t_us,
        pictures,
        labels,
        Events.of(
            rng.integers(0, width, events),
            rng.integers(0, height, events),
            np.sort(rng.integers(0, t_us[-1] + 1, events)),
            rng.integers(0, 2, events),
        ),
    )


@pytest.fixture(scope="session")
def vga_take():
    pytest.importorskip("hdf5plugin")
    return build_take(640, 480)


@pytest.fixture(scope="session")
def davis_take():
    pytest.importorskip("hdf5plugin")
    return build_take(346, 260)
