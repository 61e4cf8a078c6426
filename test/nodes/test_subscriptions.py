"""Subscriptions that follow what publishers are, each publisher in a process of its own as a driver is."""

import textwrap
import time

import pytest
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from halsie_ros.nodes import topics
from halsie_ros.nodes.qos import input_qos
from halsie_ros.nodes.topics import DiscoveredSubscription

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
DRIVER = """
    import array, sys, time, rclpy
    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    rclpy.init()
    node = Node("driver", start_parameter_services=False)
    publisher = node.create_publisher(Image, "image", QoSProfile(depth=10))
    while not publisher.get_subscription_count():
        time.sleep(0.02)
    time.sleep(0.5)
    message = Image(height=480, width=640, step=1920, encoding="bgr8", data=array.array("B", bytes(640 * 480 * 3)))
    for number in range(30):
        message.header.stamp.sec = number
        publisher.publish(message)
        time.sleep(0.1)
    print("sent", flush=True)
    time.sleep(30)
"""


@pytest.fixture
def subscribe(probe):
    made = []

    def make(topic="image", types=("sensor_msgs/msg/Image",)):
        heard = []
        made.append(DiscoveredSubscription(probe.node, topic, types, 2, lambda _, m: heard.append(m), raw=False))
        return made[-1], heard

    yield make
    for subscription in made:
        subscription.stop()


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ([], BEST_EFFORT),
        ([RELIABLE, RELIABLE], RELIABLE),
        ([RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ([ReliabilityPolicy.UNKNOWN], BEST_EFFORT),
    ],
)
def test_an_input_is_reliable_where_all_publishers_are(offered, expected):
    assert input_qos(2, offered).reliability == expected


def test_no_image_of_an_ordinary_driver_is_lost(start, tmp_path, subscribe, probe, monkeypatch):
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)  # the driver knows nothing of our profile
    process = start(script)
    subscription, heard = subscribe()
    probe.spin_until(lambda: "sent" in process.output)
    probe.spin_until(lambda: heard and heard[-1].header.stamp.sec == 29, 5.0)
    assert subscription.reliable
    assert (
        len(heard) >= 28 and subscription.lost <= 2
    )  # a machine that stands still for 0.2 s overruns the queue of two


def test_reliability_follows_publishers_that_come_and_go(subscribe, probe):
    def publisher(reliability):
        return probe.node.create_publisher(Image, "image", QoSProfile(depth=2, reliability=reliability))

    first = publisher(RELIABLE)
    subscription, heard = subscribe()
    probe.spin_until(lambda: subscription.reliable)
    second = publisher(BEST_EFFORT)
    probe.spin_until(lambda: not subscription.reliable)

    def heard_from_both():
        for number, sender in enumerate((first, second)):
            message = Image(width=number)
            sender.publish(message)
        probe.spin_for(0.05)
        return {message.width for message in heard} == {0, 1}

    probe.spin_until(heard_from_both)
    probe.node.destroy_publisher(second)
    probe.spin_until(lambda: subscription.reliable)


def test_a_topic_that_nobody_publishes_is_named_with_those_that_would_do(subscribe, probe, monkeypatch, capfd):
    monkeypatch.setattr(topics, "_LONELY_S", 0.1)
    driver = rclpy.create_node("driver", context=probe.context)
    driver.create_publisher(Image, "/camera/image_raw", 1)
    probe.node.create_publisher(Image, "/segmentation/overlay", 1)  # its own picture is no camera
    probe.node.create_publisher(String, "/chatter", 1)
    subscribe()
    subscribe("thermal")
    said = ""

    def told():
        nonlocal said
        said += capfd.readouterr().err
        return "nobody publishes /image" in said and "nobody publishes /thermal" in said

    probe.spin_until(told, 5.0)
    assert "nobody publishes /image; of its types there are /camera/image_raw: remap to one of them" in said
    time.sleep(0.3)
    probe.spin_for(0.3)
    driver.destroy_node()
    assert "nobody" not in capfd.readouterr().err  # said once, then again after a minute


def test_a_type_that_is_not_ours_is_named(subscribe, probe):
    probe.node.create_publisher(String, "image", 1)
    subscription, _ = subscribe()
    probe.spin_until(lambda: subscription.problem)
    assert subscription.problem == "topic /image has type std_msgs/msg/String: publish one of sensor_msgs/msg/Image"
