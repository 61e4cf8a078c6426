"""What the package's lifecycle nodes have in common: how they start by themselves, fail in one line, and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from halsie_ros.errors import HalsieError
from halsie_ros.inference.cards import ModelCard
from halsie_ros.nodes import diagnostics
from halsie_ros.nodes.diagnostics import DiagnosticsPublisher
from halsie_ros.nodes.parameters import Parameter, Parameters

AUTOSTART = Parameter(
    "autostart", True, "Configure and activate at once, or wait for a lifecycle manager.", read_only=True
)


class Output(Protocol):
    """A node's output topics."""

    def publish_labels(self) -> None: ...

    def stop(self) -> None: ...


class Stream(Protocol):
    """What runs while a node is active."""

    def retime(self) -> None: ...

    def stop(self) -> None: ...

    def statuses(self) -> list[DiagnosticStatus]: ...


class ManagedNode(LifecycleNode):
    """A lifecycle node with a model, output topics while it is configured, and a stream while it is active.

    Args:
        name: of the node.
        parameters: besides `autostart`.

    Raises:
        HalsieError: with `autostart`, when parameters, model or message packages do not serve.
    """

    def __init__(self, name: str, parameters: Sequence[Parameter]) -> None:
        super().__init__(name)
        self.settings = Parameters(self, (AUTOSTART, *parameters), lambda changed: self._retime())
        self._error: HalsieError | None = None
        self._output: Output | None = None
        self._stream: Stream | None = None
        self._diagnostics: DiagnosticsPublisher | None = None
        self.check_settings()
        if self.settings["autostart"]:
            for trigger in (self.trigger_configure, self.trigger_activate):
                if trigger() != TransitionCallbackReturn.SUCCESS:
                    self.destroy_node()
                    raise self._error or HalsieError(f"{name} could not be started: see the lines above")

    # What a node adds

    def check_settings(self) -> None:
        """Refuses parameters that contradict each other, even before the node is configured."""

    def load(self) -> Output:
        """Loads the model and makes the output topics; raises HalsieError."""
        raise NotImplementedError

    def start_stream(self) -> Stream:
        """Subscribes and starts to work."""
        raise NotImplementedError

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model and makes the output topics."""
        try:
            self._output = self.load()
        except HalsieError as error:
            self._error = error
            if not self.settings["autostart"]:  # otherwise it is the process's last word
                self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._diagnostics = DiagnosticsPublisher(self, self._statuses)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the stream with a fresh state."""
        super().on_activate(state)
        if self._output is not None:
            self._output.publish_labels()
        self._stream = self.start_stream()
        return TransitionCallbackReturn.SUCCESS

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
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup."""
        return self.on_cleanup(state)

    def destroy_node(self) -> None:
        """Ends the worker first: it publishes."""
        self._stop()
        super().destroy_node()

    def name_licence(self, card: ModelCard) -> None:
        """Says once, when it is loaded, that a model is not for commercial use."""
        if not card.commercial_use:
            self.get_logger().warning(f"model {card.name} is not for commercial use: {card.licence}")

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _retime(self) -> None:
        if self._stream is not None:
            self._stream.retime()

    def _statuses(self) -> list[DiagnosticStatus]:
        if self._stream is None:
            return [diagnostics.status(diagnostics.STALE, self.get_name(), "not active", {})]
        return self._stream.statuses()
