"""`halsie bag build ddd17 SRC DST`: one recording (`dirN`) of the ESS release of DDD17 with semantic labels."""

from __future__ import annotations

import argparse
from typing import Any

from halsie_ros.bags.builders.common import START_US, add_bag_arguments
from halsie_ros.bags.builders.sequence import add_span_arguments, write_sequence
from halsie_ros.datasets.recordings.ddd17 import EssSequence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kind's arguments."""
    add_bag_arguments(parser, source=True)
    add_span_arguments(parser)


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag; returns a summary (see `write_sequence`)."""
    sequence = EssSequence(args.source)
    offset_us = START_US if sequence.span_us[0] < START_US else 0
    return write_sequence(sequence, args, source="DDD17", labels=True, offset_us=offset_us)
