import json

import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.compare import compare, lines, read_result


def result(rights, **more):
    frames = [
        {"name": f"f{k}", "right": [right, 10], "labelled": [100, 10], "found": [right, 110 - right]}
        for k, right in enumerate(rights)
    ]
    return {"task": "segmentation", "classes": ["road", "car"], "per_frame": frames, "model": "m", **more}


def test_a_gain_on_every_frame_is_more_than_chance():
    difference = compare(result([50, 52, 54, 56], degrade="none"), result([70, 71, 72, 73], degrade="dark"))
    assert difference["significant"] and difference["miou_difference"] > 0
    assert difference["settings"] == {"degrade": ["none", "dark"]}
    assert difference["per_class"]["road"] == pytest.approx([212 / 400, 286 / 400])
    assert any("more than chance" in line for line in lines(difference))


def test_scattered_changes_may_be_chance():
    difference = compare(result([50, 70, 50, 70]), result([70, 50, 50, 71]))
    assert not difference["significant"]
    assert any("chance may explain it" in line for line in lines(difference))


def test_only_common_frames_are_compared():
    difference = compare(result([50, 60, 70]), result([50, 60]))
    assert (difference["frames"], difference["frames_only_in_first"]) == (2, 1)
    assert difference["miou_difference"] == 0


def test_results_that_cannot_be_compared_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="different classes"):
        compare(result([1]), result([1]) | {"classes": ["a", "b"]})
    other = result([1])
    other["per_frame"][0]["name"] = "else"
    with pytest.raises(ParameterError, match="no frame in common"):
        compare(result([1]), other)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"task": "action"})])
def test_files_that_hold_something_else_are_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ParameterError, match=r"a\.json: not a"):
        read_result(tmp_path / "a.json")
