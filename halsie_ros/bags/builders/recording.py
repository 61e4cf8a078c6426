"""`halsie bag build NAME SRC DST` for data sets without a builder of their own: a recording as its reader gives it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from halsie_ros.bags.builders.common import START_US, add_bag_arguments
from halsie_ros.bags.builders.sequence import add_span_arguments, write_sequence
from halsie_ros.datasets.registry import DATASETS


@dataclass(frozen=True)
class RecordingBuilder:
    """A builder of the data set `name` of the registry, whose reader has ``open_sequence(folder)``."""

    name: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declares the kind's arguments."""
        add_bag_arguments(parser, source=True)
        add_span_arguments(parser)

    def build(self, args: argparse.Namespace) -> dict[str, Any]:
        """Builds the bag; returns a summary (see `write_sequence`)."""
        row = DATASETS[self.name]
        sequence = row.reader().open_sequence(args.source)
        offset_us = START_US if sequence.span_us[0] < START_US else 0  # stamps of zero mean "unset" in ROS
        return write_sequence(sequence, args, source=row.bag, offset_us=offset_us)
