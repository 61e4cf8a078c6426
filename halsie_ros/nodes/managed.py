"""What the package's lifecycle nodes have in common: how they start by themselves, fail in one line, and end."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription

from halsie_ros.errors import HalsieError
from halsie_ros.inference.cards import ModelCard
from halsie_ros.nodes import diagnostics
from halsie_ros.nodes.compilation import telling_compilation
from halsie_ros.nodes.diagnostics import DiagnosticsPublisher
from halsie_ros.nodes.parameters import Parameter, Parameters

AUTOSTART = Parameter(
    "autostart", True, "Configure and activate at once, or wait for a lifecycle manager.", read_only=True
)


class Output(Protocol):
    """A node's output topics."""

    def publish_labels(self) -> None:
        """Publishes the names of the classes."""

    def stop(self) -> None:
        """Takes the topics away."""


class Stream(Protocol):
    """What runs while a node is active.

    Attributes:
        topics: what it hears, by full name.
    """

    topics: Sequence[str]

    def retime(self) -> None:
        """Takes changed parameters over."""

    def stop(self) -> None:
        """Ends the work and waits for it."""

    def statuses(self) -> list[DiagnosticStatus]:
        """What the diagnostics are to say."""


class ManagedNode(LifecycleNode):
    """A lifecycle node with a model, output topics while it is configured, and a stream while it is active.

    Args:
        name: of the node.
        parameters: besides `autostart`.
        hold: with `autostart`, configure only; `begin` does the rest.

    Raises:
        HalsieError: with `autostart`, when parameters, model or message packages do not serve.
    """

    def __init__(self, name: str, parameters: Sequence[Parameter], *, hold: bool = False) -> None:
        super().__init__(name)
        self._survive_wrong_transitions()
        self._error: HalsieError | None = None
        self._output: Output | None = None
        self._stream: Stream | None = None
        self._diagnostics: DiagnosticsPublisher | None = None
        self.settings = Parameters(self, (AUTOSTART, *parameters), changed=self._retime, check=self.check_settings)
        self._begin(self.trigger_configure)
        if not hold:
            self.begin()

    def begin(self) -> None:
        """Activates the node, with `autostart`; raises HalsieError where it cannot."""
        self._begin(self.trigger_activate)

    def _begin(self, trigger: Callable[[], TransitionCallbackReturn]) -> None:
        if self.settings["autostart"] and trigger() != TransitionCallbackReturn.SUCCESS:
            self.destroy_node()
            raise self._error or HalsieError(f"{self.get_name()} could not be started: see the lines above")

    # What a node adds

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Refuses parameters that contradict each other, at the start and whenever some change."""

    def load(self) -> Output:
        """Loads the model and makes the output topics; raises HalsieError."""
        raise NotImplementedError

    def start_stream(self) -> Stream:
        """Subscribes and starts to work."""
        raise NotImplementedError

    def unload(self) -> None:
        """Lets go of what `load` has loaded."""

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model and makes the output topics."""
        return self._attempt("configure", state, self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the stream with a fresh state."""
        return self._attempt("activate", state, lambda: self._activate(state))

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the stream."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets the model and the topics go."""
        self._stop()
        for part in (self._diagnostics, self._output):
            if part is not None:
                part.stop()
        self._diagnostics = self._output = None
        self.unload()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup."""
        return self.on_cleanup(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an unforeseen error in a transition: back to the unconfigured state, from where all can begin anew."""
        self.get_logger().error(f"{self.get_name()} is unconfigured again after an error: see the lines above")
        return self.on_cleanup(state)

    def destroy_node(self) -> None:
        """Ends the worker first: it publishes."""
        self._stop()
        super().destroy_node()

    def _survive_wrong_transitions(self) -> None:
        """A transition that the state does not know is refused; rclpy itself would end the process for it."""
        service = next(service for service in self.services if service.srv_type is ChangeState)
        change = service.callback

        def answer(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            try:
                return change(request, response)
            except rclpy_implementation.RCLError as error:
                self.get_logger().error(f"transition {request.transition.id} refused: {error}")
                response.success = False
                return response

        service.callback = answer

    def _configure(self) -> None:
        with telling_compilation(self.get_logger()):
            self._output = self.load()
        self._diagnostics = DiagnosticsPublisher(self, self._statuses)

    def _activate(self, state: LifecycleState) -> None:
        super().on_activate(state)
        if self._output is not None:
            self._output.publish_labels()
        self._stream = self.start_stream()
        self.get_logger().info(f"active, waiting for {' and '.join(self._stream.topics)}")

    def _attempt(self, what: str, state: LifecycleState, step: Callable[[], None]) -> TransitionCallbackReturn:
        """A step of the lifecycle that says why it failed, and then leaves nothing behind.

        What is wrong with parameters, files or topics fails the transition, which may be tried again; an
        unexpected error is shown in full and ends in `on_error`.
        """
        self._error = None
        before = set(self._endpoints())
        try:
            step()
            return TransitionCallbackReturn.SUCCESS
        except HalsieError as error:
            self._error, result = error, TransitionCallbackReturn.FAILURE
            if not self.settings["autostart"]:  # otherwise it is the process's last word
                self.get_logger().error(f"cannot {what}: {error}")
        except Exception as error:
            result = TransitionCallbackReturn.ERROR
            self._error = HalsieError(f"{self.get_name()} cannot {what}: {type(error).__name__}: {error}")
            self.get_logger().error(f"cannot {what}:\n{traceback.format_exc()}")
        self._stop()
        for endpoint in set(self._endpoints()) - before:
            self._destroy(endpoint)
        if what == "configure":
            self._diagnostics = self._output = None
            self.unload()
        else:
            super().on_deactivate(state)
        return result

    def _endpoints(self) -> Iterator[Any]:
        return itertools.chain(self.publishers, self.subscriptions, self.timers)

    def _destroy(self, endpoint: Any) -> None:
        """Takes away whatever a step had made before it failed."""
        if isinstance(endpoint, LifecyclePublisher):
            self.destroy_lifecycle_publisher(endpoint)
        elif isinstance(endpoint, Publisher):
            self.destroy_publisher(endpoint)
        elif isinstance(endpoint, Subscription):
            self.destroy_subscription(endpoint)
        else:
            self.destroy_timer(endpoint)

    def name_licence(self, card: ModelCard, free: str) -> None:
        """Says once, when it is loaded, that a model is not for commercial use, and which parameter selects a free
        one."""
        if not card.commercial_use:
            self.get_logger().warning(
                f"model {card.name} is not for commercial use: {card.licence}; parameter model:={free} is free"
            )

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _retime(self) -> None:
        if self._stream is not None:
            try:
                self._stream.retime()
            except Exception as error:  # rclpy would end the process for it, and the values have been taken
                self.get_logger().error(f"changed parameters cannot be used: {type(error).__name__}: {error}")

    def _statuses(self) -> list[DiagnosticStatus]:
        if self._stream is None:
            return [diagnostics.status(diagnostics.STALE, self.get_name(), "not active", {})]
        return self._stream.statuses()
