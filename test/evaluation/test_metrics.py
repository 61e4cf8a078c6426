import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.metrics import bootstrap_difference, bootstrap_miou, confusion, scores


def test_confusion_counts_label_by_mask_and_leaves_ignored_pixels_out():
    label = np.array([[0, 0, 1], [1, 255, 2]], np.uint8)
    mask = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    assert confusion(mask, label, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_scores_by_hand():
    figures = scores(np.array([[1, 1, 0], [0, 2, 0], [1, 0, 0]]))
    assert figures.iou.tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert figures.miou == pytest.approx(1 / 3)
    assert figures.accuracy == pytest.approx(3 / 5)


def test_a_class_without_labels_does_not_count_but_costs_those_it_was_mistaken_for():
    figures = scores(np.array([[3, 1], [0, 0]]))
    assert np.isnan(figures.iou[1]) and figures.miou == pytest.approx(3 / 4)


def test_sums_are_global_not_a_mean_of_frames():
    first, second = np.array([[98, 2], [0, 0]]), np.array([[0, 1], [0, 1]])
    assert scores(first + second).iou.tolist() == pytest.approx([98 / 101, 1 / 4])


def sums_of(*pairs):
    return np.array([[[right, 0], [100, 0], [100, 0]] for right in pairs])


def test_the_interval_holds_the_figure_and_shrinks_with_agreement():
    values = np.array([50, 60, 70, 80, 90])
    low, high = bootstrap_miou(sums_of(*values))
    assert low < values.sum() / (1000 - values.sum()) < high
    assert bootstrap_miou(sums_of(70, 70, 70)) == pytest.approx((70 / 130, 70 / 130))


def test_a_paired_difference_is_sure_where_every_frame_gains():
    before, after = sums_of(50, 60, 90), sums_of(55, 66, 95)
    difference, low, high = bootstrap_difference(before, after)
    assert 0 < low <= difference <= high
    assert bootstrap_difference(before, before) == (0, 0, 0)


def test_sizes_that_differ_and_unknown_ids_are_refused():
    with pytest.raises(ParameterError, match="sizes must agree"):
        confusion(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 3)
    with pytest.raises(ParameterError, match="holds class 7"):
        confusion(np.full((2, 2), 7, np.uint8), np.zeros((2, 2), np.uint8), 3)
    with pytest.raises(ParameterError, match="same frames"):
        bootstrap_difference(sums_of(1, 2), sums_of(1))
