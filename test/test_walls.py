"""Which room of the package may use which: the walls of docs/architecture.md."""

from __future__ import annotations

import ast
import re

import pytest

from tools.draw_architecture import PICTURE, floors, imports, picture, uses

# Every room may use errors, kernels and lazy besides. The same table stands in docs/architecture.md.
ALLOWED = {
    "files": "",
    "classes": "",
    "wire": "",
    "inference": "",
    "pictures": "",
    "events": "wire",
    "video": "files wire",
    "geometry": "events",
    "segmentation": "classes events geometry inference pictures",
    "action": "inference video",
    "simulation": "classes events pictures",
    "datasets": "classes events geometry pictures simulation",
    "bags": "classes datasets events files geometry pictures simulation video wire",
    "evaluation": "action bags classes datasets events files geometry inference pictures segmentation video wire",
    "demo": "action bags classes evaluation files inference pictures segmentation simulation video",
    "nodes": "action bags classes evaluation events files geometry inference pictures segmentation video wire",
    "bench": "action bags classes demo events files geometry inference nodes pictures segmentation simulation video "
    "wire",
    "cli": "action bags bench classes datasets demo evaluation events files inference nodes segmentation video",
}
EVERYWHERE = {"errors", "kernels", "lazy"}
ROS = ("rclpy", "launch", "launch_ros", "ament_index_python")  # cv_bridge is tried where an install has it


@pytest.fixture(scope="module")
def rooms():
    return {room: row for room, row in uses().items() if room not in ("__init__", "moved", *EVERYWHERE)}


def test_each_room_uses_only_what_it_may(rooms):
    assert set(rooms) <= set(ALLOWED), "a new room: say in ALLOWED and in docs/architecture.md what it may use"
    broken = {
        f"{room} -> {other}": files
        for room, row in rooms.items()
        for other, files in row.items()
        if other not in {*ALLOWED[room].split(), *EVERYWHERE}
    }
    assert not broken


def test_what_is_allowed_has_no_circle():
    floors({room: set(others.split()) for room, others in ALLOWED.items()})
    with pytest.raises(ValueError, match="a -> b -> a"):
        floors({"a": {"b"}, "b": {"a"}})


def test_the_document_has_the_same_table(repository):
    text = (repository / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", text, re.MULTILINE)
    assert {room: set(re.findall(r"\w+", others)) for room, others in rows} == {
        room: set(others.split()) for room, others in ALLOWED.items()
    }


def test_nodes_are_used_by_the_command_and_one_bench_file_alone(rooms):
    users = [file for room, row in rooms.items() for file in row.get("nodes", ())]
    assert {file.split("/")[0] for file in users} <= {"cli", "bench"}
    assert sum(file.startswith("bench/") for file in users) <= 1


def test_nothing_uses_the_command(rooms, repository):
    assert not [room for room, row in rooms.items() if "cli" in row]
    training = [file for file in (repository / "training").rglob("*.py") if "halsie_ros.cli" in file.read_text()]
    assert not training


def test_training_uses_no_nodes_and_the_package_no_training(repository):
    for file in (repository / "training").rglob("*.py"):
        assert not [m for m in imports(file, "halsie_ros") if m.startswith("halsie_ros.nodes")], file
    for file in (repository / "halsie_ros").rglob("*.py"):
        assert not imports(file, "training"), file


def test_only_nodes_and_one_bench_file_import_ros(repository):
    package = repository / "halsie_ros"
    found = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if any(name.split(".")[0] in ROS or name.endswith("_msgs.msg") for name in names):
                found.add(str(file.relative_to(package)))
    outside = {file for file in found if not file.startswith("nodes/")}
    assert len({file for file in outside if file.startswith("bench/")}) <= 1
    assert {file for file in outside if not file.startswith("bench/")} == set()


def test_runtime_never_imports_torch(repository):
    for file in (repository / "halsie_ros").rglob("*.py"):
        assert not imports(file, "torch") and not imports(file, "snntorch"), file


def test_the_picture_shows_what_is(repository):
    assert PICTURE.read_text() == picture(), "draw it again: python -m tools.draw_architecture"
