"""`halsie evaluate action`: labels of a set of clips."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from halsie_ros.action.clip import SPARSE_FRAMES
from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.datasets.actions.video_sets import VIDEO_SETS, open_video_set
from halsie_ros.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `halsie evaluate action`."""
    parser.add_argument("--dataset", choices=VIDEO_SETS, required=True)
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the data set's folder")
    parser.add_argument("--split", help="a split's name; for clips: groups, separated by commas")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="list of clips (clips, kinetics)")
    parser.add_argument("--model", default="actions_mhad", help="a name in models/ or a path to a card (%(default)s)")
    parser.add_argument(
        "--frames-per-gop", type=int, default=SPARSE_FRAMES, metavar="N", help="read of long clips (%(default)s)"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluates and prints."""
    from halsie_ros.action.pipeline import ActionPipeline
    from halsie_ros.evaluation.action import evaluate, summary

    pipeline = ActionPipeline(args.model)
    found = open_video_set(args.dataset, args.root, args.split, args.csv)
    result = evaluate(pipeline, found, frames_per_gop=args.frames_per_gop, progress=sys.stderr.isatty())
    if args.json != "-":
        print("\n".join(summary(result)))
    write_json(args.json, result)
    return 0
