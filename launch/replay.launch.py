"""Replays a bag into the running nodes, with its recorded pace and QoS."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from halsie_ros.nodes import launching

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
    values = {name: launching.text(context, name) for name in ("bag", "wait")}
    values |= {name: launching.number(context, name) for name in ("rate", "timeout_s")}
    values |= {name: launching.boolean(context, name) for name in ("loop", "clock")}
    node = Node(
        package="halsie_ros",
        executable="replay",
        name="replay",
        ros_arguments=launching.ros_arguments(values),
        output="screen",
    )
    return [node]


def generate_launch_description():
    """Arguments: those of the node `replay`."""
    return LaunchDescription([*launching.declared(PARAMETERS), OpaqueFunction(function=start)])
