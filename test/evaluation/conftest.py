"""A model of the package, and a small data set in CamVid's layout."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import ModelError
from halsie_ros.inference.cards import find_model
from halsie_ros.segmentation.pipeline import SegmentationPipeline

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="session")
def pipeline():
    try:
        return SegmentationPipeline(find_model("halsie_scene"))
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def camvid_root(tmp_path_factory):
    """Three frames of video and one still, 96x64."""
    image = pytest.importorskip("PIL.Image")
    root = tmp_path_factory.mktemp("camvid")
    for folder in ("val", "valannot"):
        (root / folder).mkdir()
    rng = np.random.default_rng(3)
    tiles = np.kron(rng.integers(20, 230, (8, 14, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    label = np.repeat(np.arange(8, dtype=np.uint8), 8)[:, None] * np.ones((1, WIDTH), np.uint8)
    label[:, :5] = 11
    names = ["0016E5_00100", "0016E5_00102", "0016E5_00104", "Seq05VD_f01230"]
    for k, name in enumerate(names):
        image.fromarray(np.ascontiguousarray(tiles[:, 2 * k : 2 * k + WIDTH])).save(root / "val" / f"{name}.png")
        image.fromarray(label).save(root / "valannot" / f"{name}.png")
    (root / "val.txt").write_text("".join(f"val/{name}.png valannot/{name}.png\n" for name in names))
    return root
