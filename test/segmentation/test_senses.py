"""What is left out of a step when a sense misleads, and the word for it."""

import numpy as np
import pytest

from halsie_ros.events import Events
from halsie_ros.segmentation.senses import Senses
from halsie_ros.segmentation.synchronizer import Step

SIZE = (64, 96)
RNG = np.random.default_rng(1)
PICTURE = RNG.integers(40, 200, (*SIZE, 3), dtype=np.uint8)


class Drive:
    """Steps of 50 ms with frames and sparse events."""

    def __init__(self):
        self.senses = Senses()
        self.t_us = 1_000_000

    def step(self, image=None, events=True, frames=True, rate=200):
        """One step; returns whether frame and events are used, and the status."""
        self.t_us += 50_000
        count = rate if events else 0
        times = np.sort(RNG.integers(self.t_us - 50_000 + 1, self.t_us + 1, count))
        some = Events.of(RNG.integers(0, SIZE[1], count), RNG.integers(0, SIZE[0], count), times, times % 2)
        step = Step(object(), self.t_us * 1000, 0.0, some, self.t_us - 50_000, self.t_us, False, frames, events)
        cleaned, kept = self.senses.clean(step, image if frames else None, SIZE)
        status = self.senses.tell(frames, events, "")
        assert (kept is None) == (not cleaned.use_frame) or image is None
        return cleaned.use_frame, cleaned.use_events, status


def other():
    return RNG.integers(40, 200, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture
def drive():
    made = Drive()
    assert made.step(other())[2].word == "ok"
    return made


@pytest.mark.parametrize(
    ("picture", "word"), [(np.zeros_like(PICTURE), "dark"), (np.full_like(PICTURE, 255), "blown_out")]
)
def test_a_picture_that_shows_nothing_is_left_out_and_the_next_good_one_counts(drive, picture, word):
    assert drive.step(picture)[:2] == (False, True)
    assert drive.senses.status.word == word and "events alone" in drive.senses.status.reason
    assert drive.senses.counts[f"{word}_frame"] == 1
    use_frame, use_events, status = drive.step(other())
    assert use_frame and use_events and status.word == "ok"


def test_without_events_a_picture_that_shows_nothing_leaves_the_node_blind(drive):
    use_frame, use_events, status = drive.step(np.zeros_like(PICTURE), events=False)
    assert not use_frame and not use_events and status.word == "blind"


def test_a_frozen_camera_is_left_out_only_where_events_tell_more(drive):
    for _ in range(3):
        used = drive.step(PICTURE)
    assert used[:2] == (False, True) and used[2].word == "frozen"
    used = drive.step(PICTURE, events=False)
    assert used[0] and used[2].word == "frozen" and "all the same" in used[2].reason
    assert drive.step(other())[2].word == "ok"


def test_a_flood_leaves_the_frames_alone(drive):
    for _ in range(12):
        used = drive.step(other(), rate=30_000)
    assert used[:2] == (True, False) and used[2].word == "flood"
    for _ in range(12):
        used = drive.step(other())
    assert used[:2] == (True, True) and used[2].word == "ok"


def test_what_is_gone_is_named(drive):
    assert drive.step(frames=False)[2].word == "frames_gone"
    assert drive.step(other(), events=False)[2].word == "events_gone"
    assert drive.step(frames=False, events=False)[2].word == "blind"
    assert drive.step(other())[2].word == "ok"
    assert drive.senses.tell(True, True, "events are 4x4, images 8x8").word == "misaligned"
    drive.senses.clocks = "events are +2.0 s from the images"
    assert str(drive.senses.tell(True, True, "")) == "skewed: events are +2.0 s from the images"
