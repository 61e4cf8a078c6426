"""A CameraInfo topic as a calibration."""

from __future__ import annotations

from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import CameraInfo

from halsie_ros.errors import HalsieError
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.nodes import qos

_POLL_S = 0.2


class CalibrationInput:
    """Hears `camera_info` or `event_camera_info` and gives what changes to the alignment.

    A calibration that was published once, before we came, is kept for those who ask for kept messages; one that comes
    with every picture is not offered to them. What the publishers offer is asked for.

    Args:
        node: the subscriber.
        name: of the topic, which also says whose calibration it is.
        alignment: who needs it.
    """

    def __init__(self, node: Node, name: str, alignment: Alignment) -> None:
        self._node = node
        self._name = name
        self._alignment = alignment
        self._topic = node.resolve_topic_name(name)
        self._kept = False
        self._subscription: Any = None
        self._subscribe()
        self._timer = node.create_timer(_POLL_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def stop(self) -> None:
        """Ends the subscription."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _look(self) -> None:
        offered = {info.qos_profile.durability for info in self._node.get_publishers_info_by_topic(self._topic)}
        kept = offered == {DurabilityPolicy.TRANSIENT_LOCAL}
        if offered and kept != self._kept:
            self._kept = kept
            self._subscribe()

    def _subscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        profile = qos.latched_qos() if self._kept else qos.input_qos(1)
        self._subscription = self._node.create_subscription(CameraInfo, self._name, self._take, profile)

    def _take(self, message: CameraInfo) -> None:
        try:
            self._alignment.hear(self._name, message)
        except HalsieError as error:
            self._node.get_logger().error(f"{self._topic}: {error}")
