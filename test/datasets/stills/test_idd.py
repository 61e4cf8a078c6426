"""IDD and IDD-lite from their official layouts, and what is said of folders that are not whole."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from halsie_ros.classes import DSEC_11, IDD_LITE_7
from halsie_ros.datasets.stills import idd
from halsie_ros.errors import DatasetError


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


@pytest.fixture
def lite(tmp_path):
    root = tmp_path / "idd20k_lite"
    for drive, frame in (("12", "a"), ("12", "b"), ("7", "c")):
        write(root / f"leftImg8bit/train/{drive}/{frame}_image.jpg", np.full((6, 8, 3), 90))
        write(root / f"gtFine/train/{drive}/{frame}_label.png", np.arange(48).reshape(6, 8) % 9)
    return root


def test_idd_lite_is_read_from_its_folder_or_the_one_above(lite):
    for root in (lite, lite.parent):
        pictures = idd.load(root, "train")
        assert (pictures.classes, len(pictures), pictures.drives) == (IDD_LITE_7, 3, ("12", "7"))
        assert pictures.image(0).shape == (6, 8, 3)
        assert pictures.label(0)[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 255]


def test_drives_are_kept_apart(lite):
    pictures = idd.load(lite)
    assert [one.name for one in pictures.without("12").pictures] == ["7/c"]
    assert [one.name for one in pictures.only("0/2").pictures] == ["12/a", "12/b"]
    with pytest.raises(DatasetError, match="no drive 9: there are 12, 7"):
        pictures.only("9")
    with pytest.raises(DatasetError, match="nothing is left"):
        pictures.without("12", "7")


@pytest.mark.parametrize("end", ["_gtFine_labelids.png", "_gtFine_labellevel3Ids.png"])
def test_idd_has_the_classes_of_dsec(tmp_path, end):
    vehicle, vegetation, sky, curb = (12, 32, 33, 19) if "ids" in end else (9, 24, 25, 17)
    write(tmp_path / "leftImg8bit/val/201/frame0029_leftImg8bit.png", np.zeros((2, 4, 3)))
    write(tmp_path / f"gtFine/val/201/frame0029{end}", [[0, vehicle, vegetation, sky], [curb, 255, 0, 0]])
    pictures = idd.load(tmp_path, "val")
    names = [[DSEC_11.names[k] if k < 11 else None for k in row] for row in pictures.label(0)]
    assert pictures.classes is DSEC_11
    assert names == [["road", "vehicle", "vegetation", "background"], [None, None, "road", "road"]]


def test_pictures_without_any_label_have_unknown_pixels_only(lite):
    write(lite / "leftImg8bit/test/3/d_image.jpg", np.zeros((4, 4, 3)))
    assert (idd.load(lite, "test").label(0) == 255).all()


def test_what_is_missing_is_named(lite):
    with pytest.raises(DatasetError, match=r"leftImg8bit/val: not here"):
        idd.load(lite, "val")
    (lite / "gtFine/train/12/b_label.png").unlink()
    with pytest.raises(DatasetError, match=r"12/b_label.png: not here, though others"):
        idd.load(lite)


def test_labels_of_another_kind_are_refused(lite):
    for path in (lite / "gtFine").rglob("*.png"):
        path.rename(path.with_name(path.name.replace("_label", "_polygons")))
    with pytest.raises(DatasetError, match="none of its files is a label"):
        idd.load(lite)


def test_a_label_of_another_size_is_refused(lite):
    write(lite / "gtFine/train/12/a_label.png", np.zeros((5, 8)))
    with pytest.raises(DatasetError, match=r"a_label.png: 8x5 pixels, its picture has 8x6"):
        idd.load(lite).label(0)


def test_a_damaged_label_is_named(lite):
    (lite / "gtFine/train/12/a_label.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(DatasetError, match=r"a_label.png: not a readable picture"):
        idd.load(lite).label(0)
