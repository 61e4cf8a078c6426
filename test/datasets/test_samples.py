import numpy as np
import pytest

from halsie_ros.datasets.base import Sequence
from halsie_ros.datasets.samples import SampleProtocol, samples
from halsie_ros.errors import DatasetError, ParameterError
from halsie_ros.events import Events


class Toy(Sequence):
    """Frames at 10, 20 ... 60 ms, labels at 25, 30 and 61 ms, an event each millisecond."""

    name, licence, width, height = "toy", "none", 4, 3

    @property
    def span_us(self):
        return 1000, 70_000

    def events(self, t0_us, t1_us):
        t_us = np.arange(1000, 71_000, 1000)
        return Events.of(t_us % 4, t_us % 3, t_us, t_us % 2).between(t0_us, t1_us)

    def frames(self):
        return ((t * 1000, np.full((3, 4), t, np.uint8)) for t in range(10, 70, 10))

    def labels(self):
        return ((t * 1000, np.full((3, 4), t % 10, np.uint8)) for t in (5, 25, 30, 61))


def test_a_sample_ends_at_its_label_with_the_latest_frame():
    first, second, third = samples(Toy(), SampleProtocol(frames=2))
    assert first.t_us.tolist() == [10_000, 25_000] and first.frames[:, 0, 0].tolist() == [10, 20]
    assert second.t_us.tolist() == [20_000, 30_000] and second.frames[:, 0, 0].tolist() == [20, 30]
    assert third.t_us.tolist() == [50_000, 61_000] and third.frames[:, 0, 0].tolist() == [50, 60]
    assert second.bounds_us(0) == (10_000, 20_000) and third.bounds_us(0) == (40_000, 50_000)


def test_windows_share_the_events_without_gap_or_overlap():
    for sample in samples(Toy(), SampleProtocol(frames=3)):
        parts = [sample.window(k).t_us for k in range(len(sample))]
        assert np.array_equal(np.concatenate(parts), sample.events.t_us)
        assert sample.events.t_us[-1] <= sample.t_us[-1]


def test_no_window_is_empty_even_before_the_first_event():
    class Late(Toy):
        def events(self, t0_us, t1_us):
            return super().events(max(t0_us, 30_000), t1_us)

        @property
        def span_us(self):
            return 31_000, 70_000

    for sample in samples(Late(), SampleProtocol(frames=4)):
        assert all(start < stop for start, stop in map(sample.bounds_us, range(len(sample))))


def test_only_the_last_frame_carries_the_label():
    sample = list(samples(Toy(), SampleProtocol(frames=3)))[-1]
    assert sample.labelled.tolist() == [False, False, True]
    assert np.all(sample.labels[:2] == 255) and np.all(sample.labels[2] == 1)


def test_labels_are_skipped_and_thinned_by_their_number():
    assert [sample.name for sample in samples(Toy(), SampleProtocol(frames=1, skip=1, every=2))] == [
        "toy/000001",
        "toy/000003",
    ]


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"skip": -1}, {"every": 0}])
def test_impossible_protocols_are_refused(wrong):
    with pytest.raises(ParameterError, match="must be at least"):
        SampleProtocol(**wrong)


def test_events_and_frames_that_do_not_overlap_in_time_end_in_an_error():
    class Apart(Sequence):
        name, licence, width, height, time_note = "drive", "own", 4, 3, "events.h5 has no t_offset"
        span_us = (0, 1_000_000)

        def events(self, t0_us, t1_us):
            return Events.empty()

        def frames(self):
            return ((t_us, np.zeros((3, 4), np.uint8)) for t_us in range(50_000_000, 50_300_000, 50_000))

        def labels(self):
            return ((t_us, np.zeros((3, 4), np.uint8)) for t_us in range(50_100_000, 50_300_000, 50_000))

    message = (
        r"drive: events \(0.000 to 1.000 s\) and labelled frames .*50.250 s\) do not overlap in time; .* no t_offset"
    )
    with pytest.raises(DatasetError, match=message):
        list(samples(Apart(), SampleProtocol(frames=2)))
