"""Cityscapes from its official layout: stills, video, labels by hand or by a network."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from halsie_ros.classes import CITYSCAPES_19
from halsie_ros.datasets.stills import cityscapes
from halsie_ros.errors import DatasetError

IDS = [[7, 8, 11, 26], [24, 0, 33, 4]]


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    for sequence in (0, 1):
        for frame in (18, 19):
            name = f"aachen_{sequence:06d}_{frame:06d}"
            write(tmp_path / f"leftImg8bit_sequence/train/aachen/{name}_leftImg8bit.png", np.full((2, 4, 3), 80))
            write(tmp_path / f"network_labels/train/aachen/{name}_network_labelIds.png", IDS)
        write(tmp_path / f"gtFine/train/aachen/aachen_{sequence:06d}_000019_gtFine_labelIds.png", IDS)
    return tmp_path


def test_label_ids_become_train_ids(root):
    pictures = cityscapes.load(root)
    names = [[CITYSCAPES_19.names[k] if k < 19 else None for k in row] for row in pictures.label(0)]
    assert names == [["road", "sidewalk", "building", "car"], ["person", None, "bicycle", None]]


def test_labelled_frames_are_chosen_from_the_video(root):
    assert [one.name for one in cityscapes.load(root).pictures] == ["aachen_000000_000019", "aachen_000001_000019"]
    assert len(cityscapes.load(root, video=True)) == 4
    assert len(cityscapes.load(root, labels="network_labels")) == 4
    assert len(cityscapes.load(root, labels=root / "network_labels")) == 4


def test_a_drive_is_a_sequence(root):
    assert cityscapes.load(root).drives == ("aachen_000000", "aachen_000001")
    assert len(cityscapes.load(root, video=True).only("aachen_000001")) == 2


def test_what_is_missing_or_misnamed_is_said(root):
    with pytest.raises(DatasetError, match="neither leftImg8bit/val nor leftImg8bit_sequence/val"):
        cityscapes.load(root, "val")
    with pytest.raises(DatasetError, match=r"fog/train: not here"):
        cityscapes.load(root, labels="fog")
    write(root / "gtFine/train/aachen/aachen_19_labelIds.png", IDS)
    with pytest.raises(DatasetError, match="not a name of Cityscapes"):
        cityscapes.load(root)


def test_labels_of_other_pictures_are_no_labels(root):
    for path in (root / "gtFine").rglob("*.png"):
        path.rename(path.with_name(path.name.replace("_000019_", "_000025_")))
    with pytest.raises(DatasetError, match="no label of a picture"):
        cityscapes.load(root)


def test_a_damaged_picture_is_named(root):
    (root / "leftImg8bit_sequence/train/aachen/aachen_000000_000019_leftImg8bit.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"aachen_000000_000019_leftImg8bit.png: not a readable picture"):
        cityscapes.load(root).image(0)
