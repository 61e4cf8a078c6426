"""Starts the segmentation node: camera images and events in, masks out."""

from pathlib import Path

import yaml
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

# Beside this file both in the checkout and in share/halsie_ros.
CONFIG = Path(__file__).resolve().parents[1] / "config"

TOPICS = {
    "image": "Camera topic: sensor_msgs/Image or CompressedImage (jpeg, png).",
    "events": "Event topic: EventPacket or EventArray, found by its type.",
    "camera_info": "Calibration of the camera; for registration camera_info.",
    "event_camera_info": "Calibration of the event camera; for registration camera_info, or with undistort.",
}
OVERRIDES = {
    "model": "Name of a model, or path of its card; empty: as params_file says.",
    "registration": "identity, resize, homography or camera_info; empty: as params_file says.",
    "mask_rate_hz": "Masks per second between the frames; empty: as params_file says.",
    "output_reliability": "reliable or best_effort; empty: as params_file says.",
}


def start(context):
    """The node, with those parameters overridden that were given."""
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    overrides = {name: yaml.safe_load(text) for name, text in given.items() if text}
    overrides["use_sim_time"] = yaml.safe_load(LaunchConfiguration("use_sim_time").perform(context))
    node = Node(
        package="halsie_ros",
        executable="segmentation",
        name="segmentation",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), overrides],
        remappings=[(name, LaunchConfiguration(name)) for name in TOPICS],
        output="screen",
        on_exit=Shutdown(reason="segmentation ended"),
    )
    return [node]


def generate_launch_description():
    """Arguments: namespace, params_file, use_sim_time, the input topics, and the parameters one changes most."""
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its topics."),
        DeclareLaunchArgument(
            "params_file", default_value=str(CONFIG / "segmentation.yaml"), description="Parameters of the node."
        ),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
        *(DeclareLaunchArgument(name, default_value=name, description=text) for name, text in TOPICS.items()),
        *(DeclareLaunchArgument(name, default_value="", description=text) for name, text in OVERRIDES.items()),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
