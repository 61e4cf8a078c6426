"""Starts the segmentation node: camera images and events in, masks out."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from halsie_ros.nodes import launching

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
    return launching.sense(
        context,
        "segmentation",
        {"segmentation": launching.overrides(context, {name: name for name in OVERRIDES})},
        files=[launching.text(context, "params_file")],
        remappings=[(name, launching.text(context, name)) for name in TOPICS],
    )


def generate_launch_description():
    """Arguments: the common ones, params_file, the input topics, and the parameters one changes most."""
    arguments = {
        **launching.COMMON,
        "params_file": (str(CONFIG / "segmentation.yaml"), "Parameters of the node."),
        **{name: (name, text) for name, text in TOPICS.items()},
        **{name: ("", text) for name, text in OVERRIDES.items()},
    }
    return LaunchDescription([*launching.declared(arguments), OpaqueFunction(function=start)])
