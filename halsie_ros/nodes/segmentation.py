"""The lifecycle node `segmentation`: camera images and events in, masks out (DESIGN.md, How data flows)."""

from __future__ import annotations

import sys

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from halsie_ros.errors import HalsieError
from halsie_ros.events import Events
from halsie_ros.events.windows import EventRing
from halsie_ros.nodes import diagnostics, event_input, qos
from halsie_ros.nodes.diagnostics import DiagnosticsPublisher
from halsie_ros.nodes.parameters import Parameter, Parameters
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.segmentation_output import SegmentationOutput
from halsie_ros.nodes.segmentation_stream import SegmentationStream, stream_timing
from halsie_ros.segmentation.alignment import KINDS, Alignment
from halsie_ros.segmentation.pipeline import SegmentationPipeline

PARAMETERS = (
    Parameter("autostart", True, "Configure and activate at once, or wait for a lifecycle manager.", read_only=True),
    Parameter("model", "halsie_scene", "Name of a model, or path of its card (.yaml).", read_only=True),
    Parameter("threads", 1, "Threads of the model's graphs.", low=1, high=64, read_only=True),
    Parameter("mask_rate_hz", 0.0, "Masks per second from events between the frames; 0: none.", low=0.0, high=1000.0),
    Parameter("max_wait_ms", 20.0, "How long a frame waits for its events.", low=0.0, high=1000.0),
    Parameter("timeout_ms", 500.0, "Silence after which a stream counts as lost.", low=1.0, high=60000.0),
    Parameter("registration", "identity", "How events get into the image frame.", choices=KINDS, read_only=True),
    Parameter(
        "homography",
        [],
        "3x3 by rows, event pixels to image pixels; for registration homography.",
        lengths=(0, 9),
        read_only=True,
    ),
    Parameter(
        "rotation",
        [],
        "3x3 by rows, event camera's frame to the camera's; for registration camera_info; none: they look alike.",
        lengths=(0, 9),
        read_only=True,
    ),
    Parameter("undistort", False, "Take the event lens out before the homography (event_camera_info).", read_only=True),
    Parameter("output_reliability", "reliable", "Of the output topics.", choices=qos.RELIABILITIES, read_only=True),
    Parameter("overlay_alpha", 0.5, "Opacity of the classes in segmentation/overlay.", low=0.0, high=1.0),
)


class SegmentationNode(LifecycleNode):
    """Publishes a mask for every image, and between images where asked for.

    Raises:
        HalsieError: with `autostart`, when parameters, model or message packages do not serve.
    """

    def __init__(self) -> None:
        super().__init__("segmentation")
        self._settings = Parameters(self, PARAMETERS, lambda name: self._parameter_changed())
        stream_timing(self._settings)  # what contradicts itself is told at once
        self._error: HalsieError | None = None
        self._pipeline: SegmentationPipeline | None = None
        self._alignment: Alignment | None = None
        self._output: SegmentationOutput | None = None
        self._diagnostics: DiagnosticsPublisher | None = None
        self._stream: SegmentationStream | None = None
        if self._settings["autostart"]:
            for trigger in (self.trigger_configure, self.trigger_activate):
                if trigger() != TransitionCallbackReturn.SUCCESS:
                    self.destroy_node()
                    raise self._error or HalsieError("the node could not be started: see the lines above")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model and makes the output topics."""
        settings = self._settings
        try:
            self._alignment = Alignment(
                settings["registration"], settings["homography"], settings["rotation"], settings["undistort"]
            )
            pipeline = SegmentationPipeline(settings["model"], threads=settings["threads"])
            self._output = SegmentationOutput(self, pipeline.card, settings["output_reliability"])
        except HalsieError as error:
            self._error = error
            if not settings["autostart"]:  # otherwise it is the process's last word
                self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        if not pipeline.card.commercial_use:
            self.get_logger().warning(f"model {pipeline.card.name} is not for commercial use: {pipeline.card.licence}")
        _warm_up(pipeline)
        self._pipeline = pipeline
        self._diagnostics = DiagnosticsPublisher(self, self._statuses)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the stream with a fresh state."""
        assert self._pipeline is not None and self._alignment is not None and self._output is not None
        super().on_activate(state)
        self._output.publish_labels()
        self._stream = SegmentationStream(self, self._pipeline, self._alignment, self._output, self._settings)
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the stream."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets the model and the topics go."""
        self._stop()
        if self._diagnostics is not None:
            self._diagnostics.stop()
        if self._output is not None:
            self._output.stop()
        self._diagnostics = self._output = self._pipeline = None
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup."""
        return self.on_cleanup(state)

    def destroy_node(self) -> None:
        """Ends the worker first: it publishes."""
        self._stop()
        super().destroy_node()

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _parameter_changed(self) -> None:
        if self._stream is not None:
            self._stream.retime()

    def _statuses(self) -> list[DiagnosticStatus]:
        if self._stream is None:
            return [diagnostics.status(diagnostics.STALE, "segmentation", "not active", {})]
        return self._stream.statuses()


def _warm_up(pipeline: SegmentationPipeline) -> None:
    """Compiles or loads every kernel before the first message, so that no frame has to wait for it."""
    event_input.warm_up()
    n = np.arange(4)
    events = Events.of(n, n, n + 1, n % 2)
    ring = EventRing()
    ring.push(events)
    side = pipeline.card.size_multiple
    pipeline.step(np.zeros((side, side, 3), np.uint8), ring.cut(0, 10), None, t0_us=0, t1_us=10)


def main() -> int:
    """Entry point."""
    return spin_node(SegmentationNode)


if __name__ == "__main__":
    sys.exit(main())
