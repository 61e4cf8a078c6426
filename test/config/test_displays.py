"""The RViz configuration and the Foxglove layout show topics that the nodes publish."""

import json
import re

import pytest
import yaml

PUBLISHED = {
    "/segmentation/overlay",
    "/segmentation/color",
    "/segmentation/confidence",
    "/segmentation/label_info",
    "/action/classification",
    "/diagnostics",
}
FROM_OTHERS = {"/camera/image_raw", "/event_camera/image_raw"}


def panels_of(layout):
    """Panel names of a Foxglove layout, left to right."""
    if isinstance(layout, str):
        return [layout]
    return panels_of(layout["first"]) + panels_of(layout["second"])


@pytest.fixture
def foxglove(repository):
    return json.loads((repository / "config" / "foxglove_layout.json").read_text())


def test_rviz_shows_camera_events_and_results(repository):
    content = yaml.safe_load((repository / "config" / "halsie.rviz").read_text())
    topics = {display["Topic"]["Value"] for display in content["Visualization Manager"]["Displays"]}
    assert topics == {"/segmentation/overlay", "/segmentation/color", "/segmentation/confidence"} | FROM_OTHERS


def test_every_foxglove_panel_is_placed_once_and_configured(foxglove):
    placed = panels_of(foxglove["layout"])
    assert sorted(placed) == sorted(foxglove["configById"]) and len(set(placed)) == len(placed)


def test_foxglove_shows_only_topics_that_exist(foxglove):
    text = json.dumps(foxglove)
    topics = set(re.findall(r'"(/[a-z_/]+?)(?:\.status[^"]*)?"', text)) - {"/camera/camera_info"}
    assert topics <= PUBLISHED | FROM_OTHERS
    assert {"/segmentation/overlay", "/diagnostics", "/segmentation/label_info"} <= topics


def test_foxglove_plots_values_that_the_node_reports(foxglove, repository):
    keys = re.findall(r'key==\\*"(\w+)', json.dumps(foxglove))
    source = "".join(
        (repository / "halsie_ros" / "nodes" / name).read_text()
        for name in ("segmentation_stream.py", "event_input.py")
    )
    assert keys and all(f'"{key}"' in source for key in keys)
