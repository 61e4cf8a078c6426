"""Training of the segmentation networks; `python -m training.segmentation CONFIG` trains."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """`main` and the task, which lay here when this was one module; loaded when asked for, with torch."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(importlib.import_module("training.segmentation.task"), name)
