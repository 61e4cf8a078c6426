"""Replays a labelled bag into the segmentation node at its recorded pace, and writes a report of what came out."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, OpaqueFunction, Shutdown, TimerAction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from halsie_ros.nodes import launching

HERE = Path(__file__).resolve().parent
PATIENCE_S = 15.0  # after the end of the bag; `evaluate` ends five seconds after the last mask, if there was one
ARGUMENTS = {
    "bag": (None, "The bag: with images, events and ground-truth masks."),
    "report": ("evaluation.html", "Report to write."),
    "json": ("", "Result to write as JSON; empty: none."),
    "model": ("halsie_street", "Name of a model, or path of its card."),
    "image": ("/camera/image_raw", "Camera topic of the bag."),
    "events": ("/event_camera/events", "Event topic of the bag."),
    "ground_truth": ("/ground_truth/mask", "Label topic of the bag (mono8)."),
    "ground_truth_info": ("/ground_truth/label_info", "What the labels' ids mean (LabelInfo)."),
    "rate": ("1.0", "Speed of the replay; 1.0 = as recorded."),
}


def start(context):
    """Segmentation and replay by their own launch files, and the node that listens; the end of any ends everything."""
    given = {name: launching.text(context, name) for name in ARGUMENTS}
    rate = launching.number(context, "rate")
    processes = []
    folder, removal = launching.temporary_folder("halsie_evaluate_", processes)
    sent = str(folder / "sent.json")
    evaluate = Node(
        package="halsie_ros",
        executable="evaluate",
        name="evaluate",
        ros_arguments=launching.ros_arguments(
            {
                "model": given["model"],
                "report": given["report"],
                "json": given["json"],
                "sent": sent,
                "name": Path(given["bag"]).name,
            }
        ),
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
        launch_arguments={"required": "true", **{name: given[name] for name in ("model", "image", "events")}}.items(),
    )
    replay = Node(
        package="halsie_ros",
        executable="replay",
        name="replay",
        ros_arguments=launching.ros_arguments(
            {
                "bag": given["bag"],
                "rate": rate,
                "wait": ",".join(given[name] for name in ("image", "events", "ground_truth")),
                "sent": sent,
            }
        ),
        output="screen",
    )

    def after_replay(code):
        if code:
            return [Shutdown(reason="the bag could not be replayed: see above")]
        return [TimerAction(period=PATIENCE_S, actions=[Shutdown(reason="the bag has ended, and no mask came")])]

    processes += [evaluate, replay]
    return [removal, segmentation, evaluate, replay, launching.when_ended(replay, after_replay)]


def generate_launch_description():
    """Arguments: the bag, what to write, the model, the bag's topics."""
    return LaunchDescription([*launching.declared(ARGUMENTS), OpaqueFunction(function=start)])
