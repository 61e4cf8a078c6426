"""A stream of masks over a pipeline that only writes down what it is asked."""

from types import SimpleNamespace

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.geometry.alignment import Alignment
from halsie_ros.segmentation.pipeline import State, StepResult
from halsie_ros.segmentation.stream import MaskStream
from halsie_ros.segmentation.synchronizer import Step

EVENTS = Events.of([1, 7], [1, 7], [10, 20], [1, 0])


class Pipeline:
    def __init__(self):
        self.asked = []
        self.frame_weight = 1.0

    def step(self, frame, events, state, **options):
        self.asked.append(SimpleNamespace(frame=frame, events=events, state=state, **options))
        return SimpleNamespace(state=State(options["size"], {"one": None}), frame_weight=self.frame_weight)


def make(kind="identity"):
    masks = MaskStream(Pipeline(), Alignment(kind))
    return masks, masks.pipeline.asked


def step(fresh=False, use_frame=True, use_events=True, stamp_ns=50_000_000, late=False):
    return Step(None, stamp_ns, 0.0, EVENTS, 0, 50_000, fresh, use_frame, use_events, late=late)


IMAGE = np.full((8, 8, 3), 90, np.uint8)


def test_the_state_of_one_step_goes_into_the_next_until_a_fresh_start():
    masks, asked = make()
    first = masks.run(step(), IMAGE, (8, 8))
    masks.run(step(), IMAGE, (8, 8))
    masks.run(step(fresh=True), IMAGE, (8, 8))
    assert [call.state for call in asked[:2]] == [None, first.state]
    assert asked[2].state.size == (8, 8) and not asked[2].state.tensors


def test_another_image_size_starts_anew():
    masks, asked = make("resize")
    masks.run(step(), IMAGE, (8, 8))
    masks.run(step(), np.zeros((16, 16), np.uint8), (8, 8))
    assert asked[1].state is None and asked[1].size == (16, 16) and masks.counts["size_change"] == 1
    assert asked[1].events.x.tolist() == [3, 15]


def test_before_the_first_image_the_sensors_own_frame_counts():
    masks, asked = make()
    masks.run(step(use_frame=False), None, (10, 12))
    assert asked[0].size == (10, 12) and asked[0].frame is None
    assert len(asked[0].events) == 2


def test_sizes_that_differ_under_identity_leave_the_frames_and_name_the_problem():
    masks, asked = make()
    masks.run(step(), IMAGE, (10, 12))
    assert "events are 12x10, images 8x8" in masks.problem
    assert asked[0].events is None
    assert masks.run(step(), None, (10, 12)) is None  # events alone cannot be used either
    masks.run(step(), IMAGE, (8, 8))
    assert masks.problem == "" and asked[1].events is not None


@pytest.mark.parametrize("use_events", [True, False])
def test_without_image_and_sensor_there_is_nothing_to_segment(use_events):
    masks, asked = make()
    assert masks.run(step(use_events=use_events), None, None) is None
    assert not asked


def test_restored_frames_are_counted():
    masks, _ = make()
    for weight in (None, 1.0, 0.3, 0.9):
        masks.pipeline.frame_weight = weight
        masks.run(step(), IMAGE, (8, 8))
    assert masks.counts["restored_frame"] == 2


@pytest.mark.parametrize("sensor, restores", [((8, 8), True), ((9, 9), True), ((16, 16), False), ((4, 4), False)])
def test_events_restore_frames_only_where_they_are_as_fine_as_the_image(sensor, restores):
    masks, asked = make("resize")
    image = np.zeros((64, 64, 3), np.uint8)
    masks.run(step(), image, (8 * sensor[0], 8 * sensor[1]))
    assert asked[0].restoration == restores


def test_a_late_frame_is_not_restored_by_events_after_it():
    masks, asked = make()
    masks.run(step(), IMAGE, (8, 8))
    masks.run(step(stamp_ns=40_000_000, late=True), IMAGE, (8, 8))
    assert [one.restoration for one in asked] == [True, False]


def test_large_images_are_segmented_at_the_work_height_and_masks_keep_their_size():
    class Small(Pipeline):
        def step(self, frame, events, state, **options):
            super().step(frame, events, state, **options)
            mask = np.arange(16, dtype=np.uint8).reshape(4, 4)
            return StepResult(mask, mask, State(options["size"], {"one": None}))

    masks = MaskStream(Small(), Alignment("identity"), work_height=4)
    result = masks.run(step(), IMAGE, (8, 8))
    again = masks.run(step(), IMAGE, (8, 8))
    first, second = masks.pipeline.asked
    assert first.frame.shape == (4, 4, 3) and first.size == (4, 4) and first.events.x.tolist() == [0, 3]
    assert result.mask.shape == again.confidence.shape == (8, 8) and result.mask[7, 7] == 15
    assert second.state.size == (4, 4) and masks.image_size == (8, 8) and not masks.counts["size_change"]
    assert not first.restoration  # an image pixel holds the events of four
