"""Runs the whole recipe of a config: the commands of its card, one after the other.

python -m training.recipe training/configs/halsie_dsec.yaml

Run the same command again after a stop: packed clips stay (recordings are read through again to find what is missing),
trainings go on from their checkpoints (`--resume auto`), what `training.segmentation.teach_motion` wrote stays.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from training.core.command import TrainingError, command, setting_up


def commands(config: Path) -> list[list[str]]:
    """The commands of a config's `card.recipe`, in order.

    Raises:
        TrainingError: there is no recipe, or a command is not one of `training`.
    """
    recipe = ((yaml.safe_load(config.read_text(encoding="utf-8")) or {}).get("card") or {}).get("recipe", "")
    if not recipe:
        raise TrainingError(f"{config}: card has no recipe; run its commands yourself")
    found = chain_of(recipe)
    for words in found:
        if words[:2] != ["python", "-m"] or not words[2:] or not words[2].startswith("training."):
            raise TrainingError(f"{config}: recipe says {shlex.join(words)!r}; give commands python -m training.…")
    return found


def chain_of(recipe: str) -> list[list[str]]:
    """The words of each command of a chain."""
    return [shlex.split(one) for one in recipe.split("&&")]


@command
def main(arguments: list[str] | None = None) -> int:
    """The command; see the module's text. Gives the status of the command that failed, or 0."""
    parser = argparse.ArgumentParser(description="Run every command of a config's recipe, from data to weights.")
    parser.add_argument("config", type=Path)
    args = parser.parse_args(arguments)
    with setting_up():
        chain = commands(args.config)
    for number, words in enumerate(chain, 1):
        print(f"[{number}/{len(chain)}] {shlex.join(words)}", flush=True)
        status = subprocess.run([sys.executable, *words[1:]], check=False).returncode
        if status:
            print(f"stopped with status {status}; the same command goes on from here", file=sys.stderr)
            return status if status > 0 else 128 - status
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
