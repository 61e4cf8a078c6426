"""Bags from data sets and from the simulator, by `halsie bag build KIND`.

A kind has a module here with `add_arguments(parser)` and `build(args) -> summary`, or is a data set of the registry,
whose recordings become bags as their reader gives them (`recording.RecordingBuilder`).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from typing import Any, Protocol, cast

from halsie_ros.datasets.registry import DATASETS

KINDS = {
    **{name: row.bag for name, row in DATASETS.items() if row.bag},
    "scene": "the simulated street",
    "events": "a file of events: Prophesee raw, AEDAT4, HDF5 or text",
}


class Builder(Protocol):
    """What makes bags of one kind."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declares the kind's arguments."""

    def build(self, args: argparse.Namespace) -> dict[str, Any]:
        """Builds the bag and sums it up."""


def builder(kind: str) -> Builder:
    """The builder of one of `KINDS`, loaded now."""
    module = f"{__name__}.{kind}"
    if importlib.util.find_spec(module):
        return cast(Builder, importlib.import_module(module))
    from halsie_ros.bags.builders.recording import RecordingBuilder

    return RecordingBuilder(kind)
