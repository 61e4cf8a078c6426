"""Work at a smaller size: what is shrunk, what is enlarged, and that both fit."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.segmentation.pipeline import State, StepResult
from halsie_ros.segmentation.work_size import enlarged, shrunk_events, shrunk_frame, work_size


def test_only_larger_pictures_are_shrunk_and_keep_their_shape():
    assert work_size((1080, 1920), 480) == (480, 853)
    assert work_size((720, 1280), 480) == (480, 853)
    assert work_size((480, 640), 480) == work_size((480, 640), 0) == (480, 640)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_pixel_becomes_the_mean_of_those_that_it_covers(channels):
    frame = np.random.default_rng(0).integers(0, 256, (6, 8, *channels)).astype(np.uint8)
    small = shrunk_frame(frame, (3, 4))
    mean = frame.reshape(3, 2, 4, 2, *channels).mean((1, 3))
    assert small.shape == (3, 4, *channels)
    assert np.abs(small - mean).max() <= 0.5


def test_every_pixel_counts_at_sizes_that_do_not_divide():
    frame = np.zeros((7, 10), np.uint8)
    frame[6, 9] = 240
    assert shrunk_frame(frame, (3, 4))[2, 3] > 0
    assert (shrunk_frame(np.full((7, 10, 3), 9, np.uint8), (3, 4)) == 9).all()


def test_events_fall_where_the_shrunk_frame_shows_their_pixel():
    full, size = (90, 160), (40, 71)
    y, x = (one.ravel() for one in np.mgrid[: full[0] : 7, : full[1] : 7])
    small = shrunk_events(Events.of(x, y, np.arange(len(x)), x % 2), full, size)
    assert small.x.max() < size[1] and small.y.max() < size[0]
    assert np.abs(small.x - x * size[1] / full[1]).max() <= 1 and np.abs(small.y - y * size[0] / full[0]).max() <= 1
    np.testing.assert_array_equal(small.polarity, x % 2)


def test_a_mask_is_enlarged_to_the_full_size_and_the_state_is_not():
    mask = np.array([[1, 2], [3, 4]], np.uint8)
    state = State((2, 2), {})
    large = enlarged(StepResult(mask, mask * 10, state), (4, 5))
    assert large.mask.tolist() == [[1, 1, 1, 2, 2]] * 2 + [[3, 3, 3, 4, 4]] * 2
    assert large.confidence[3, 4] == 40 and large.state is state
