"""Entry point of the `halsie` command."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from halsie_ros import __version__
from halsie_ros.cli.output import refuse_unwritable
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
    """Runs one verb.

    Returns:
        0 when it worked, 1 when the user's input or the machine's files could not be used, and as shells count it,
        128 + the signal's number, after Ctrl-C, SIGTERM, SIGHUP or when the reader of our output has gone.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words[0] if words and words[0] in VERBS else None
    name = f"halsie {verb}" if verb else "halsie"
    try:
        with _signals():
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
        if arguments is None:  # one more Ctrl-C must not find the interpreter at its end
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return 128 + (interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT)
    except BrokenPipeError:
        _abandon_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        thing = "standard output" if error.filename is None else error.filename
        _abandon_output()
        _say(f"{name}: {thing} cannot be used ({error.strerror or error}): check that place, its room and permissions")
        return 1


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP has come: what Ctrl-C would clean up is cleaned up, too."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `Ended` in the main thread, unless somebody else has them (nohup ignores SIGHUP)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise Ended(number)

    ours = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # standard error may be gone, too
        print(line, file=sys.stderr, flush=True)


def _abandon_output() -> None:
    """Points standard output to nowhere, so that the interpreter's last flush does not fail once more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
