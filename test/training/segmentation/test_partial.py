"""Labels of coarse data sets train fine classes: what they mean, and that nothing else is learned from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from halsie_ros.classes import CAMVID_11, CITYSCAPES_19, DSEC_11, IDD_LITE_7, SHARED_10
from training.segmentation.losses import soft_iou
from training.segmentation.partial import (
    BUILT,
    FAR,
    ROADSIDE,
    UNLIKE,
    filled,
    folded,
    groups_of,
    label_kinds,
    training_ids,
    with_groups,
)

GROUPS = groups_of(DSEC_11)
CLASSES = len(DSEC_11)
BUILDING, FENCE, POLE, VEGETATION, WALL = map(DSEC_11.names.index, ("building", "fence", "pole", "vegetation", "wall"))


def test_coarse_classes_become_groups_and_fine_ones_classes():
    coarse = training_ids(np.array([0, 2, 3, 4, 5, 6, 255], np.uint8), IDD_LITE_7)
    assert coarse.tolist() == [5, 3, 8, ROADSIDE, FAR, 0, 255]
    assert training_ids(np.array([1, 0, 10, 11], np.uint8), CAMVID_11).tolist() == [BUILT, 0, 3, 255]
    assert training_ids(np.array([3, 9, 16], np.uint8), CITYSCAPES_19).tolist() == [WALL, VEGETATION, 8]


def test_a_guess_settles_what_a_label_leaves_open_and_never_overrules_it():
    label = np.array([FAR, FAR, ROADSIDE, 5, 255, BUILT], np.uint8)
    guess = np.array([VEGETATION, 8, POLE, 6, 3, 255], np.uint8)
    assert filled(label, guess, whole=False).tolist() == [VEGETATION, FAR, POLE, 5, 255, BUILT]
    assert filled(label, guess, whole=True).tolist() == guess.tolist()
    assert filled(label, None, whole=False).tolist() == label.tolist()


def test_a_group_is_as_likely_as_its_classes_together():
    scores = torch.randn(2, CLASSES, 3, 3).log_softmax(1)
    both = with_groups(scores, GROUPS).exp()
    assert both.shape[1] == CLASSES + 4
    torch.testing.assert_close(both[:, FAR], scores[:, [BUILDING, VEGETATION]].exp().sum(1))


def test_a_group_label_does_not_say_which_of_its_classes():
    scores = torch.zeros(1, CLASSES, 1, 1, requires_grad=True)
    (-with_groups(scores.log_softmax(1), GROUPS)[:, FAR]).sum().backward()
    slope = scores.grad[0, :, 0, 0]
    assert slope[BUILDING] == slope[VEGETATION] < 0 and slope[FENCE] > 0


def overlap(predicted, label):
    shares = torch.zeros(1, CLASSES + 3, 1, len(label))
    for place, kind in enumerate(label):
        shares[0, kind, 0, place] = 1
    scores = torch.full((1, CLASSES, 1, len(label)), -20.0)
    for place, kind in enumerate(predicted):
        scores[0, kind, 0, place] = 20.0
    return float(soft_iou(with_groups(scores.log_softmax(1), GROUPS)[:, :-1].exp(), shares, 1, GROUPS))


@pytest.mark.parametrize(
    "predicted, label, expected",
    [
        ([VEGETATION, BUILDING], [FAR, FAR], 1.0),  # either class is right
        ([VEGETATION, FENCE], [FAR, FAR], 0.5),
        ([VEGETATION, VEGETATION], [VEGETATION, FAR], 1.0),  # a group does not speak against its classes
        ([VEGETATION, VEGETATION], [VEGETATION, ROADSIDE], (0.5 + 0.0) / 2),  # other groups do
        ([5, 5], [5, 6], 0.25),  # plain classes as ever: road 1 of 2, sidewalk 0
    ],
)
def test_overlap_counts_groups_neither_for_nor_against_their_classes(predicted, label, expected):
    assert overlap(predicted, label) == pytest.approx(expected, abs=1e-4)


def test_groups_are_scored_where_the_scored_classes_hold_them_whole():
    ids = np.array([FAR, ROADSIDE, BUILT, WALL, 255], np.uint8)
    assert [SHARED_10.names[k] if k < 10 else None for k in folded(ids, SHARED_10)] == [
        None, None, "building", "building", None
    ]  # fmt: skip
    assert [IDD_LITE_7.names[k] if k < 7 else None for k in folded(ids, IDD_LITE_7)] == [
        "far objects", "roadside objects", None, "roadside objects", None
    ]  # fmt: skip


def test_what_is_like_no_class_asks_for_equal_chances():
    scores = torch.randn(1, CLASSES, 1, 1, requires_grad=True)
    for _ in range(400):
        (-with_groups(scores.log_softmax(1), GROUPS)[:, UNLIKE]).sum().backward()
        with torch.no_grad():
            scores -= scores.grad
            scores.grad = None
    torch.testing.assert_close(scores.softmax(1), torch.full_like(scores, 1 / CLASSES), atol=1e-3, rtol=0)
    assert label_kinds(DSEC_11) == UNLIKE + 1 and label_kinds(CAMVID_11) == len(CAMVID_11)
