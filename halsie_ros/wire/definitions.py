"""The one list of message definitions: those of interfaces/, and what is read of ROS 2's own; and rosbags' types."""

from __future__ import annotations

import functools
from typing import Any

from halsie_ros.errors import BagError

_PACKET = """std_msgs/Header header
uint32 height
uint32 width
uint64 seq
uint64 time_base
string encoding
bool is_bigendian
uint8[] events
"""
_ARRAY = """std_msgs/Header header
uint32 height
uint32 width
Event[] events
"""
_EVENT = """uint16 x
uint16 y
builtin_interfaces/Time ts
bool polarity
"""

EVENT_PACKET = "event_camera_msgs/msg/EventPacket"
EVENT_ARRAYS = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")

DEFINITIONS = {
    EVENT_PACKET: _PACKET,
    **dict.fromkeys(EVENT_ARRAYS, _ARRAY),
    **{name.removesuffix("Array"): _EVENT for name in EVENT_ARRAYS},
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": "std_msgs/Header header\nint32 width\nint32 height\n"
    "string encoding\nuint64 pts\nuint8 flags\nbool is_bigendian\nuint8[] data\n",
    "foxglove_msgs/msg/CompressedVideo": "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\n"
    "string format\n",
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
    "vision_msgs/msg/LabelInfo": "std_msgs/Header header\nVisionClass[] class_map\nfloat32 threshold\n",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
    "vision_msgs/msg/Classification": "std_msgs/Header header\nObjectHypothesis[] results\n",
}
"""The messages of interfaces/, as their .msg files have them (comments left out)."""

STANDARD = {
    "builtin_interfaces/msg/Time": "int32 sec\nuint32 nanosec\n",
    "std_msgs/msg/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "sensor_msgs/msg/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data\n",
}
"""Messages of ROS 2 itself that are read without a message library, too."""

ROS1_STANDARD = {"Header": "uint32 seq\ntime stamp\nstring frame_id\n", "time": "uint32 sec\nuint32 nanosec\n"}
"""What differs in ROS 1: the header has a number, and time is a type of the language."""

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
IMU = "sensor_msgs/msg/Imu"
LABEL_INFO = "vision_msgs/msg/LabelInfo"
STRING = "std_msgs/msg/String"
CLASSIFICATION = "vision_msgs/msg/Classification"
FFMPEG_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"

URI_CHARACTERS = "?#%"
"""rosbags opens sqlite3 files by URI without escaping: a path with one of these would name another file."""


@functools.cache
def typestore(serialization: str = "cdr") -> Any:
    """The rosbags typestore of "cdr" (ROS 2 Jazzy, with every type that the package knows) or "ros1" messages.

    Raises:
        BagError: rosbags is missing.
    """
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise BagError(f"bags need the rosbags library ({error}): pip install 'halsie_ros[bags]'") from error
    if serialization == "ros1":
        return get_typestore(Stores.ROS1_NOETIC)
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name, text in DEFINITIONS.items():
        types |= get_types_from_msg(text, name)
    store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
    return store
