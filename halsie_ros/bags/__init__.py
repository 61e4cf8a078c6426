"""Rosbags without ROS: reading, writing and building them with the rosbags library (extra `bags`)."""
