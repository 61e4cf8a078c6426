"""Class sets: ids as the data sets number them, and the ways between the sets."""

import numpy as np
import pytest

from halsie_ros.classes import CAMVID_11, CLASS_SETS, DDD17_6, DSEC_11, remap
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
