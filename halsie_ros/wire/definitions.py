"""The message types that bags are read and written with: ROS 2 Jazzy's own, and those of interfaces/."""

from __future__ import annotations

import functools
from typing import Any

from halsie_ros.errors import BagError
from halsie_ros.wire.layout import known_definition

DEFINITIONS = {
    "dvs_msgs/msg/Event": "uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity\n",
    "prophesee_event_msgs/msg/Event": "uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity\n",
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": "std_msgs/Header header\nint32 width\nint32 height\n"
    "string encoding\nuint64 pts\nuint8 flags\nbool is_bigendian\nuint8[] data\n",
    "foxglove_msgs/msg/CompressedVideo": "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\n"
    "string format\n",
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
    "vision_msgs/msg/LabelInfo": "std_msgs/Header header\nVisionClass[] class_map\nfloat32 threshold\n",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
    "vision_msgs/msg/Classification": "std_msgs/Header header\nObjectHypothesis[] results\n",
}
_EVENT_MESSAGES = (
    "event_camera_msgs/msg/EventPacket",
    "dvs_msgs/msg/EventArray",
    "prophesee_event_msgs/msg/EventArray",
)
DEFINITIONS |= {name: known_definition(name, "cdr").split("===\n")[0] for name in _EVENT_MESSAGES}

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
