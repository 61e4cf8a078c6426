"""How every executable of the package starts, spins and ends.

The main thread only waits for a signal; callbacks run in one thread of their own. Python delivers signals to the
main thread, and never inside rclpy's wait, so a signal ends the process at once and no callback is cut in the middle.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from halsie_ros.errors import HalsieError, ParameterError
from halsie_ros.nodes.logs import ensure_log_folder

_POLL_S = 0.02
_PATIENCE_S = 1.0
"""What a start may still take after a signal; launch sends the next one after five seconds."""
_PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


class _Stop:
    """Turns SIGINT and SIGTERM into one event. It raises nothing: it may be called inside a foreign callback."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self, number: int, frame: object) -> None:
        self.event.set()

    def listen(self) -> None:
        """Takes over both signals for the rest of the process."""
        signal.signal(signal.SIGINT, self)
        signal.signal(signal.SIGTERM, self)

    def ignore(self) -> None:
        """A signal that comes again must not kill the interpreter while it winds up (it restores the defaults)."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class _Start:
    """Makes the nodes on a thread of its own: it may load and compile for long, and a signal must end it all the same.

    Attributes:
        nodes: what was made.
        error: why nothing was.
    """

    def __init__(self, create: Callable[[], Node | Sequence[Node]]) -> None:
        self.nodes: list[Node] = []
        self.error: BaseException | None = None
        self._create = create
        self._done = threading.Event()
        threading.Thread(target=self._run, name="start", daemon=True).start()

    def _run(self) -> None:
        try:
            created = self._create()
            self.nodes = [created] if isinstance(created, Node) else list(created)
        except BaseException as error:
            self.error = error
        finally:
            self._done.set()

    def wait(self, stop: threading.Event) -> bool:
        """Waits for the end of the start; False where a signal came and the start goes on and on."""
        while not self._done.wait(_POLL_S):
            if stop.is_set():
                return self._done.wait(_PATIENCE_S)
        return True


def share_path(relative: str) -> Path | None:
    """A file that the package ships (``config/fastdds.xml``): in the checkout, else under share/; None if nowhere."""
    roots = [Path(__file__).resolve().parents[2], Path(sys.prefix) / "share" / "halsie_ros"]
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            roots.append(Path(prefix) / "share" / "halsie_ros")
    return next((root / relative for root in roots if (root / relative).is_file()), None)


def use_fastdds_profile() -> None:
    """Points Fast DDS to our profile, unless the user has one; must come before ``rclpy.init``."""
    profile = share_path("config/fastdds.xml")
    if profile and not any(os.environ.get(name) for name in _PROFILE_VARIABLES):
        for name in _PROFILE_VARIABLES:
            os.environ[name] = str(profile)


def spin_node(
    create: Callable[[], Node | Sequence[Node]], arguments: Sequence[str] | None = None, name: str | None = None
) -> int:
    """Runs one node, or several in one process, until SIGINT or SIGTERM.

    Args:
        create: makes the node(s); called after ``rclpy.init``. Raises `HalsieError` when it cannot start.
        arguments: the command line, ``sys.argv`` when None.
        name: begins the line of an error; the executable's name when None.

    Returns:
        The exit code: 0 after a signal (also one that is sent twice, or during the start), 1 after a one-line
        error at start, 2 after an unexpected error in a callback (which is shown in full).
    """
    stop = _Stop()
    nodes: list[Node] = []
    executor: SingleThreadedExecutor | None = None
    thread: threading.Thread | None = None
    code = 0
    try:
        stop.listen()
        use_fastdds_profile()
        _init(arguments)
        start = _Start(create)
        if not start.wait(stop.event):
            os._exit(0)  # in the middle of a compilation, say; no node has been heard of yet
        if start.error is not None:
            raise start.error
        nodes = start.nodes
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        failures: list[BaseException] = []
        thread = threading.Thread(target=_spin, args=(executor, stop.event, failures), name="callbacks", daemon=True)
        thread.start()
        stop.event.wait()
        if failures:
            sys.excepthook(type(failures[0]), failures[0], failures[0].__traceback__)
            code = 2
    except HalsieError as error:
        print(f"{name or Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        code = 1
    stop.event.set()
    stop.ignore()
    if executor is not None:
        executor.shutdown(timeout_sec=0.5)
    if thread is not None and thread.ident:
        thread.join(timeout=1.0)
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()
    return code


def _init(arguments: Sequence[str] | None) -> None:
    given = sys.argv if arguments is None else arguments
    try:
        rclpy.init(args=[*given, *ensure_log_folder(os.environ)], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's own errors have several bases and several lines
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ParameterError(f"the ROS arguments cannot be used: {reason}") from error


def _spin(executor: SingleThreadedExecutor, stop: threading.Event, failures: list[BaseException]) -> None:
    try:
        while not stop.is_set():
            executor.spin_once()
    except ExternalShutdownException:
        pass
    except BaseException as error:
        # A node that ends ROS itself (a replay at its end) may do so in the middle of the executor's wait.
        if not stop.is_set() and rclpy.ok():
            failures.append(error)
    finally:
        stop.set()
