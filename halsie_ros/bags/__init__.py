"""Rosbags without ROS: reading, writing and building them with the rosbags library (extra `bags`)."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.bags.reader import BagReader, open_bag
    from halsie_ros.bags.recording import PerceptionTopics, Recording, perception_topics
    from halsie_ros.bags.writer import BagWriter

__all__ = ["BagReader", "BagWriter", "PerceptionTopics", "Recording", "open_bag", "perception_topics"]
__getattr__ = lazily(
    __name__,
    {
        "reader": ("BagReader", "open_bag"),
        "recording": ("PerceptionTopics", "Recording", "perception_topics"),
        "writer": ("BagWriter",),
    },
)
