"""`halsie video info|vectors`: what is inside an encoded video, and whether it can be trusted."""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.cli.arguments import add_json_argument
from halsie_ros.errors import VideoError
from halsie_ros.files import refuse_unwritable, write_atomically, write_json
from halsie_ros.video.draw import draw_gop, write_png
from halsie_ros.video.file import VideoFile
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.vectors import as_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="info|vectors", required=True)
    info = actions.add_parser("info", help="codec, GOP structure, references, vectors per frame, trust")
    info.add_argument("file", metavar="FILE", help="a file or URL that FFmpeg reads")
    info.add_argument("--picture", type=Path, metavar="PNG", help="draw a GOP: I-frame, vectors as arrows, residuals")
    info.add_argument("--gop", type=int, default=0, metavar="N", help="the GOP to draw, counted from 0 (default 0)")
    add_json_argument(info)
    vectors = actions.add_parser("vectors", help="write every frame's motion vectors to an npz file")
    vectors.add_argument("file", metavar="FILE", help="a file or URL that FFmpeg reads")
    vectors.add_argument(
        "output",
        type=Path,
        metavar="OUT.npz",
        help="keys 0000, 0001, … in output order: N x 10 int32 (source, w, h, src_x, src_y, dst_x, dst_y, motion_x, "
        "motion_y, motion_scale), I-frames empty",
    )
    add_json_argument(vectors)


def run(args: argparse.Namespace) -> int:
    """Runs `info` or `vectors`."""
    destination = args.picture if args.action == "info" else args.output
    if destination is not None:
        refuse_unwritable(destination)
    return _info(args) if args.action == "info" else _vectors(args)


def _info(args: argparse.Namespace) -> int:
    if args.gop < 0:
        raise VideoError(f"--gop is {args.gop}: GOPs are counted from 0")
    rows: list[dict[str, Any]] = []
    uses: Counter[str] = Counter()
    gop: list[VideoFrame] = []
    with VideoFile(args.file) as video:
        stream = video.new_stream()
        for frame in video.frames(stream):
            rows.append(
                {
                    "pts": frame.pts,
                    "type": frame.type,
                    "trusted": frame.trusted,
                    "reason": frame.reason,
                    "vectors": len(frame.vectors),
                }
            )
            uses[frame.vectors_use] += frame.type == "P"
            if args.picture and frame.gop == args.gop and frame.trusted:
                gop.append(frame)
        info = video.info
        missing = _say_shortfall(video)
    result = {
        "file": args.file,
        "codec": info.codec,
        "width": info.width,
        "height": info.height,
        "pixel_format": info.pixel_format,
        "time_base": str(info.time_base),
        "rate_hz": info.rate_hz,
        "rotation": info.rotation,
        "gop_lengths": _gop_lengths(rows),
        "types": dict(Counter(row["type"] for row in rows)),
        "p_frame_references": _references(uses),
        "vectors_per_frame": float(np.mean([row["vectors"] for row in rows])) if rows else 0.0,
        "shortfall": missing,
        "untrusted": sum(not row["trusted"] for row in rows),
        "counts": dict(stream.counts),
        "notes": stream.notes,
        "frames": rows,
    }
    if args.json != "-":
        _print(result, "".join(row["type"] for row in rows[:48]))
    if args.picture:
        write_png(args.picture, draw_gop(gop))
    write_json(args.json, result)
    return 0


def _say_shortfall(video: VideoFile) -> str:
    """Tells on standard error where a file ends before its time."""
    missing = video.shortfall()
    if missing:
        print(f"halsie video: {video.path} is cut off: {missing} are there", file=sys.stderr)
    return missing


def _gop_lengths(rows: list[dict[str, Any]]) -> list[int]:
    starts = [index for index, row in enumerate(rows) if row["type"] == "I"]
    return [after - start for start, after in zip(starts, [*starts[1:], len(rows)])]


def _references(uses: Counter[str]) -> dict[str, int]:
    """P-frames by what their vectors refer to."""
    return {"one": uses["all"], "several": uses["checked"], "unknown": uses["none"]}


def _print(result: dict[str, Any], pattern: str) -> None:
    lengths = result["gop_lengths"]
    references = result["p_frame_references"]
    print(f"{result['file']}: {result['codec']} {result['width']}x{result['height']} {result['pixel_format']}", end=" ")
    turned = f", turned by {result['rotation']} degrees" if result["rotation"] else ""
    print(f"{result['rate_hz']:.4g} Hz, {len(result['frames'])} frames{turned}")
    if lengths:
        print(f"GOPs: {len(lengths)} of {min(lengths)} to {max(lengths)} frames, {pattern}")
    print("types: " + ", ".join(f"{count} {kind}" for kind, count in sorted(result["types"].items())))
    print(f"P-frames: {references['one']} with one reference picture", end=", ")
    print(f"{references['several']} with several, {references['unknown']} without usable vectors")
    print(f"vectors: {result['vectors_per_frame']:.0f} per frame")
    reasons = Counter(row["reason"].split(":")[0] for row in result["frames"] if row["reason"])
    print(f"untrusted: {result['untrusted']} " + ", ".join(f"{cause} {count}" for cause, count in reasons.items()))
    for line in result["notes"].values():
        print(f"warning: {line}")


def _vectors(args: argparse.Namespace) -> int:
    tables: dict[str, np.ndarray] = {}
    with VideoFile(args.file) as video:
        for frame in video.frames():
            tables[f"{frame.index:04d}"] = as_table(frame.vectors)
        _say_shortfall(video)
    if not tables:
        raise VideoError(f"{args.file} gave no frame: it is empty or damaged")
    packed = io.BytesIO()
    np.savez_compressed(packed, **tables)  # type: ignore[arg-type]
    write_atomically(args.output, packed.getvalue())
    total = sum(len(table) for table in tables.values())
    if args.json != "-":
        print(f"{args.output}: {total} vectors of {len(tables)} frames")
    write_json(args.json, {"output": str(args.output), "frames": len(tables), "vectors": total})
    return 0
