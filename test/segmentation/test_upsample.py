"""From scores to a mask: hand-computed cells and borders."""

from __future__ import annotations

import numpy as np

from halsie_ros.segmentation.upsample import mask_and_confidence


def test_one_cell_gives_its_class_and_probability_everywhere():
    mask, confidence = mask_and_confidence(np.log(np.array([0.2, 0.6, 0.2], np.float32)).reshape(3, 1, 1), 4, 4)
    assert (mask == 1).all() and (confidence == 153).all()


def test_the_boundary_lies_half_way_between_two_cells():
    logits = np.zeros((2, 1, 2), np.float32)
    logits[0, 0, 0] = logits[1, 0, 1] = 20
    mask, confidence = mask_and_confidence(logits, 4, 8)
    assert mask.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]] * 4
    # pixel centres lie at -0.375, -0.125, 0.125, 0.375, 0.625 … cells; what is before 0 repeats the border
    assert confidence[0, :5].tolist() == [255, 255, round(0.875 * 255), round(0.625 * 255), round(0.625 * 255)]


def test_rows_and_columns_are_not_swapped_and_the_mask_is_cropped():
    logits = np.zeros((3, 2, 3), np.float32)
    logits[1, 1, :] = 9
    logits[2, 0, 2] = 9
    mask, _ = mask_and_confidence(logits, 7, 10)
    assert mask.shape == (7, 10)
    assert mask[0, 0] == 0 and mask[6, 0] == 1 and mask[0, 9] == 2


def test_large_scores_do_not_overflow():
    mask, confidence = mask_and_confidence(np.array([1e4, -1e4], np.float32).reshape(2, 1, 1), 2, 2)
    assert (mask == 0).all() and (confidence == 255).all()
