"""The message packages of interfaces/: the same on the wire as the originals, and usable across processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")

# Each type with a value in every kind of field it has; the receiver prints what arrived.
PUBLISHER = """
import rclpy, time, sys, importlib
rclpy.init()
node = rclpy.create_node("sender")
from builtin_interfaces.msg import Time
from std_msgs.msg import Header
def make(package, name, **fields):
    return getattr(importlib.import_module(package + ".msg"), name)(**fields)
header = Header(stamp=Time(sec=7, nanosec=9), frame_id="optical")
event = lambda package: make(package, "Event", x=639, y=479, ts=Time(sec=1, nanosec=2), polarity=True)
messages = {
    "event_camera_msgs/EventPacket": dict(header=header, height=480, width=640, seq=2**40, time_base=2**41,
                                          encoding="evt3", is_bigendian=False, events=[0, 128, 255]),
    "dvs_msgs/EventArray": dict(header=header, height=180, width=240, events=[event("dvs_msgs")]),
    "prophesee_event_msgs/EventArray": dict(header=header, height=180, width=240,
                                            events=[event("prophesee_event_msgs")]),
    "ffmpeg_image_transport_msgs/FFMPEGPacket": dict(header=header, width=640, height=480, encoding="h264",
                                                     pts=2**40, flags=1, is_bigendian=False, data=[0, 0, 1]),
    "foxglove_msgs/CompressedVideo": dict(timestamp=header.stamp, frame_id="optical", data=[1, 2], format="h264"),
    "vision_msgs/LabelInfo": dict(header=header, threshold=0.5,
                                  class_map=[make("vision_msgs", "VisionClass", class_id=255, class_name="void")]),
    "vision_msgs/Classification": dict(header=header,
                                       results=[make("vision_msgs", "ObjectHypothesis", class_id="wave", score=0.75)]),
}
from rclpy.qos import QoSProfile, DurabilityPolicy
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
keep = []
for key, fields in messages.items():
    package, name = key.split("/")
    message = make(package, name, **fields)
    publisher = node.create_publisher(type(message), "/" + package + "_" + name, latched)
    publisher.publish(message)
    keep.append((publisher, key, message))
for _, key, message in keep:
    print(key, message, flush=True)
sys.stdin.read()
"""

RECEIVER = """
import rclpy, sys, time, importlib
rclpy.init()
node = rclpy.create_node("receiver")
from rclpy.qos import QoSProfile, DurabilityPolicy
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
wanted = sys.argv[1:]
got = {}
for key in wanted:
    package, name = key.split("/")
    node.create_subscription(getattr(importlib.import_module(package + ".msg"), name), "/" + package + "_" + name,
                             lambda message, key=key: got.setdefault(key, message), latched)
end = time.monotonic() + 30
while len(got) < len(wanted) and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.2)
for key in wanted:
    print(key, got.get(key), flush=True)
"""


def test_every_message_arrives_whole_in_another_process():
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(100 + os.getpid() % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    sender = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    sent = [sender.stdout.readline() for _ in range(7)]
    receiver = subprocess.run(
        [sys.executable, "-c", RECEIVER, *[line.split()[0] for line in sent]],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    sender.communicate("", timeout=20)
    assert all(sent), "the sender printed fewer messages than it has"
    assert receiver.stdout.splitlines() == [line.rstrip("\n") for line in sent]


def test_event_packet_has_the_type_hash_of_the_original():
    program = (
        "import rclpy; rclpy.init(); node = rclpy.create_node('hash');"
        "from event_camera_msgs.msg import EventPacket; publisher = node.create_publisher(EventPacket, '/e', 1);"
        "print(node.get_publishers_info_by_topic('/e')[0])"
    )
    environment = {**os.environ, "ROS_DOMAIN_ID": str(100 + os.getpid() % 100)}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=30
    )
    assert re.findall(r"RIHS01_[0-9a-f]{64}", answer.stdout) == [
        "RIHS01_d6fa176260b1f37e5a40845305315e150a0f18191241eb64f407442aa29844aa"
    ], answer.stderr


def test_every_definition_in_interfaces_is_built(repository: Path):
    shipped = {path.name: path.read_text() for path in (repository / "interfaces").glob("*/msg/*.msg")}
    assert {"EventPacket.msg", "LabelInfo.msg", "FFMPEGPacket.msg"} <= set(shipped)
    for path in sorted((repository / "interfaces").glob("*/msg/*.msg")):
        package = path.parent.parent.name
        listed = (path.parent.parent / "CMakeLists.txt").read_text()
        assert f'"msg/{path.name}"' in listed, f"{package}: {path.name} is not built"
