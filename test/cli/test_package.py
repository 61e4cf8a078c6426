"""What an install puts where: executables for `ros2 run`, share/ for launch files, parameters and models."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from halsie_ros import __version__


def executables(repository):
    return sorted(path.name for path in (repository / "resource" / "executables").iterdir())


def test_every_executable_starts_a_module_that_exists(repository):
    assert {"segmentation", "action", "perception", "event_monitor", "replay", "recorder"} <= set(
        executables(repository)
    )
    for name in executables(repository):
        assert importlib.util.find_spec(f"halsie_ros.nodes.{name}"), f"halsie_ros/nodes/{name}.py is missing"


def test_an_install_by_pip_has_the_layout_that_ros_looks_for(repository, tmp_path):
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(repository), str(source)], check=True)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    subprocess.run([*command, "--prefix", str(tmp_path / "prefix"), str(source)], check=True, capture_output=True)
    prefix = tmp_path / "prefix"
    for name in executables(repository):
        assert os.access(prefix / "lib" / "halsie_ros" / name, os.X_OK), f"lib/halsie_ros/{name}"
    share = prefix / "share" / "halsie_ros"
    assert (share / "package.xml").is_file()
    assert (prefix / "share" / "ament_index" / "resource_index" / "packages" / "halsie_ros").is_file()
    for folder in ("launch", "config", "models"):
        tracked = subprocess.run(["git", "ls-files", folder], cwd=source, capture_output=True, text=True, check=True)
        for path in tracked.stdout.split():
            assert (share / path).read_bytes() == (source / path).read_bytes()
    (typed,) = prefix.glob("lib/python*/site-packages/halsie_ros/py.typed")
    assert typed.is_file()
    assert (share / "models" / "halsie_scene.yaml").is_file() and (share / "config" / "fastdds.xml").is_file()


ROSDEP_KEYS = {  # looked up in rosdistro's rosdep/python.yaml and the distribution files of jazzy and kilted, 2026-08
    *[
        "rclpy",
        "std_msgs",
        "sensor_msgs",
        "diagnostic_msgs",
        "lifecycle_msgs",
        "rosgraph_msgs",
        "vision_msgs",
        "event_camera_msgs",
    ],
    *[
        "ffmpeg_image_transport_msgs",
        "foxglove_msgs",
        "cv_bridge",
        "ament_index_python",
        "launch",
        "launch_ros",
        "ros2launch",
    ],
    *["python3-numpy", "python3-numba", "python3-yaml", "python3-h5py", "python3-pil", "python3-onnxruntime-pip"],
    *["python3-rosbags-pip", "mcap-ros2-support", "launch_pytest", "python3-pytest", "python3-hypothesis"],
}


def test_rosdep_knows_every_key(repository):
    package = ElementTree.parse(repository / "package.xml").getroot()
    keys = {element.text for kind in ("exec_depend", "test_depend", "depend") for element in package.iter(kind)}
    assert keys <= ROSDEP_KEYS, "one unknown key, and `rosdep install` installs nothing"


def test_base_names_of_tests_are_unique_for_launch_testing_imports_by_them(repository):
    names = [path.name for path in (repository / "test").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_versions_and_dependencies_agree(repository):
    package = ElementTree.parse(repository / "package.xml").getroot()
    assert package.findtext("version") == __version__
    assert package.find("export/build_type").text == "ament_python"
    depends = {element.text for element in package.iter("exec_depend")}
    assert {"rclpy", "vision_msgs", "event_camera_msgs"} <= depends
    assert not depends & {"dvs_msgs", "prophesee_event_msgs"}, "apt has none: they must not block rosdep"


@pytest.mark.parametrize(
    "module", ["halsie_ros.segmentation.pipeline", "halsie_ros.bags.reader", "halsie_ros.cli.main"]
)
def test_the_core_imports_neither_torch_nor_ros(module):
    program = f"import sys, {module}; print([m for m in ('torch', 'rclpy') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
