"""Package of halsie_ros, for colcon (ament_python) and pip. `setup.py --requirements [EXTRA …]` lists what it needs."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

NAME = "halsie_ros"
REQUIREMENTS = ["numpy>=1.26", "numba>=0.61", "onnxruntime>=1.20", "av>=14", "pyyaml>=6"]
EXTRAS = {
    "bags": ["rosbags>=0.10,<0.12", "mcap>=1.2"],
    "data": ["h5py>=3.10", "hdf5plugin>=4.4", "Pillow>=10"],
    "aedat": ["aedat>=2.3"],
    "train": ["torch==2.13.0", "snntorch>=0.9,<2", "tensorboard>=2.16", "onnx>=1.17"],
    "test": [
        "pytest>=8.3,<8.4",
        "pytest-rerunfailures>=15",
        "coverage>=7.10",
        "hypothesis>=6.100",
        "onnx>=1.17",
        "ruff>=0.12,<1",
        "mypy>=1.15",
    ],
}


def shared(*folders: str) -> list[tuple[str, list[str]]]:
    """The files of top-level folders, for share/halsie_ros/<folder>."""
    found: dict[str, list[str]] = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.setdefault(f"share/{NAME}/{path.parent.as_posix()}", []).append(path.as_posix())
    return list(found.items())


if sys.argv[1:2] == ["--requirements"]:
    print("\n".join(REQUIREMENTS + [line for extra in sys.argv[2:] for line in EXTRAS[extra]]))
    sys.exit()

setup(
    name=NAME,
    version="0.1.0",
    description="Semantic masks from camera and event camera, action labels from encoded video, for ROS 2",
    license="Apache-2.0",
    maintainer="halsie_ros maintainers",
    maintainer_email="halsie-ros@users.noreply.github.com",
    packages=find_packages(include=["halsie_ros", "halsie_ros.*"]),
    package_data={"": ["*.msg", "*.c", "*.xml", "*.yaml", "*.json", "py.typed"]},
    python_requires=">=3.10",
    install_requires=["setuptools", *REQUIREMENTS],
    extras_require=EXTRAS,
    zip_safe=False,
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        # `ros2 run` and launch's Node look here; pip does not honour setup.cfg's install_scripts.
        (f"lib/{NAME}", sorted(path.as_posix() for path in Path("resource/executables").iterdir())),
        *shared("launch", "config", "models"),
    ],
    entry_points={"console_scripts": ["halsie = halsie_ros.cli.main:main"]},
)
