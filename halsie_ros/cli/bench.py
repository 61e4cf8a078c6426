"""`halsie bench NAME|all`: speed against a peer in the same run."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.files import write_json

NAMES = ("voxel", "events", "segmentation", "nodes", "video", "action")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the verb's arguments."""
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--model", help="model to measure (a name in models/ or a path to a card)")
    parser.add_argument("--with-peers", action="store_true", help="install peers into .venv-peers and measure them too")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="folder with the peers' ONNX graphs")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the cases and prints a row each; each bench module has `cases(args)`, an iterator of rows."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    out = sys.stderr if args.json == "-" else sys.stdout
    print(importlib.import_module("halsie_ros.bench.harness").machine(), file=out, flush=True)
    rows = []
    for name in NAMES if args.name == "all" else (args.name,):
        for row in importlib.import_module(f"halsie_ros.bench.{name}").cases(args):
            rows.append(row)
            against = f"{row.peer} {row.peer_value:.4g}: {row.ratio:.2f}x" if row.ratio is not None else "no peer here"
            line = f"{row.case:44s} {row.ours:10.4g} {row.unit:10s} {against}  {row.note}".rstrip()
            print(line, file=out, flush=True)
    write_json(args.json, [row.as_dict() for row in rows])
    return 0
