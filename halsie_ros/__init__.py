"""halsie_ros: semantic segmentation from camera and event camera, and action labels from encoded video, for ROS 2."""

from halsie_ros.moved import redirect

__version__ = "0.1.0"

redirect("halsie_ros")
