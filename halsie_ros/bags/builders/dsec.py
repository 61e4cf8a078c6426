"""`halsie bag build dsec SRC DST`: one DSEC sequence, as recorded or in the event camera's view."""

from __future__ import annotations

import argparse
from typing import Any

from halsie_ros.bags.builders.common import add_bag_arguments
from halsie_ros.bags.builders.sequence import add_span_arguments, write_sequence
from halsie_ros.datasets.base import Calibration
from halsie_ros.datasets.recordings.dsec import DsecSequence

FRAME_SIZE = (1440, 1080)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kind's arguments."""
    add_bag_arguments(parser, source=True)
    add_span_arguments(parser)
    parser.add_argument(
        "--warp",
        action="store_true",
        help="rectified events, and frames warped into their view: frames, events and labels share pixels (640x480)",
    )


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Builds the bag; returns a summary (see `write_sequence`).

    Without --warp events and frames are as recorded, each with its own camera_info, and the labels, which DSEC gives
    in the rectified view of the event camera, are left out.
    """
    sequence = DsecSequence(args.source, rectify=args.warp, crop=False)
    frame = None
    if not args.warp and sequence.calibration is not None:
        frame = Calibration(*FRAME_SIZE, sequence.frame_camera_matrix)
    # DSEC-Semantic labels only some sequences.
    labels = args.warp and any((sequence.folder / "semantic").glob("**/11classes"))
    return write_sequence(sequence, args, source="DSEC", labels=labels, frame_calibration=frame)
