"""Replays a bag into the running nodes, with its recorded pace and QoS."""

import yaml
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

PARAMETERS = {
    "bag": (None, "The bag: a folder, an .mcap or a .db3 file."),
    "rate": ("1.0", "Speed of the replay; 1.0 = as recorded."),
    "loop": ("false", "Start again at the end, until stopped."),
    "clock": ("false", "Publish /clock from the bag's time (nodes with use_sim_time follow it)."),
    "wait": ("", "Topics, separated by commas, that must have a subscriber before the replay starts."),
    "timeout_s": ("30.0", "How long to wait for the subscribers."),
}


def start(context):
    """The replay, with its arguments as parameters of their own types."""
    given = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    texts = {name: given[name] for name in ("bag", "wait")}
    values = {name: yaml.safe_load(text) for name, text in given.items() if name not in texts}
    node = Node(
        package="halsie_ros",
        executable="replay",
        name="replay",
        parameters=[{**texts, **values}],
        output="screen",
    )
    return [node]


def generate_launch_description():
    """Arguments: those of the node `replay`."""
    arguments = [
        DeclareLaunchArgument(name, description=text)
        if default is None
        else DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in PARAMETERS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
