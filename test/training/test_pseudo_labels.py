"""Labels by networks: sizes, tiles, doubts, and the command."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from halsie_ros.classes import CITYSCAPES_19, DSEC_11
from training.core.command import TrainingError
from training.pseudo_labels import graph_network, label, main, starts


@pytest.fixture
def brightness(tmp_path):
    """A graph of 32x48 pixels that calls red pixels a car (13), others sky (10), or is in doubt where they are grey."""
    weights = np.zeros((19, 3, 1, 1), np.float32)
    weights[13, 0], weights[10, 0] = 4.0, -4.0
    nodes = [helper.make_node("Conv", ["image", "w"], ["logits"])]
    shapes = [("image", [1, 3, 32, 48]), ("logits", [1, 19, 32, 48])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    tensor = helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel())
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [tensor])
    path = tmp_path / "graph.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_picture_gets_the_classes_of_dsec_at_its_own_size(brightness):
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48, 0] = 255
    for size in ((32, 48), (64, 96)):
        found = label(picture, [graph_network(brightness, *size)], 0.5)
        assert found.shape == (64, 96)
        assert DSEC_11.names[found[10, 10]] == "vehicle" and DSEC_11.names[found[10, 80]] == "background"


def test_where_networks_are_in_doubt_nothing_is_said(brightness):
    grey = np.full((32, 48, 3), round(0.485 * 255), np.uint8)
    assert (label(grey, [graph_network(brightness, 32, 48)], 0.5) == 255).all()


@pytest.mark.parametrize("size, tile", [(32, 32), (40, 32), (64, 32), (97, 32)])
def test_tiles_cover_everything(size, tile):
    covered = np.zeros(size, bool)
    for start in starts(size, tile):
        assert 0 <= start <= size - tile
        covered[start : start + tile] = True
    assert covered.all() and len(starts(size, tile)) == -(-size // tile)


def test_a_size_below_the_graphs_own_is_refused(brightness):
    with pytest.raises(TrainingError, match="size 16x48: the graph's own input is 32x48"):
        graph_network(brightness, 16, 48)


def test_the_command_labels_a_folder_once(brightness, tmp_path, capsys):
    red = np.zeros((32, 48, 3), np.uint8)
    red[..., 0] = 255
    for name in ("a/x", "b/y"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        Image.fromarray(red).save(tmp_path / "in" / f"{name}.png")
    command = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--network", str(brightness), "--size", "32x48"]
    assert main([*command, "--share", "0/2"]) == 0
    assert not (tmp_path / "out/b/y.png").exists()
    made = (tmp_path / "out/a/x.png").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "out/a/x.png").stat().st_mtime_ns == made
    assert (np.array(Image.open(tmp_path / "out/b/y.png")) == DSEC_11.names.index("vehicle")).all()
    assert CITYSCAPES_19.names[13] == "car"


def test_a_command_without_network_or_pictures_is_one_line(brightness, tmp_path, capsys):
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "no network" in capsys.readouterr().err
    assert (
        main([str(tmp_path / "no"), "--out", str(tmp_path / "out"), "--network", str(brightness), "--size", "32x48"])
        == 1
    )
    assert "no .jpg or .png" in capsys.readouterr().err
