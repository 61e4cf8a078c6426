"""Starts the action node: encoded video packets in, action labels out."""

from pathlib import Path

import yaml
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

# Beside this file both in the checkout and in share/halsie_ros.
CONFIG = Path(__file__).resolve().parents[1] / "config"

TOPICS = {"packets": "Video topic: FFMPEGPacket, CompressedVideo or CompressedImage (h264), found by its type."}
OVERRIDES = {
    "model": "Name of a model, or path of its card; empty: as params_file says.",
    "label_rate_hz": "Labels per second of stream time; empty: as params_file says.",
    "confidence": "A best score below this is unknown (-1: the card's); empty: as params_file says.",
    "output_reliability": "reliable or best_effort; empty: as params_file says.",
}


def start(context):
    """The node, with those parameters overridden that were given."""
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    overrides = {name: yaml.safe_load(text) for name, text in given.items() if text}
    overrides["use_sim_time"] = yaml.safe_load(LaunchConfiguration("use_sim_time").perform(context))
    node = Node(
        package="halsie_ros",
        executable="action",
        name="action",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), overrides],
        remappings=[(name, LaunchConfiguration(name)) for name in TOPICS],
        output="screen",
        on_exit=Shutdown(reason="action ended"),
    )
    return [node]


def generate_launch_description():
    """Arguments: namespace, params_file, use_sim_time, the input topic, and the parameters one changes most."""
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its topics."),
        DeclareLaunchArgument(
            "params_file", default_value=str(CONFIG / "action.yaml"), description="Parameters of the node."
        ),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
        *(DeclareLaunchArgument(name, default_value=name, description=text) for name, text in TOPICS.items()),
        *(DeclareLaunchArgument(name, default_value="", description=text) for name, text in OVERRIDES.items()),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
