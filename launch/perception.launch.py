"""Starts both senses, segmentation and action, side by side or in one process."""

import tempfile
from pathlib import Path

import yaml
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

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

    def value(name):
        return LaunchConfiguration(name).perform(context)

    senses = [sense for sense in TOPICS if yaml.safe_load(value(sense))]
    together = yaml.safe_load(value("one_process")) and len(senses) == 2
    common = {"namespace": LaunchConfiguration("namespace"), "output": "screen", "package": "halsie_ros"}
    parameters, remappings = {}, {}
    for sense in senses:
        given = {parameter: value(argument) for argument, (parameter, _) in OVERRIDES[sense].items()}
        own = {parameter: yaml.safe_load(text) for parameter, text in given.items() if text}
        own["use_sim_time"] = yaml.safe_load(value("use_sim_time"))
        parameters[sense] = own
        # In one process a rule names the node that it is for.
        prefix = f"{sense}:" if together else ""
        remappings[sense] = [(prefix + topic, LaunchConfiguration(topic)) for topic in TOPICS[sense]]
    if not together:
        return [
            Node(
                **common,
                executable=sense,
                name=sense,
                parameters=[LaunchConfiguration(f"{sense}_params"), parameters[sense]],
                remappings=remappings[sense],
                on_exit=Shutdown(reason=f"{sense} ended"),
            )
            for sense in senses
        ]
    return [
        Node(
            **common,
            executable="perception",
            parameters=[*(LaunchConfiguration(f"{sense}_params") for sense in senses), overrides_file(parameters)],
            remappings=[rule for sense in senses for rule in remappings[sense]],
            on_exit=Shutdown(reason="perception ended"),
        )
    ]


def overrides_file(parameters):
    """A parameter file with a section for each node: on a command line a node in a namespace cannot be named."""
    content = {f"/**/{name}": {"ros__parameters": values} for name, values in parameters.items()}
    with tempfile.NamedTemporaryFile("w", prefix="halsie_perception_", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(content, file)
    return file.name


def generate_launch_description():
    """Arguments: which senses, how, the input topics, and the parameters one changes most."""
    arguments = [
        DeclareLaunchArgument("segmentation", default_value="true", description="Start the segmentation node."),
        DeclareLaunchArgument("action", default_value="true", description="Start the action node."),
        DeclareLaunchArgument("one_process", default_value="false", description="Both nodes in one process."),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes and their topics."),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
    ]
    for sense, topics in TOPICS.items():
        arguments += [
            DeclareLaunchArgument(
                f"{sense}_params", default_value=str(CONFIG / f"{sense}.yaml"), description=f"Parameters of {sense}."
            ),
            *(DeclareLaunchArgument(name, default_value=name, description=text) for name, text in topics.items()),
            *(
                DeclareLaunchArgument(name, default_value="", description=text)
                for name, (_, text) in OVERRIDES[sense].items()
            ),
        ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
