"""Calibrations as they are published: once and kept, or with every picture."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from halsie_ros.geometry.alignment import Alignment
from halsie_ros.nodes.calibration_input import CalibrationInput

K = [150.0, 0.0, 80.0, 0.0, 150.0, 60.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("durability", [DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE])
@pytest.mark.parametrize("reliability", [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_a_calibration_is_heard_whether_it_is_kept_or_comes_with_every_picture(probe, durability, reliability):
    if (durability, reliability) == (DurabilityPolicy.TRANSIENT_LOCAL, ReliabilityPolicy.BEST_EFFORT):
        pytest.skip("nothing is kept that is not reliable")
    topic = f"calibration_{durability.value}_{reliability.value}"
    publisher = probe.node.create_publisher(
        CameraInfo, topic, QoSProfile(depth=1, durability=durability, reliability=reliability)
    )
    message = CameraInfo(width=320, height=240, distortion_model="plumb_bob", k=K, binning_x=2, binning_y=2)
    publisher.publish(message)  # before anybody listens
    probe.spin_for(0.2)
    alignment = Alignment("camera_info")
    remapped = ["--ros-args", "-r", f"camera_info:={topic}"]
    from rclpy.node import Node

    node = Node("hearer", context=probe.context, cli_args=remapped)
    probe.executor.add_node(node)
    hearing = CalibrationInput(node, "camera_info", alignment)
    try:
        if durability == DurabilityPolicy.VOLATILE:
            probe.spin_until(lambda: publisher.get_subscription_count())
            publisher.publish(message)
        probe.spin_until(lambda: alignment.camera is not None)
    finally:
        hearing.stop()
        probe.executor.remove_node(node)
        node.destroy_node()
    assert (alignment.camera.width, alignment.camera.height, alignment.camera.k[0, 2]) == (160, 120, 40.0)
