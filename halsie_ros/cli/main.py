"""Entry point of the `halsie` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from halsie_ros import __version__
from halsie_ros.errors import HalsieError

VERBS = {
    "demo": "run the real nodes on a generated street (or on a bag) and draw what they publish",
    "evaluate": "measure segmentation or action recognition on a data set or a bag; compare two runs",
    "bag": "build, inspect and replay rosbags",
    "video": "look inside an encoded video: GOPs, motion vectors, residuals, trust",
    "bench": "measure speed against a peer in the same run",
    "models": "list the models and check their files",
}


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """The argument parser; only the named verb's module is imported, so that start-up stays fast."""
    parser = argparse.ArgumentParser(prog="halsie", description="Segmentation and action recognition for ROS 2 robots.")
    parser.add_argument("--version", action="version", version=f"halsie_ros {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        sub = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == verb:
            importlib.import_module(f"halsie_ros.cli.{name}").add_arguments(sub)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb. Returns 0 when it worked, 1 when the user's input could not be used, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words[0] if words and words[0] in VERBS else None
    args = build_parser(verb).parse_args(words)
    try:
        return importlib.import_module(f"halsie_ros.cli.{args.verb}").run(args) or 0
    except HalsieError as error:
        print(f"halsie {args.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
