"""Starts both senses, segmentation and action, side by side or in one process."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from halsie_ros.errors import ParameterError
from halsie_ros.nodes import launching

# Beside this file both in the checkout and in share/halsie_ros.
CONFIG = Path(__file__).resolve().parents[1] / "config"

TOPICS = {
    "segmentation": {
        "image": "Camera topic: sensor_msgs/Image or CompressedImage (jpeg, png).",
        "events": "Event topic: EventPacket or EventArray, found by its type.",
        "camera_info": "Calibration of the camera; for registration camera_info.",
        "event_camera_info": "Calibration of the event camera; for registration camera_info, or with undistort.",
    },
    "action": {"packets": "Video topic: FFMPEGPacket, CompressedVideo or CompressedImage (h264), found by its type."},
}
OVERRIDES = {
    "segmentation": {
        "segmentation_model": ("model", "Segmentation model; empty: as segmentation_params says."),
        "registration": ("registration", "Registration of the event camera; empty: as segmentation_params says."),
        "mask_rate_hz": ("mask_rate_hz", "Masks per second between the frames; empty: as segmentation_params says."),
    },
    "action": {
        "action_model": ("model", "Action model; empty: as action_params says."),
        "label_rate_hz": ("label_rate_hz", "Labels per second; empty: as action_params says."),
        "confidence": (
            "confidence",
            "A best score below this is unknown (-1: the card's); empty: action_params says.",
        ),
    },
}


def start(context):
    """One node per sense, or both in the executable `perception`."""
    senses = [sense for sense in TOPICS if launching.boolean(context, sense)]
    if not senses:
        raise ParameterError("launch arguments segmentation and action are both false: nothing is left to start")
    together = launching.boolean(context, "one_process") and len(senses) == 2
    files = {sense: launching.text(context, f"{sense}_params") for sense in senses}
    given, remappings = {}, {}
    for sense in senses:
        arguments = {argument: parameter for argument, (parameter, _) in OVERRIDES[sense].items()}
        given[sense] = launching.overrides(context, arguments)
        # In one process a rule names the node that it is for.
        prefix = f"{sense}:" if together else ""
        remappings[sense] = [(prefix + topic, launching.text(context, topic)) for topic in TOPICS[sense]]
    if together:
        rules = [rule for sense in senses for rule in remappings[sense]]
        return launching.sense(context, "perception", given, files=list(files.values()), remappings=rules)
    return [
        action
        for sense in senses
        for action in launching.sense(
            context, sense, {sense: given[sense]}, files=[files[sense]], remappings=remappings[sense]
        )
    ]


def generate_launch_description():
    """Arguments: which senses, how, the input topics, and the parameters one changes most."""
    arguments = {
        "segmentation": ("true", "Start the segmentation node."),
        "action": ("true", "Start the action node."),
        "one_process": ("false", "Both nodes in one process."),
        **launching.COMMON,
    }
    for sense, topics in TOPICS.items():
        arguments[f"{sense}_params"] = (str(CONFIG / f"{sense}.yaml"), f"Parameters of {sense}.")
        arguments.update({name: (name, text) for name, text in topics.items()})
        arguments.update({name: ("", text) for name, (_, text) in OVERRIDES[sense].items()})
    return LaunchDescription([*launching.declared(arguments), OpaqueFunction(function=start)])
