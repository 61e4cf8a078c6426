"""The lifecycle node `segmentation`: camera images and events in, masks out (docs/architecture.md, Two journeys)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from halsie_ros.events.clock import SensorClock
from halsie_ros.geometry.alignment import KINDS, Alignment
from halsie_ros.inference.session import PROVIDERS
from halsie_ros.nodes import qos
from halsie_ros.nodes.managed import ManagedNode
from halsie_ros.nodes.parameters import Parameter
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.segmentation_output import SegmentationOutput
from halsie_ros.nodes.segmentation_stream import SegmentationStream, stream_timing
from halsie_ros.segmentation.pipeline import SegmentationPipeline

PARAMETERS = (
    Parameter("model", "halsie_street", "Name of a model, or path of its card (.yaml).", read_only=True),
    Parameter("threads", 1, "Threads of the model's graphs.", low=1, high=64, read_only=True),
    Parameter("provider", "cpu", "Where graphs run, if onnxruntime can.", choices=tuple(PROVIDERS), read_only=True),
    Parameter("mask_rate_hz", 0.0, "Masks per second from events between the frames; 0: none.", low=0.0, high=1000.0),
    Parameter("max_wait_ms", 20.0, "How long a frame waits for its events.", low=0.0, high=1000.0),
    Parameter("timeout_ms", 500.0, "Silence after which a stream counts as lost.", low=1.0, high=60000.0),
    Parameter(
        "event_time",
        "auto",
        "Times of events: auto, their header's stamps (header), or their own as they are (sensor).",
        choices=SensorClock.SOURCES,
        read_only=True,
    ),
    Parameter("event_offset_ms", 0.0, "Added to the events' times, where they lag the images.", low=-1e9, high=1e9),
    Parameter(
        "image_bits",
        0,
        "Bits of samples in 16 (10, 12, 14); 0: learned from the images.",
        low=0,
        high=16,
        read_only=True,
    ),
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
    Parameter("restoration", True, "Restore noisy and blurred frames by events first.", read_only=True),
    Parameter("undistort", False, "Take the event lens out before the homography (event_camera_info).", read_only=True),
    Parameter("output_reliability", "reliable", "Of the output topics.", choices=qos.RELIABILITIES, read_only=True),
    Parameter(
        "work_height",
        0,
        "Rows to which larger images are shrunk for the model; masks keep the image's size; 0: none.",
        low=0,
        high=4320,
        read_only=True,
    ),
    Parameter("least_confidence", 0.0, "Pixels of the mask below it become 255, unknown; 0: none.", low=0.0, high=1.0),
    Parameter("overlay_alpha", 0.5, "Opacity of the classes in segmentation/overlay.", low=0.0, high=1.0),
)


class SegmentationNode(ManagedNode):
    """Publishes a mask for every image, and between images where asked for."""

    _pipeline: SegmentationPipeline
    _alignment: Alignment
    _output: SegmentationOutput

    def __init__(self, *, hold: bool = False) -> None:
        super().__init__("segmentation", PARAMETERS, hold=hold)

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Refuses times that contradict each other."""
        stream_timing(settings)

    def load(self) -> SegmentationOutput:
        """Loads the model and makes the output topics."""
        settings = self.settings
        self._alignment = Alignment(
            settings["registration"], settings["homography"], settings["rotation"], settings["undistort"]
        )
        self._pipeline = SegmentationPipeline(
            settings["model"],
            threads=settings["threads"],
            provider=settings["provider"],
            restoration=settings["restoration"],
        )
        output = SegmentationOutput(self, self._pipeline.card, settings["output_reliability"])
        self.name_licence(self._pipeline.card, "halsie_scene")
        self._pipeline.warm_up()
        return output

    def unload(self) -> None:
        """Frees the model."""
        self.__dict__.pop("_pipeline", None)

    def start_stream(self) -> SegmentationStream:
        """Subscribes and starts the worker."""
        return SegmentationStream(self, self._pipeline, self._alignment, self._output, self.settings)


def main() -> int:
    """Entry point."""
    return spin_node(SegmentationNode)


if __name__ == "__main__":
    sys.exit(main())
