"""The node `demo`: writes down what the perception graph publishes, with the time at which each message came.

`halsie demo` starts it beside the real nodes. It listens to the camera topic too, so that it can tell which frames it
saw; the time at which a frame was sent is the replay's to say.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from vision_msgs.msg import Classification, LabelInfo

from halsie_ros.errors import ParameterError
from halsie_ros.files import write_atomically
from halsie_ros.nodes.parameters import Parameter, Parameters
from halsie_ros.nodes.qos import latched_qos
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.wire.stamps import stamp_to_ns

PARAMETERS = (
    Parameter("output", "", "File (.npz) that is written when the node stops.", read_only=True),
    Parameter("progress", "", "File for the number of masks so far, made when somebody publishes.", read_only=True),
)


class Recorder(Node):
    """Keeps every mask, confidence, label, classification and diagnostic status until the node ends."""

    def __init__(self) -> None:
        super().__init__("recorder")
        parameters = Parameters(self, PARAMETERS)
        if not parameters["output"]:
            raise ParameterError("parameter output is empty: name the .npz file to write, e.g. -p output:=run.npz")
        self._output = Path(parameters["output"])
        self._progress = parameters["progress"]
        self._masks: dict[int, tuple[int, str, tuple[int, int], bytes]] = {}
        self._confidence: dict[int, float] = {}
        self._log: dict[str, Any] = {"label_info": {}, "classifications": [], "diagnostics": {}, "repeated_masks": 0}
        reliable = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(Image, "segmentation/mask", self._mask, reliable)
        self.create_subscription(Image, "segmentation/confidence", self._on_confidence, reliable)
        self.create_subscription(LabelInfo, "segmentation/label_info", self._label_info("segmentation"), latched_qos())
        self.create_subscription(LabelInfo, "action/label_info", self._label_info("action"), latched_qos())
        self.create_subscription(Classification, "action/classification", self._classification, reliable)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 100)
        self._look = self.create_timer(0.1, self._announce, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _announce(self) -> None:
        """Says that the outputs are heard: what a node publishes before that would be missed."""
        if self.count_publishers("segmentation/mask") or self.count_publishers("action/classification"):
            self._look.cancel()
            self._write_progress()

    def _write_progress(self) -> None:
        if self._progress:
            write_atomically(Path(self._progress), str(len(self._masks)).encode())

    def _mask(self, message: Image) -> None:
        now_ns, stamp_ns = time.monotonic_ns(), _stamp_ns(message)
        self._log["repeated_masks"] += stamp_ns in self._masks
        shape = (message.height, message.width)
        self._masks[stamp_ns] = (now_ns, message.header.frame_id, shape, zlib.compress(message.data, 1))
        self._write_progress()

    def _on_confidence(self, message: Image) -> None:
        self._confidence[_stamp_ns(message)] = float(np.frombuffer(message.data, np.uint8).mean()) / 255

    def _label_info(self, sense: str) -> Callable[[LabelInfo], None]:
        def keep(message: LabelInfo) -> None:
            self._log["label_info"][sense] = {str(item.class_id): item.class_name for item in message.class_map}

        return keep

    def _classification(self, message: Classification) -> None:
        results = [(item.class_id, item.score) for item in message.results]
        entry = {"stamp_ns": _stamp_ns(message), "arrived_ns": time.monotonic_ns(), "results": results}
        self._log["classifications"].append(entry)

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self._log["diagnostics"][status.name] = {"message": status.message, "values": values}

    def destroy_node(self) -> None:
        """Writes the file, then ends the node."""
        stamps = np.array(sorted(self._masks), np.int64)
        arrays: dict[str, Any] = {
            "stamps_ns": stamps,
            "arrived_ns": np.array([self._masks[stamp][0] for stamp in stamps.tolist()], np.int64),
            "confidence": np.array([self._confidence.get(stamp, np.nan) for stamp in stamps.tolist()]),
        }
        self._log["frame_ids"] = sorted({frame_id for _, frame_id, _, _ in self._masks.values()})
        for stamp, (_, _, shape, packed) in self._masks.items():
            arrays[f"mask_{stamp}"] = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)
        self._output.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._output.with_name(f".{self._output.name}")
        np.savez_compressed(temporary, log=json.dumps(self._log), **arrays)
        temporary.rename(self._output)
        super().destroy_node()


def _stamp_ns(message: Any) -> int:
    return stamp_to_ns(message.header.stamp)


def main() -> int:
    """Entry point."""
    return spin_node(Recorder)


if __name__ == "__main__":
    sys.exit(main())
