"""`halsie evaluate action`: labels of a set of clips."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

from halsie_ros.action.clip import SPARSE_FRAMES
from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.datasets.actions.video_sets import VIDEO_SETS, open_video_set
from halsie_ros.files import refuse_unwritable, write_atomically, write_json


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
    parser.add_argument(
        "--open-set", action="store_true", help='classes that the model does not know count as "none" of its classes'
    )
    parser.add_argument(
        "--experts",
        choices=("on", "off"),
        default="on",
        help="off: the network alone, no motion maps (%(default)s)",
    )
    parser.add_argument(
        "--confidence", type=float, default=-1.0, metavar="C", help="a best score below is unknown; -1: the card's"
    )
    parser.add_argument("--predictions", type=Path, metavar="FILE", help="csv: path, label, best classes and scores")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluates and prints."""
    from halsie_ros.action.pipeline import ActionPipeline
    from halsie_ros.evaluation.action import figures, predictions, score, summary

    if args.predictions:
        refuse_unwritable(args.predictions)
    pipeline = ActionPipeline(args.model, confidence=args.confidence, experts=args.experts == "on")
    found = open_video_set(args.dataset, args.root, args.split, args.csv)
    scored = score(pipeline, found, args.frames_per_gop, open_set=args.open_set, progress=sys.stderr.isatty())
    result = figures(pipeline, found, scored)
    if args.predictions:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(predictions(pipeline, scored))
        write_atomically(args.predictions, text.getvalue().encode())
    if args.json != "-":
        print("\n".join(summary(result)))
    write_json(args.json, result)
    return 0
