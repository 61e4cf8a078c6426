"""What packages offer under their own name: there, typed, documented in the README, and loaded only when asked for."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import halsie_ros

ROOMS = ("action", "bags", "datasets", "evaluation", "events", "geometry", "inference", "segmentation", "video")


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_there_and_hides_no_module(room):
    package = importlib.import_module(f"halsie_ros.{room}")
    modules = {path.stem for path in Path(package.__file__).parent.iterdir()}
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name not in modules, "the function would be replaced by its module when that is imported"
    with pytest.raises(AttributeError, match=f"module 'halsie_ros.{room}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "events"])
def test_type_checkers_see_the_same_names(room):
    path = Path(halsie_ros.__file__).parent / room / "__init__.py"
    blocks = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.If)]
    imported = {alias.name for block in blocks for line in block.body for alias in line.names}
    assert imported == set(importlib.import_module(f"halsie_ros.{room}").__all__)


def test_what_is_not_used_is_not_loaded():
    rooms = ", ".join(f"halsie_ros.{room}" for room in ROOMS)
    heavy = (
        "print(sorted({'numba', 'onnxruntime', 'av', 'yaml', 'rosbags', 'h5py', 'PIL', 'torch'} & set(sys.modules)))"
    )
    code = f"import sys, {rooms}, halsie_ros.segmentation.overlay; {heavy}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_readme_segments_an_array_in_six_lines(repository):
    (code,) = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 6
    random = np.random.default_rng(0)
    names = {
        "frame": random.integers(0, 255, (60, 90, 3), np.uint8),
        **{name: random.integers(0, side, 500, np.uint16) for name, side in (("x", 90), ("y", 60))},
        "t_us": np.sort(random.integers(1, 50_001, 500)),
        "polarity": random.random(500) < 0.5,
    }
    exec(code, names)
    assert names["result"].mask.shape == (60, 90)
    assert all(names["pipeline"].card.classes[number] for number in np.unique(names["result"].mask))


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("segmentation.engine", "Engine", "MaskStream"),
        ("evaluation.result", "Judge", "CommonClasses"),
        ("evaluation.result", "Recorder", "Tally"),
    ],
)
def test_old_names_are_found_with_a_warning(module, old, new):
    found = importlib.import_module(f"halsie_ros.{module}")
    with pytest.warns(DeprecationWarning, match=f"{old} is called {new} now"):
        assert getattr(found, old) is getattr(found, new)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        found.Nothing  # noqa: B018
