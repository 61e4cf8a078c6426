"""`halsie models [check|warm]`: what models are here, whether their files are whole; compiling all that they need."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.errors import HalsieError, ModelError
from halsie_ros.files import write_json
from halsie_ros.inference.cards import ModelCard, model_folders
from halsie_ros.inference.session import open_session
from halsie_ros.kernels import cache_folder, counting_compilation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the verb's arguments."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "check", "warm"),
        default="list",
        help="check: open every graph; warm: compile every kernel, so that no node has to when it starts",
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a line per model; with `check` and `warm`, 1 where a model cannot be used."""
    if args.action == "warm":
        return _warm(args)
    rows = _missing_folders() + [_row(path, check=args.action == "check") for path in _known().values()]
    if args.json != "-":
        for row in rows:
            print(f"{row['name']:20s} {row['text']}")
        if not rows:
            print("no models here: set HALSIE_MODELS to their folder")
    write_json(args.json, [{key: value for key, value in row.items() if key != "text"} for row in rows])
    return int(args.action == "check" and (not rows or any(row["error"] for row in rows)))


def _warm(args: argparse.Namespace) -> int:
    """Runs every model once on a handful of data: what is compiled by it stays in the user's cache folder."""
    # Here, since the list needs neither.
    from halsie_ros.action.pipeline import ActionPipeline
    from halsie_ros.segmentation.pipeline import SegmentationPipeline

    rows = []
    for name, path in _known().items():
        start_s, error = time.monotonic(), None
        with counting_compilation() as kernels:
            try:
                card = ModelCard.load(path)
                pipeline = ActionPipeline(card) if card.task == "action" else SegmentationPipeline(card)
                pipeline.warm_up()
            except HalsieError as problem:
                error = str(problem)
        compiled, seconds = kernels.compiled, time.monotonic() - start_s
        rows.append({"name": name, "path": path, "error": error, "compiled": compiled, "seconds": round(seconds, 2)})
        if args.json != "-":
            print(f"{name:20s} {error or f'ready: {compiled} kernels compiled in {seconds:.1f} s'}", flush=True)
    if args.json != "-":
        print(f"kernels lie in {cache_folder(os.environ)}" if rows else "no models here: set HALSIE_MODELS")
    write_json(args.json, rows)
    return int(not rows or any(row["error"] for row in rows))


def _known() -> dict[str, Path]:
    """The card of every model, by name; the first folder wins, as in `find_model`."""
    known: dict[str, Path] = {}
    for folder in model_folders():
        for path in sorted(folder.glob("*.yaml")):
            known.setdefault(path.stem, path)
    return known


def _missing_folders() -> list[dict[str, Any]]:
    """A row for each part of HALSIE_MODELS that is no folder: what it should hold would be looked for in vain."""
    rows = []
    for part in filter(None, os.environ.get("HALSIE_MODELS", "").split(os.pathsep)):
        if not os.access(part, os.R_OK | os.X_OK) or not Path(part).is_dir():
            error = f"HALSIE_MODELS names {part}, which is no folder that can be read: mend or unset it"
            rows.append({"name": "HALSIE_MODELS", "path": part, "error": error, "text": f"MISSING {error}"})
    return rows


def _row(path: Any, *, check: bool) -> dict[str, Any]:
    """One model as JSON has it, and its line of text."""
    try:
        card = ModelCard.load(path)
        if check:
            card.verify()
            for file in card.graphs.values():
                open_session(file)
        size_mb = card.size_bytes / 1e6
    except (ModelError, OSError) as error:
        return {"name": path.stem, "path": path, "error": str(error), "text": f"DAMAGED {error}"}
    use = "" if card.commercial_use else ", no commercial use"
    text = f"{card.task}, {len(card.classes)} classes, {size_mb:.1f} MB, {card.licence}{use}"
    return {
        "name": card.name,
        "path": path,
        "error": None,
        "task": card.task,
        "classes": list(card.classes),
        "inputs": list(card.inputs),
        "megabytes": round(size_mb, 2),
        "licence": card.licence,
        "commercial_use": card.commercial_use,
        "data": card.data,
        "recipe": card.recipe,
        "measured": card.measured,
        "text": ("whole: " if check else "") + text,
    }
