"""Fixtures of the training tests; without torch they skip, visibly."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: ./halsie setup train")
pytest.importorskip("snntorch", reason="training needs snntorch: ./halsie setup train")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def about():
    """What `training.export` wants to know of a model."""
    return {
        "class_set": "dsec_11",
        "inputs": ["frames", "events"],
        "commercial_use": True,
        "licence": "Apache-2.0",
        "data": "noise",
        "recipe": "none",
    }
