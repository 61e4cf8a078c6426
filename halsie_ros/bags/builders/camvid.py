"""`halsie bag build camvid SRC DST`: a stretch of CamVid's 15 Hz video, or a still's simulated motion, with events."""

from __future__ import annotations

import argparse
from typing import Any

from halsie_ros.bags.builders.common import START_US, add_bag_arguments
from halsie_ros.bags.builders.sequence import add_span_arguments, write_sequence
from halsie_ros.datasets.recordings.camvid import load
from halsie_ros.errors import ParameterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kind's arguments."""
    add_bag_arguments(parser, source=True)
    add_span_arguments(parser)
    parser.add_argument("--split", default="val", help="the <split>.txt to read (%(default)s)")
    parser.add_argument("--index", type=int, default=0, help="picture of the split whose stretch is written")


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag; returns a summary (see `write_sequence`); events are simulated, which the metadata says."""
    camvid = load(args.source, args.split)
    if not 0 <= args.index < len(camvid):
        raise ParameterError(f"--index {args.index}: {args.split} holds 0 to {len(camvid) - 1}")
    sequence = camvid.sequence(args.index)
    return write_sequence(sequence, args, source="CamVid, events simulated", labels=True, offset_us=START_US)
