"""The same under launch_pytest, as ROS's own tooling runs it."""

import pytest

launch_pytest = pytest.importorskip(
    "launch_pytest", reason="launch_pytest is not installed (it comes with a ROS install)"
)
from pathlib import Path  # noqa: E402

from launch import LaunchDescription  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402

FILE = Path(__file__).resolve().parents[2] / "launch" / "perception.launch.py"
ARGUMENTS = {
    "namespace": "robot",
    "one_process": "true",
    "image": "/camera/image_raw",
    "events": "/event_camera/events",
}


@launch_pytest.fixture
def description():
    """perception.launch.py on the bags' topics."""
    source = PythonLaunchDescriptionSource(str(FILE))
    included = IncludeLaunchDescription(source, launch_arguments=ARGUMENTS.items())
    return LaunchDescription([included, launch_pytest.actions.ReadyToTest()])


@pytest.mark.launch(fixture=description)
def test_an_mvsec_drive_is_answered_frame_by_frame(scenarios):
    scenarios.every_frame_is_answered("mvsec", (260, 346), rate=0.5)
