"""What the commands of training share: what a person can mend is said in one line, a traceback means a bug."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec

import yaml

from halsie_ros.errors import HalsieError

P = ParamSpec("P")


class TrainingError(HalsieError):
    """A recipe, file or folder does not allow what is asked."""


@contextmanager
def setting_up() -> Iterator[None]:
    """While recipes, data and checkpoints are opened: a refused value or a file that cannot be read is theirs.

    Raises:
        TrainingError: in place of ValueError, OSError and YAMLError.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    except (ValueError, yaml.YAMLError) as error:
        raise TrainingError(str(error)) from error


def command(main: Callable[P, int]) -> Callable[P, int]:
    """A command that prints a HalsieError as ``error: …`` on stderr, in one line, and gives 1."""

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except HalsieError as error:
            print("error:", *str(error).split(), file=sys.stderr)
            return 1

    return run
