"""Work that processes and machines share out among themselves, and the manifest that says it is whole.

Each process does every N-th piece from its own rank on. Whatever is there already is kept, so that a machine that was
lost is made good by starting the same command again, with as many processes as one likes. The process that finds
nothing left to do, its own or another's, writes the manifest; training refuses a folder whose manifest is missing, or
names a file that is gone or cut.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from halsie_ros.files import write_atomically
from training.core.command import TrainingError

MANIFEST = "manifest.json"
UNDER_WAY = "manifest.under_way"
"""Is there from the first process's start until the manifest is."""
_ENVIRONMENTS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))


def share_of(text: str) -> tuple[int, int]:
    """First piece and stride of "i/n".

    Raises:
        argparse.ArgumentTypeError: it is no share.
    """
    first, _, stride = text.partition("/")
    if not (first.isdecimal() and stride.isdecimal() and int(first) < int(stride)):
        raise argparse.ArgumentTypeError(f"{text} is no share: give i/n with i from 0 to n - 1, e.g. 0/4")
    return int(first), int(stride)


def own_share(environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """This process's rank and the number of processes, as torchrun or SLURM say; 0 and 1 without either.

    Raises:
        TrainingError: they say something that cannot be.
    """
    given = os.environ if environment is None else environment
    for rank, world in _ENVIRONMENTS:
        if rank in given and world in given:
            try:
                return share_of(f"{given[rank]}/{given[world]}")
            except argparse.ArgumentTypeError as error:
                raise TrainingError(f"{rank} and {world}: {error}") from error
    return 0, 1


def add_share_argument(parser: argparse.ArgumentParser, *names: str) -> None:
    """Adds `--share I/N`; `None` stands for :func:`own_share`."""
    parser.add_argument(
        *(names or ("--share",)), dest="share", type=share_of, metavar="I/N",
        help="do every N-th piece from the I-th (0 …) on; by default as torchrun's or SLURM's environment says",
    )  # fmt: skip


def begin(folder: Path) -> None:
    """Marks a folder as being filled."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).exists():
        (folder / UNDER_WAY).touch()


def finish(folder: Path, files: list[str], failed: dict[str, str], about: dict[str, Any]) -> int:
    """Writes the manifest where all is there; gives how many pieces are still to come from other processes.

    Args:
        folder: that is filled.
        files: all that should be there, by path from the folder.
        failed: those of them that cannot be made, with causes.
        about: what else to say, such as the form.
    """
    sizes, left = {}, 0
    for name in files:
        path = folder / name
        if path.is_file():
            sizes[name] = path.stat().st_size
        elif name not in failed:
            left += 1
    if not left:
        failed = {name: cause for name, cause in failed.items() if name not in sizes}
        content = {**about, "files": sizes, "failed": failed}
        write_atomically(folder / MANIFEST, json.dumps(content, indent=1).encode())
        (folder / UNDER_WAY).unlink(missing_ok=True)
    return left


def check(folder: Path) -> None:
    """Makes sure that a folder that was filled by shares is whole; one that has no manifest and needs none passes.

    Raises:
        TrainingError: it is still being filled, or files of the manifest are gone or have another size.
    """
    if (folder / UNDER_WAY).exists() and not (folder / MANIFEST).exists():
        raise TrainingError(f"{folder}: is not whole: run the command that fills it again, it goes on where it stopped")
    if not (folder / MANIFEST).exists():
        return
    with (folder / MANIFEST).open(encoding="utf-8") as file:
        files: dict[str, int] = json.load(file)["files"]
    wrong = [name for name, size in files.items() if not _has_size(folder / name, size)]
    if wrong:
        raise TrainingError(
            f"{folder}: {len(wrong)} of {len(files)} files of {MANIFEST} are gone or cut, such as {wrong[0]}: "
            f"delete {MANIFEST} and those, and fill the folder again"
        )


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
