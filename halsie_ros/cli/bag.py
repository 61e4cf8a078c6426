"""`halsie bag build|info|replay`."""

from __future__ import annotations

import argparse
from pathlib import Path

from halsie_ros.bags.builders import KINDS, builder
from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="build|info|replay", required=True)
    build = actions.add_parser("build", help="make a bag from a data set or from the simulated street")
    kinds = build.add_subparsers(dest="kind", metavar="|".join(KINDS), required=True)
    for kind, summary in KINDS.items():
        sub = kinds.add_parser(kind, help=summary, description=summary)
        builder(kind).add_arguments(sub)
        add_json_argument(sub)
    info = actions.add_parser("info", help="topics, rates and what the events of a bag say")
    info.add_argument("bag", type=Path)
    info.add_argument("--partial", action="store_true", help="read cut files up to the cut")
    add_json_argument(info)
    replay = actions.add_parser("replay", help="publish a bag's messages as they were recorded")
    replay.add_argument("bag", type=Path)
    replay.add_argument("--rate", type=float, default=1.0, help="speed, 1.0 = as recorded")
    replay.add_argument("--loop", action="store_true", help="start again at the end, until stopped")
    replay.add_argument("--clock", action="store_true", help="publish /clock from the bag's time")
    replay.add_argument("--wait", default="", metavar="TOPIC,…", help="start when each of these has a subscriber")
    replay.add_argument("--timeout", type=float, default=30.0, metavar="S", help="how long --wait waits")
    replay.add_argument("--sent", default="", metavar="FILE", help="write when each image was sent, as JSON")
    replay.add_argument("--partial", action="store_true", help="replay a cut bag up to the cut")
    add_json_argument(replay)


def run(args: argparse.Namespace) -> int:
    """Runs one of the actions."""
    if args.action == "info":
        from halsie_ros.bags.info import as_text, describe

        content = describe(args.bag, partial=args.partial)
        if args.json != "-":
            print(as_text(content))
        write_json(args.json, content)
        return 0
    if args.action == "build":
        summary = builder(args.kind).build(args)
        if args.json != "-":
            counts = {name: value for name, value in summary.items() if isinstance(value, int) and value}
            print(f"{summary['bag']}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
        write_json(args.json, summary)
        return 0
    return _replay(args)


def _replay(args: argparse.Namespace) -> int:
    from halsie_ros.errors import HalsieError

    try:
        from halsie_ros.nodes.replay import ReplayOptions, replay
    except ImportError as error:
        raise HalsieError(f"replaying needs ROS 2 ({error}): source a ROS install, or use ./halsie") from error
    options = ReplayOptions(
        args.bag, args.rate, args.loop, args.clock, args.wait, args.timeout, args.sent, args.partial
    )
    code, result = replay(options, "halsie bag")
    if args.json != "-" and result.get("published"):
        end = "" if result["complete"] else ", stopped before its end"
        print(
            f"{args.bag}: {sum(result['published'].values())} messages on {len(result['published'])} topics "
            f"in {result['rounds']} {'round' if result['rounds'] == 1 else 'rounds'}, "
            f"at most {result['late_ms_max']:.1f} ms late{end}"
        )
    write_json(args.json, result)
    return code
