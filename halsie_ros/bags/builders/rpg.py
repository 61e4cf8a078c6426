"""`halsie bag build rpg SRC DST`: a folder in the RPG text format, frames and events on one clock."""

from __future__ import annotations

import argparse
from typing import Any

from halsie_ros.bags.builders.common import START_US, add_bag_arguments
from halsie_ros.bags.builders.sequence import add_span_arguments, write_sequence
from halsie_ros.datasets.recordings.rpg import RpgSequence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kind's arguments."""
    add_bag_arguments(parser, source=True)
    add_span_arguments(parser)


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag; returns a summary (see `write_sequence`)."""
    return write_sequence(RpgSequence(args.source), args, source="RPG text format", offset_us=START_US)
