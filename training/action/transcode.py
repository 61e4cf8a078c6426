"""Turns a data set into the working form.

    python -m training.action.transcode SRC DST [--codec mpeg4|h264] [--jobs 4]
    torchrun --nnodes 3 --nproc-per-node 8 --rdzv-endpoint HOST:29400 -m training.action.transcode SRC DST
    srun -N 3 --ntasks-per-node 8 python -m training.action.transcode SRC DST

Every video under SRC becomes DST/<same path>.mp4: 340x256, one I-frame in 12 frames, no B-frames, no sound; lists
(.txt, .csv, .json) are copied, so that DST is a root of its own. Resumable: what is there is kept, files appear whole
or not at all. Processes of torchrun or SLURM, on one machine or many, share the work (or by hand: `--share 0/3`); a
machine that was lost is made good by running the command again. `manifest.json` in DST says that all is there, and what
failed; training checks it (:mod:`training.core.shares`). The source is never written to.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from halsie_ros.datasets.actions.video_sets import SUFFIXES
from halsie_ros.errors import DatasetError
from training.core.command import command, setting_up
from training.core.shares import add_share_argument, begin, finish, own_share

ENCODERS = {"mpeg4": "mpeg4", "h264": "libx264"}
_LISTS = (".txt", ".csv", ".json")


@dataclass(frozen=True)
class Form:
    """The working form.

    Attributes:
        codec: "mpeg4" (part 2) or "h264".
        width, height: pixels; the picture is squeezed to them.
        gop: frames from one I-frame to the next.
        quality: qscale for MPEG-4 (2 to 31), crf for H.264 (0 to 51); lower is better.
    """

    codec: str = "mpeg4"
    width: int = 340
    height: int = 256
    gop: int = 12
    quality: int = 4

    def __post_init__(self) -> None:
        if self.codec not in ENCODERS:
            raise DatasetError(f"codec is {self.codec!r}: choose one of {', '.join(ENCODERS)}")
        if min(self.width, self.height, self.gop) < 2 or self.width % 2 or self.height % 2:
            raise DatasetError(f"size {self.width}x{self.height}, gop {self.gop}: sizes must be even, all at least 2")


def jobs_of(source: Path, target: Path, shard: int = 0, shards: int = 1) -> Iterator[tuple[Path, Path]]:
    """(video, its copy) of one shard, in a fixed order; existing copies included.

    Raises:
        DatasetError: the source is missing, the target lies within it (or the other way round), or two videos of
            different containers would become one file.
    """
    source, target = source.resolve(), target.resolve()
    if not source.is_dir():
        raise DatasetError(f"{source}: no such folder: give a data set's root")
    if target == source or source in target.parents or target in source.parents:
        raise DatasetError(f"{target}: must lie apart from the source {source}: the source is never written to")
    if not 0 <= shard < shards:
        raise DatasetError(f"shard {shard}/{shards}: the first number must be from 0 to {shards - 1}")
    videos = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    copies: dict[Path, Path] = {}
    for path in videos:
        copy = target / path.relative_to(source).with_suffix(".mp4")
        if copy in copies:
            raise DatasetError(f"{path} and {copies[copy]} would both become {copy}: keep one of them")
        copies[copy] = path
    for number, (copy, path) in enumerate(copies.items()):
        if number % shards == shard:
            yield path, copy


def transcode(source: Path, target: Path, form: Form) -> int:
    """Writes one clip in the working form; returns its number of frames.

    Raises:
        DatasetError: the clip cannot be read or holds no picture; nothing is left behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        frames = _transcode(source, part, form)
        if not frames:
            raise DatasetError(f"{source}: holds no picture: remove it from the lists")
        part.replace(target)
    except (FFmpegError, OSError, ValueError) as error:
        raise DatasetError(f"{source}: cannot be transcoded ({error}): the file is damaged") from error
    finally:
        part.unlink(missing_ok=True)
    return frames


