"""halsie_ros: semantic segmentation from camera and event camera, and action labels from encoded video, for ROS 2."""

__version__ = "0.1.0"
