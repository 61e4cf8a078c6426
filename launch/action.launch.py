"""Starts the action node: encoded video packets in, action labels out."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from halsie_ros.nodes import launching

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
    return launching.sense(
        context,
        "action",
        {"action": launching.overrides(context, {name: name for name in OVERRIDES})},
        files=[launching.text(context, "params_file")],
        remappings=[(name, launching.text(context, name)) for name in TOPICS],
    )


def generate_launch_description():
    """Arguments: the common ones, params_file, the input topic, and the parameters one changes most."""
    arguments = {
        **launching.COMMON,
        "params_file": (str(CONFIG / "action.yaml"), "Parameters of the node."),
        **{name: (name, text) for name, text in TOPICS.items()},
        **{name: ("", text) for name, text in OVERRIDES.items()},
    }
    return LaunchDescription([*launching.declared(arguments), OpaqueFunction(function=start)])