def _transcode(source: Path, part: Path, form: Form) -> int:
    frames = 0
    # Texts in the file may be in any encoding: they are not read.
    with av.open(str(source), metadata_errors="replace") as reader, av.open(str(part), "w", format="mp4") as writer:
        if not reader.streams.video:
            raise DatasetError(f"{source}: holds no video stream: remove it from the lists")
        taken = reader.streams.video[0]
        rate = taken.average_rate or Fraction(30)
        stream: Any = writer.add_stream(ENCODERS[form.codec], rate=Fraction(rate).limit_denominator(65535))
        stream.width, stream.height, stream.pix_fmt = form.width, form.height, "yuv420p"
        context = stream.codec_context
        context.thread_count, context.gop_size, context.max_b_frames = 1, form.gop, 0
        if form.codec == "h264":
            stream.options = {
                "crf": str(form.quality),
                "bf": "0",
                "sc_threshold": "0",
                "keyint_min": str(form.gop),
                "refs": "1",
            }
        else:
            context.qmin = context.qmax = form.quality
            context.bit_rate = 10_000_000  # an upper end; qmin and qmax decide
            stream.options = {"sc_threshold": "1000000000"}  # no I-frames at cuts
        for frame in reader.decode(taken):
            small = _upright(frame, form)
            small.pts, small.time_base = frames, 1 / Fraction(stream.rate if hasattr(stream, "rate") else rate)
            small.pict_type = 0
            writer.mux(stream.encode(small))
            frames += 1
        writer.mux(stream.encode(None))
    return frames


def _upright(frame: av.VideoFrame, form: Form) -> av.VideoFrame:
    """A picture in the working form's size, turned as the file says (telephones store portraits lying)."""
    turns = int(frame.rotation) // 90 % 4 if frame.rotation % 90 == 0 else 0
    if not turns:
        return frame.reformat(form.width, form.height, "yuv420p", interpolation="AREA", threads=1)
    width, height = (form.height, form.width) if turns % 2 else (form.width, form.height)
    lying = frame.reformat(width, height, "rgb24", interpolation="AREA", threads=1).to_ndarray()
    upright = np.ascontiguousarray(np.rot90(lying, turns), np.uint8)
    return av.VideoFrame.from_ndarray(upright, format="rgb24").reformat(format="yuv420p")


def run(
    source: Path, target: Path, form: Form, *, jobs: int = 1, shard: int = 0, shards: int = 1
) -> tuple[int, int, list[str]]:
    """Transcodes a shard; gives how many were made, were there already, and what failed (one line each)."""
    wanted = list(jobs_of(source, target, shard, shards))
    source, target = source.resolve(), target.resolve()
    begin(target)
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        if path.suffix.lower() in _LISTS and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    todo = [(path, copy) for path, copy in wanted if not copy.exists()]
    failed = []
    with ProcessPoolExecutor(jobs) as pool:
        futures = {pool.submit(transcode, path, copy, form): copy for path, copy in todo}
        for done, future in enumerate(as_completed(futures), 1):
            note = _note(futures[future])
            try:
                future.result()
                note.unlink(missing_ok=True)
            except DatasetError as error:
                failed.append(str(error))
                note.write_text(str(error), encoding="utf-8")
            if sys.stderr.isatty() or done == len(todo) or done % 100 == 0:
                print(f"\r{done}/{len(todo)}, {len(failed)} failed", end="", file=sys.stderr, flush=True)
    return len(todo) - len(failed), len(wanted) - len(todo), failed


def _note(copy: Path) -> Path:
    """Where it is said why a copy could not be made, for the other processes."""
    return copy.with_name(copy.name + ".failed")


def finished(source: Path, target: Path, form: Form) -> int:
    """Writes the manifest where every process is through; gives how many clips are still to come from others."""
    target = target.resolve()
    copies = [copy for _, copy in jobs_of(source, target)]
    failed = {
        str(copy.relative_to(target)): note.read_text(encoding="utf-8")
        for copy in copies
        if (note := _note(copy)).exists()
    }
    left = finish(target, [str(copy.relative_to(target)) for copy in copies], failed, {"form": asdict(form)})
    if not left:
        for copy in copies:
            _note(copy).unlink(missing_ok=True)
    return left


@command
def main(arguments: list[str] | None = None) -> int:
    """Transcodes this process's share; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--codec", choices=ENCODERS, default="mpeg4")
    parser.add_argument("--size", default="340x256", help="WIDTHxHEIGHT (%(default)s)")
    parser.add_argument("--gop", type=int, default=12)
    parser.add_argument("--quality", type=int, help="qscale (mpeg4, default 4) or crf (h264, default 23)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    add_share_argument(parser, "--share", "--shard")
    args = parser.parse_args(arguments)
    with setting_up():
        width, height = (int(part) for part in args.size.split("x"))
        first, stride = args.share or own_share()
        quality = args.quality if args.quality is not None else {"mpeg4": 4, "h264": 23}[args.codec]
        form = Form(args.codec, width, height, args.gop, quality)
    made, kept, failed = run(args.source, args.target, form, jobs=args.jobs, shard=first, shards=stride)
    left = finished(args.source, args.target, form)
    more = f", {left} still to come from other processes" if left else ""
    print(f"{made} transcoded, {kept} were there, {len(failed)} failed{more}")
    for line in failed:
        print(f"  {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
