"""Fixtures of the training tests; without torch they skip, visibly."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: ./halsie setup train")
pytest.importorskip("snntorch", reason="training needs snntorch: ./halsie setup train")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def about():
    """What `training.segmentation.export` wants to know of a model."""
    return {
        "class_set": "dsec_11",
        "inputs": ["frames", "events"],
        "commercial_use": True,
        "licence": "Apache-2.0",
        "data": "noise",
        "recipe": "none",
    }


@pytest.fixture
def two_processes(repository):
    """Runs a script as two processes of one gloo group, as torchrun does but sooner: exit code, output and errors of
    each, given the script and the arguments of the first and of the second."""

    def run(script, first, second):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        started = [
            subprocess.Popen(
                [sys.executable, "-c", script, *map(str, arguments)],
                env={**os.environ, **group, "PYTHONPATH": str(repository), "RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank, arguments in enumerate((first, second))
        ]
        try:
            said = [process.communicate(timeout=120) for process in started]
            return [(process.returncode, *texts) for process, texts in zip(started, said)]
        finally:
            for process in started:
                process.kill()

    return run
