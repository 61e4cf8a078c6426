"""Arguments that every verb of the command shares."""

from __future__ import annotations

import argparse


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--json FILE` (`-` = standard output)."""
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON to FILE (- = standard output)")
