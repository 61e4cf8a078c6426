"""Entry point of the `halsie` command."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from halsie_ros import __version__
from halsie_ros.errors import HalsieError
from halsie_ros.files import refuse_unwritable

VERBS = {
    "demo": "run the real nodes on a generated street (or on a bag) and draw what they publish",
    "evaluate": "measure segmentation or action recognition on a data set or a bag; compare two runs",
    "bag": "build, inspect and replay rosbags",
    "video": "look inside an encoded video: GOPs, motion vectors, residuals, trust",
    "bench": "measure speed against a peer in the same run",
    "models": "list the models and check their files",
}

GRACE_S = 2.0
"""A signal that comes again within this time does not disturb the cleaning up after the first."""


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
    """Runs one verb.

    Returns:
        0 when it worked, 1 when the user's input or the machine's files could not be used, and as shells count it,
        128 + the signal's number, after Ctrl-C, SIGTERM, SIGHUP or when the reader of our output has gone.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words[0] if words and words[0] in VERBS else None
    name = f"halsie {verb}" if verb else "halsie"
    try:
        with _signals(last=arguments is None):
            try:
                args = build_parser(verb).parse_args(words)
                if args.json not in (None, "-"):
                    refuse_unwritable(args.json)
                return importlib.import_module(f"halsie_ros.cli.{args.verb}").run(args) or 0
            finally:
                if sys.stdout is not None:  # closed (>&-)
                    sys.stdout.flush()  # here, and not at the interpreter's end, where a failure is no longer ours
    except HalsieError as error:
        _say(f"{name}: {error}")
        return 1
    except KeyboardInterrupt as interrupt:
        return 128 + (interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT)
    except BrokenPipeError:
        _abandon_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        _abandon_output()
        place, reason = error.filename or "standard output", error.strerror or error
        _say(f"{name}: {place} cannot be used ({reason}): check that place, its room and permissions")
        return 1


class Ended(KeyboardInterrupt):
    """A signal has come: whatever Ctrl-C cleans up is cleaned up for SIGTERM and SIGHUP, too."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def _signals(last: bool) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise `Ended` in the main thread, unless somebody else has them (nohup, a job).

    One that comes again soon is left alone: the first is still being cleaned up after. With `last` they are ignored
    from then on, for the interpreter's end would print about them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    since_s = -GRACE_S

    def end(number: int, frame: object) -> None:
        nonlocal since_s
        if time.monotonic() - since_s >= GRACE_S:
            since_s = time.monotonic()
            raise Ended(number)

    usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
    usual |= {signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    ours = [number for number, handler in usual.items() if signal.getsignal(number) is handler]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is end:  # a node that ran here keeps its own
                signal.signal(number, signal.SIG_IGN if last and since_s > 0 else usual[number])


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # standard error may be gone, too
        print(line, file=sys.stderr, flush=True)


def _abandon_output() -> None:
    """Points standard output to nowhere, so that the interpreter's last flush does not fail once more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
