"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow`: all seeds of the fault suite; without it a sample."""
    parser.addoption("--slow", action="store_true", help="all seeds of the fault suite, not one of each")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the checkout; skips, visibly, where it is absent."""
    folder = Path(os.environ.get("HALSIE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real recordings are not here: {folder}")
    return folder


@pytest.fixture(scope="session")
def vga_take():
    """A small recording of 640x480 that official layouts are written from."""
    return build_take(640, 480)


@pytest.fixture(scope="session")
def davis_take():
    """The same of 346x260."""
    return build_take(346, 260)


def build_take(width: int, height: int, frames: int = 9, events: int = 4000):
    """A texture that slides by 2 pixels in 50 ms, bands of labels, and events anywhere: a `miniatures.Take`."""
    pytest.importorskip("hdf5plugin")
    import numpy as np

    from halsie_ros.events import Events
    from halsie_ros.simulation.miniatures import Take

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
