"""Class sets: ids as the data sets number them, and the ways between the sets."""

import numpy as np
import pytest

from halsie_ros.classes import (
    CAMVID_11,
    CITYSCAPES_19,
    CLASS_SETS,
    DDD17_6,
    DSEC_11,
    IDD_LITE_7,
    SHARED_10,
    remap,
    shared,
)
from halsie_ros.errors import ParameterError


def test_ids_are_those_of_the_data_sets():
    assert (DSEC_11.names[0], DSEC_11.names[8], DSEC_11.names[10]) == ("background", "vehicle", "traffic sign")
    assert (CAMVID_11.names[0], CAMVID_11.names[8], CAMVID_11.names[10]) == ("sky", "car", "bicyclist")
    assert (DDD17_6.names[0], DDD17_6.names[5]) == ("flat", "vehicle")
    assert (DSEC_11.ignore, CAMVID_11.ignore, DDD17_6.ignore) == (255, 11, 255)


@pytest.mark.parametrize("classes", CLASS_SETS.values(), ids=str)
def test_every_class_has_a_colour_of_its_own(classes):
    assert classes.palette.shape == (len(classes), 3) and classes.palette.dtype == np.uint8
    assert len(np.unique(classes.palette, axis=0)) == len(classes)


def test_dsec_maps_to_ddd17_by_name():
    mask = np.array([[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 255]], np.uint8)
    assert remap(mask, DSEC_11, DDD17_6).tolist() == [[1, 1, 1, 4, 2, 0], [0, 3, 5, 1, 2, 255]]


def test_camvid_maps_to_dsec_and_void_becomes_ignored():
    mask = np.array([0, 4, 8, 9, 10, 11, 200], np.uint8)
    assert remap(mask, CAMVID_11, DSEC_11).tolist() == [0, 6, 8, 3, 3, 255, 255]


def test_a_mask_maps_to_its_own_set_with_unknown_ids_ignored():
    assert remap(np.array([0, 10, 11], np.uint8), DSEC_11, DSEC_11).tolist() == [0, 10, 255]


def test_a_missing_way_is_named():
    with pytest.raises(ParameterError, match="no mapping from ddd17_6 to dsec_11"):
        remap(np.zeros(1, np.uint8), DDD17_6, DSEC_11)


@pytest.mark.parametrize("source", [DSEC_11, CAMVID_11, CITYSCAPES_19], ids=lambda one: one.name)
@pytest.mark.parametrize("target", [SHARED_10, IDD_LITE_7], ids=lambda one: one.name)
def test_every_class_has_a_place_among_the_shared_ones(source, target):
    folded = remap(np.arange(len(source), dtype=np.uint8), source, target)
    assert (folded < len(target)).all() and set(folded.tolist()) == set(range(len(target)))


def test_classes_of_the_same_meaning_meet_among_the_shared_ones():
    meanings = [
        ("background", "sky", "sky", "sky", "sky"),
        ("building", "building", "building", "building", "far objects"),
        ("person", "pedestrian", "rider", "person", "living things"),
        ("vehicle", "car", "bus", "vehicle", "vehicles"),
        ("vegetation", "tree", "terrain", "vegetation", "far objects"),
        ("traffic sign", "sign symbol", "traffic light", "sign", "roadside objects"),
        ("sidewalk", "pavement", "sidewalk", "sidewalk", "non-drivable"),
    ]
    for *names, fine, coarse in meanings:
        for classes, name in zip((DSEC_11, CAMVID_11, CITYSCAPES_19), names):
            one = np.array([classes.names.index(name)], np.uint8)
            assert SHARED_10.names[remap(one, classes, SHARED_10)[0]] == fine
            assert IDD_LITE_7.names[remap(one, classes, IDD_LITE_7)[0]] == coarse


def test_walls_are_buildings_among_the_fine_classes_and_roadside_among_the_coarse():
    wall = np.array([DSEC_11.names.index("wall")], np.uint8)
    assert SHARED_10.names[remap(wall, DSEC_11, SHARED_10)[0]] == "building"
    assert IDD_LITE_7.names[remap(wall, DSEC_11, IDD_LITE_7)[0]] == "roadside objects"


def test_what_is_shared_depends_on_how_fine_labels_are():
    assert shared(IDD_LITE_7) is IDD_LITE_7
    assert shared(CITYSCAPES_19) is shared(CAMVID_11) is shared(DSEC_11) is SHARED_10
    with pytest.raises(ParameterError, match="no mapping from ddd17_6"):
        shared(DDD17_6)
