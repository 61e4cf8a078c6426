"""halsie_ros: semantic segmentation from camera and event camera, and action labels from encoded video, for ROS 2."""

import os

from halsie_ros.moved import redirect

__version__ = "0.1.0"

redirect("halsie_ros")
# onnxruntime (1.32) sends usage data over the network unless told otherwise before it is loaded. A robot does not.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
