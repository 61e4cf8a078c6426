"""The node `evaluate`: listens to pictures, masks, labels and diagnostics of a running graph, and writes the report.

It ends by itself when nothing has come for `silence_s` after the first mask, or at a signal.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from halsie_ros.classes import CLASS_SETS
from halsie_ros.errors import CodecError, HalsieError, ParameterError
from halsie_ros.evaluation.live import LiveScore
from halsie_ros.evaluation.pairing import class_set_of_info
from halsie_ros.evaluation.report import html
from halsie_ros.evaluation.result import class_set_of, summary
from halsie_ros.files import write_atomically, write_json
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.nodes import qos
from halsie_ros.nodes.parameters import Parameter, Parameters
from halsie_ros.nodes.runtime import spin_node
from halsie_ros.nodes.topics import DiscoveredSubscription, message_class
from halsie_ros.pictures.image_message import ImageConverter
from halsie_ros.wire.stamps import stamp_to_ns

PARAMETERS = (
    Parameter("model", "halsie_street", "The model that the segmentation node runs: a name or a card.", read_only=True),
    Parameter("report", "evaluation.html", "Report to write; empty: none.", read_only=True),
    Parameter("json", "", "Result to write as JSON; empty: none.", read_only=True),
    Parameter(
        "sent", "", "Sending times that `replay` writes, for latency from the sender; empty: none.", read_only=True
    ),
    Parameter("name", "live", "What is evaluated, for the report: the bag's name.", read_only=True),
    Parameter(
        "silence_s", 5.0, "Ends after such a silence behind the first mask; 0: only at a signal.", low=0.0, high=3600.0
    ),
)
_DEPTH = 20


class Evaluate(Node):
    """Collects until it ends, then writes.

    Raises:
        HalsieError: a bad parameter or model.
    """

    def __init__(self) -> None:
        super().__init__("evaluate")
        self._started_ns = time.monotonic_ns()
        self._settings = Parameters(self, PARAMETERS)
        self._card = ModelCard.load(find_model(self._settings["model"]))
        self._converter = ImageConverter()
        self._classes = class_set_of(self._card.classes)
        self._score: LiveScore | None = None
        self._last_s: float | None = None
        self.failure: HalsieError | None = None
        images = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
        self._images = DiscoveredSubscription(self, "image", images, _DEPTH, self._image, raw=False)
        deep = QoSProfile(depth=_DEPTH)
        self.create_subscription(Image, "segmentation/mask", self._mask, deep)
        self.create_subscription(Image, "ground_truth/mask", self._label, deep)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 100)
        info = message_class("vision_msgs/msg/LabelInfo")
        if info is not None:
            self.create_subscription(info, "ground_truth/label_info", self._label_info, qos.latched_qos())
        self.create_timer(0.5, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _scoring(self) -> LiveScore:
        """Made with the first message that counts: by then a latched LabelInfo has said what labels mean."""
        if self._score is None:
            if self._classes is None:
                raise ParameterError(f"{self._card.name}: its classes are none of {', '.join(CLASS_SETS)}")
            self._score = LiveScore(self._card, self._classes)
        return self._score

    def _image(self, _: str, message: Any) -> None:
        now_ns = time.monotonic_ns()
        picture = self._pixels("image", message)
        if picture is not None:
            self._scoring().image(stamp_to_ns(message.header.stamp), now_ns, picture)

    def _mask(self, message: Image) -> None:
        now_ns = time.monotonic_ns()
        mask = self._pixels("segmentation/mask", message)
        if mask is not None:
            self._scoring().mask(stamp_to_ns(message.header.stamp), now_ns, mask.copy())
            self._last_s = time.monotonic()

    def _label(self, message: Image) -> None:
        label = self._pixels("ground_truth/mask", message)
        if label is not None:
            self._scoring().label(stamp_to_ns(message.header.stamp), label.copy())

    def _pixels(self, topic: str, message: Any) -> np.ndarray | None:
        """The picture of a message; one that is none is counted and passed over."""
        try:
            return self._converter.convert(message)
        except CodecError as error:
            self._scoring().lost(f"bad messages on {topic}")
            self.get_logger().warning(f"{topic}: {error}", throttle_duration_sec=5.0)
            return None

    def _label_info(self, message: Any) -> None:
        try:
            self._classes = class_set_of_info(message.class_map, CLASS_SETS)
        except HalsieError as error:
            self._end(error)

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node, _, part = status.name.rpartition(": ")
            if node.rpartition("/")[2] in ("segmentation", "perception") and part in (
                "image",
                "events",
                "segmentation",
            ):
                self._scoring().status(part, {pair.key: pair.value for pair in status.values})

    def _look(self) -> None:
        silence_s = self._settings["silence_s"]
        if silence_s and self._last_s is not None and time.monotonic() - self._last_s > silence_s:
            self._end(None)

    def _end(self, failure: HalsieError | None) -> None:
        self.failure = self.failure or failure
        rclpy.try_shutdown()

    def write(self) -> None:
        """Writes report and JSON and prints the summary; raises HalsieError where nothing was scored."""
        settings = self._settings
        about = {
            "dataset": "bag",
            "split": settings["name"],
            "inputs": "both",
            "degrade": "none",
            "protocol": "live graph, as the robot would have got it",
        }
        if self._score is None:
            raise ParameterError("no picture, mask or label arrived: are the topics remapped, does the bag play?")
        result = self._score.result(about, _sent(settings["sent"], self._started_ns))
        if settings["report"]:
            tally = self._score.tally
            page = html(result, tally.pictures, tally.common.classes)
            write_atomically(Path(settings["report"]), page.encode())
        write_json(settings["json"] or None, result)
        print("\n".join(summary(result)), flush=True)


def _sent(path: str, since_ns: int) -> dict[int, int] | None:
    """Sending times by stamp, as `replay` writes them at its end; None where there is no such file.

    Times before the steady time `since_ns` are an earlier replay's and left out.
    """
    if not path or not Path(path).is_file():
        return None
    times = json.loads(Path(path).read_text()).items()
    return {int(stamp): int(sent_ns) for stamp, sent_ns in times if int(sent_ns) >= since_ns}


def main() -> int:
    """Entry point: 0 when a report was written."""
    made: list[Evaluate] = []

    def create() -> Evaluate:
        made.append(Evaluate())
        return made[0]

    code = spin_node(create)
    if code or not made:
        return code
    try:
        if made[0].failure is not None:
            raise made[0].failure
        made[0].write()
    except HalsieError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
