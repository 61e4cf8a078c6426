"""Motion vectors: exactness and the grid."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.video.file import VideoFile
from halsie_ros.video.vectors import BLOCK, MotionField, as_table


def block(**fields: int) -> np.ndarray:
    blocks = np.zeros(1, BLOCK)
    for name, value in {"source": -1, "w": 16, "h": 16, "dst_x": 8, "dst_y": 8, "motion_scale": 4, **fields}.items():
        blocks[name] = value
    return blocks


@pytest.mark.parametrize(
    ("video", "reference"),
    [("vid_h264.mp4", "h264_mv_first60.npz"), ("vid_mpeg4_part2.mp4", "mpeg4_part2_mv_first60.npz")],
)
def test_vectors_equal_the_reference_field_for_field(shared_data, video, reference):
    folder = shared_data / "video" / "mv_oracle"
    expected = np.load(folder / reference)
    frames = 0
    with VideoFile(folder / video) as file:
        for frame in file.frames():
            key = f"{frame.index:04d}"
            if key not in expected.files:
                break
            np.testing.assert_array_equal(as_table(frame.vectors), expected[key])
            frames += 1
    assert frames == len(expected.files) == 60


def test_a_block_fills_its_cells_with_quarter_pixels_kept():
    field = MotionField.of(block(dst_x=24, dst_y=8, motion_x=5, motion_y=-2), 16, 48)
    assert field.vectors.shape == (2, 2, 6)
    np.testing.assert_array_equal(field.vectors[0], [[0, 0, 1.25, 1.25, 0, 0]] * 2)
    np.testing.assert_array_equal(field.vectors[1], [[0, 0, -0.5, -0.5, 0, 0]] * 2)
    np.testing.assert_array_equal(field.coded, [[False, False, True, True, False, False]] * 2)


def test_small_blocks_fill_one_cell_each():
    field = MotionField.of(block(w=8, h=8, dst_x=12, dst_y=4, motion_x=8), 16, 16)
    np.testing.assert_array_equal(field.vectors[0], [[0, 2], [0, 0]])


def test_blocks_beyond_the_picture_are_cut_off():
    field = MotionField.of(block(dst_x=24, dst_y=24, motion_x=4), 20, 20)
    assert field.vectors.shape == (2, 3, 3)
    assert field.vectors[0, 2, 2] == 1
    assert field.coded.sum() == 1


def test_vectors_to_later_pictures_are_kept_apart():
    blocks = block(source=1, motion_x=4)
    assert not MotionField.of(blocks, 16, 16).coded.any()
    assert MotionField.of(blocks, 16, 16, later=True).coded.all()
