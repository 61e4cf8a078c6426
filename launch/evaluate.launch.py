"""Replays a labelled bag into the segmentation node at its recorded pace, and writes a report of what came out."""

import tempfile
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

HERE = Path(__file__).resolve().parent
ARGUMENTS = {
    "bag": (None, "The bag: with images, events and ground-truth masks."),
    "report": ("evaluation.html", "Report to write."),
    "json": ("", "Result to write as JSON; empty: none."),
    "model": ("halsie_scene", "Name of a model, or path of its card."),
    "image": ("/camera/image_raw", "Camera topic of the bag."),
    "events": ("/event_camera/events", "Event topic of the bag."),
    "ground_truth": ("/ground_truth/mask", "Label topic of the bag (mono8)."),
    "ground_truth_info": ("/ground_truth/label_info", "What the labels' ids mean (LabelInfo)."),
    "rate": ("1.0", "Speed of the replay; 1.0 = as recorded."),
}


def start(context):
    """Segmentation and replay by their own launch files, and the node that listens; its end ends everything."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    sent = str(Path(tempfile.mkdtemp(prefix="halsie_evaluate_")) / "sent.json")
    evaluate = Node(
        package="halsie_ros",
        executable="evaluate",
        name="evaluate",
        parameters=[
            {
                "model": given["model"],
                "report": given["report"],
                "json": given["json"],
                "sent": sent,
                "name": Path(given["bag"]).name,
            }
        ],
        remappings=[
            ("image", given["image"]),
            ("ground_truth/mask", given["ground_truth"]),
            ("ground_truth/label_info", given["ground_truth_info"]),
        ],
        output="screen",
        on_exit=Shutdown(reason="evaluation ended"),
    )
    segmentation = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(HERE / "segmentation.launch.py")),
        launch_arguments={name: given[name] for name in ("model", "image", "events")}.items(),
    )
    replay = Node(
        package="halsie_ros",
        executable="replay",
        name="replay",
        parameters=[
            {
                "bag": given["bag"],
                "rate": float(given["rate"]),
                "wait": ",".join(given[name] for name in ("image", "events", "ground_truth")),
                "sent": sent,
            }
        ],
        output="screen",
    )
    return [segmentation, evaluate, replay]


def generate_launch_description():
    """Arguments: the bag, what to write, the model, the bag's topics."""
    arguments = [
        DeclareLaunchArgument(name, description=text)
        if default is None
        else DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
