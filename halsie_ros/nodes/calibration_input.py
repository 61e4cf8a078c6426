"""A CameraInfo topic as a calibration."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from halsie_ros.errors import HalsieError
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.nodes import qos


class CalibrationInput:
    """Hears `camera_info` or `event_camera_info` and gives what changes to the alignment.

    Args:
        node: the subscriber.
        name: of the topic, which also says whose calibration it is.
        alignment: who needs it.
    """

    def __init__(self, node: Node, name: str, alignment: Alignment) -> None:
        self._node = node
        self._name = name
        self._alignment = alignment
        self._subscription = node.create_subscription(CameraInfo, name, self._take, qos.input_qos(1))

    def stop(self) -> None:
        """Ends the subscription."""
        self._node.destroy_subscription(self._subscription)

    def _take(self, message: CameraInfo) -> None:
        try:
            self._alignment.hear(self._name, message)
        except HalsieError as error:
            self._node.get_logger().error(f"{self._subscription.topic_name}: {error}")
