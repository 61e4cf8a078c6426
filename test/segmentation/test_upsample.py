"""From scores to a mask: hand-computed cells and borders."""

from __future__ import annotations

import numpy as np
import pytest

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
    sigmoid = [1 / (1 + np.exp(-40 * (0.5 - min(max((x + 0.5) / 4 - 0.5, 0), 0.5)))) for x in range(4)]
    assert np.abs(confidence[0, :4] - 255 * np.array(sigmoid)).max() <= 1
    assert np.array_equal(confidence[0, :4], confidence[0, :3:-1])


def test_rows_and_columns_are_not_swapped_and_the_mask_is_cropped():
    logits = np.zeros((3, 2, 3), np.float32)
    logits[1, 1, :] = 9
    logits[2, 0, 2] = 9
    mask, _ = mask_and_confidence(logits, 7, 10)
    assert mask.shape == (7, 10)
    assert mask[0, 0] == 0 and mask[6, 0] == 1 and mask[0, 9] == 2


def enlarged(logits, height, width):
    """Scores at full size in float64, ``(C, height, width)``: bilinear, pixel centres aligned, borders repeated."""
    for axis, size in ((1, height), (2, width)):
        place = np.clip((np.arange(size) + 0.5) / 4 - 0.5, 0, logits.shape[axis] - 1)
        first = np.floor(place).astype(int)
        second = np.minimum(first + 1, logits.shape[axis] - 1)
        part = (place - first).reshape((1, -1, 1) if axis == 1 else (1, 1, -1))
        logits = logits.take(first, axis) * (1 - part) + logits.take(second, axis) * part
    return logits


@pytest.mark.parametrize("spread", [0.5, 4.0, 60.0])
@pytest.mark.parametrize("shape", [(11, 30, 41), (2, 1, 3), (19, 7, 5), (1, 3, 3)])
def test_the_mask_is_the_largest_enlarged_score_and_the_confidence_its_probability(shape, spread):
    logits = np.random.default_rng(3).normal(0, spread, shape).astype(np.float32)
    height, width = 4 * shape[1] - 1, 4 * shape[2] - 3
    mask, confidence = mask_and_confidence(logits, height, width)
    scores = enlarged(logits.astype(np.float64), height, width)
    chosen = np.take_along_axis(scores, mask[None].astype(int), 0)[0]
    assert (chosen >= scores.max(0) - 1e-5 * spread).all()  # another only where float32 cannot tell them apart
    assert (mask == scores.argmax(0)).mean() > 0.999
    probability = 1 / np.exp(scores - scores.max(0)).sum(0)
    assert np.abs(confidence - 255 * probability).max() <= 1


def test_of_equal_scores_the_lower_id_wins():
    mask, confidence = mask_and_confidence(np.full((3, 4, 4), 7.0, np.float32), 16, 16)
    assert (mask == 0).all() and (confidence == 85).all()


def test_large_scores_do_not_overflow():
    mask, confidence = mask_and_confidence(np.array([1e4, -1e4], np.float32).reshape(2, 1, 1), 2, 2)
    assert (mask == 0).all() and (confidence == 255).all()
