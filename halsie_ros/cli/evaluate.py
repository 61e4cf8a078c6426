"""`halsie evaluate segmentation|action|compare`: measure a model, or two results against each other."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from halsie_ros.cli import evaluate_action
from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.datasets.registry import LABELLED
from halsie_ros.errors import ParameterError
from halsie_ros.files import refuse_unwritable, write_atomically, write_json

if TYPE_CHECKING:
    from halsie_ros.evaluation.offline import StreamSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the verb's arguments."""
    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    _segmentation(tasks.add_parser("segmentation", help="masks against labels, on a data set or a bag"))
    action = tasks.add_parser("action", help="action labels on a set of clips")
    evaluate_action.add_arguments(action)
    compare = tasks.add_parser("compare", help="what changed between two results of `evaluate segmentation`")
    compare.add_argument("first", type=Path, metavar="A.json")
    compare.add_argument("second", type=Path, metavar="B.json")
    add_json_argument(compare)


def _segmentation(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--dataset",
        choices=LABELLED,
        help="with --root and --split",
    )
    source.add_argument("--bag", type=Path, help="a rosbag with images, events and ground-truth masks, read offline")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the data set's folder")
    parser.add_argument("--split", help="a split by name, SPLIT-SEQUENCE (one left out), or one sequence")
    parser.add_argument(
        "--labels", type=Path, metavar="DIR", help="folder of pseudo-label PNGs (MVSEC has none itself)"
    )
    parser.add_argument(
        "--drives", metavar="NAME,…", help="only these of camvid, idd_lite, cityscapes; 0/10: every tenth"
    )
    parser.add_argument(
        "--classes",
        choices=("own", "shared"),
        default="own",
        help="shared: masks and labels folded to what data sets have in common",
    )
    parser.add_argument(
        "--frames", type=int, default=8, metavar="N", help="frames per sequence; 1: single pictures (%(default)s)"
    )
    parser.add_argument("--gt", default="/ground_truth/mask", metavar="TOPIC", help="labels in the bag (%(default)s)")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="the segmentation node's parameter file, for --bag (its defaults)"
    )
    parser.add_argument(
        "--registration",
        choices=("identity", "resize", "homography", "camera_info"),
        help="how the bag's events get into the image frame, instead of the parameter file's",
    )
    parser.add_argument("--model", default="halsie_street", help="a name in models/ or a path to a card (%(default)s)")
    parser.add_argument(
        "--inputs",
        choices=("both", "frames", "events", "hold"),
        default="both",
        help="what the model gets; hold = both, then the last mask repeated while frames are missing",
    )
    parser.add_argument(
        "--degrade", default="none", metavar="KIND", help="none, dark, overexposed, blur or blackout:N (%(default)s)"
    )
    parser.add_argument(
        "--no-restoration", action="store_true", help="noisy and blurred frames go to the model as they are"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a self-contained HTML report")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs one task."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if args.task == "action":
        return evaluate_action.run(args)
    if args.task == "compare":
        from halsie_ros.evaluation.compare import compare, lines, read_result

        difference = compare(read_result(args.first), read_result(args.second))
        if args.json != "-":
            print("\n".join(lines(difference)))
        write_json(args.json, difference)
        return 0
    return _run_segmentation(args)


def _stream_settings(args: argparse.Namespace) -> StreamSettings:
    """How the node would step the bag."""
    from halsie_ros.evaluation.offline import StreamSettings

    if not args.bag and (args.params or args.registration):
        raise ParameterError("--params and --registration tell how a bag's stream is stepped: give --bag")
    settings = StreamSettings.load(args.params) if args.params else StreamSettings()
    return replace(settings, registration=args.registration) if args.registration else settings


def _run_segmentation(args: argparse.Namespace) -> int:
    from halsie_ros.evaluation.degradations import Degradation
    from halsie_ros.segmentation.pipeline import SegmentationPipeline

    degradation = Degradation.parse(args.degrade)
    if args.report:
        refuse_unwritable(args.report)
    if args.dataset and (args.root is None or args.split is None):
        raise ParameterError(f"--dataset {args.dataset}: needs --root DIR and --split SPLIT")
    settings = _stream_settings(args)
    pipeline = SegmentationPipeline(args.model, restoration=settings.restoration and not args.no_restoration)
    if args.bag:
        from halsie_ros.evaluation.bag import evaluate_bag

        result, tally = evaluate_bag(
            pipeline,
            args.bag,
            ground_truth=args.gt,
            inputs=args.inputs,
            degradation=degradation,
            settings=settings,
        )
    else:
        from halsie_ros.evaluation.segmentation import evaluate

        result, tally = evaluate(
            pipeline,
            args.dataset,
            args.root,
            args.split,
            inputs=args.inputs,
            degradation=degradation,
            labels=args.labels,
            drives=tuple(args.drives.split(",")) if args.drives else (),
            frames=args.frames,
            folded=args.classes == "shared",
            progress=sys.stderr.isatty(),
        )
    if args.report:
        from halsie_ros.evaluation.report import html

        write_atomically(args.report, html(result, tally.pictures, tally.common.classes).encode())
    if args.json != "-":
        from halsie_ros.evaluation.result import summary

        print("\n".join(summary(result)))
    write_json(args.json, result)
    return 0
