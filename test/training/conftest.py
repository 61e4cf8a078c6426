"""Fixtures of the training tests; without torch they skip, visibly."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: ./halsie setup train")
pytest.importorskip("snntorch", reason="training needs snntorch: ./halsie setup train")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
