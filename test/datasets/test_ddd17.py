import numpy as np
import pytest

from halsie_ros.datasets.ddd17 import EssSequence, EvSegNetSplit, ess_folders, events_from_statistics
from halsie_ros.datasets.splits import split_samples
from halsie_ros.errors import DatasetError
from halsie_ros.segmentation.labels import DDD17_6, DSEC_11, remap
from halsie_ros.simulation.miniatures import statistics, write_ddd17_ess, write_ddd17_evsegnet


@pytest.fixture(scope="module")
def ess(davis_take, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ess")
    for number in (0, 1, 3, 4, 6, 7):
        write_ddd17_ess(folder, f"dir{number}", davis_take)
    return folder


@pytest.fixture(scope="module")
def evsegnet(davis_take, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evsegnet")
    write_ddd17_evsegnet(folder, "test", "1487417411", davis_take)
    return folder


def test_ess_events_lose_only_the_lowest_60_rows(ess, davis_take):
    sequence = EssSequence(ess / "dir0")
    events = sequence.events(sequence.span_us[0] - 1, sequence.span_us[1])
    truth = davis_take.events[davis_take.events.y < 200]
    assert np.array_equal(events.t_us, truth.t_us) and np.array_equal(events.y, truth.y)
    assert np.array_equal(events.polarity, truth.polarity)


def test_ess_frames_and_labels_take_their_times_from_the_index(ess, davis_take):
    sequence = EssSequence(ess / "dir0")
    frames, labels = list(sequence.frames()), list(sequence.labels())
    assert [t for t, _ in frames] == [t for t, _ in labels] == davis_take.t_us.tolist()
    assert frames[0][1].shape == labels[0][1].shape == (200, 346)
    assert np.array_equal(labels[4][1], remap(davis_take.labels[4, :200], DSEC_11, DDD17_6))


def test_ess_splits_go_by_place_in_the_sorted_list(ess):
    assert [path.name for path in ess_folders(ess, "ess_train")] == ["dir0", "dir3", "dir4", "dir7"]
    assert [path.name for path in ess_folders(ess, "ess_valid")] == ["dir1"]
    assert [path.name for path in ess_folders(ess, "ess_test")] == ["dir6"]


def test_ess_samples_by_split(ess, davis_take):
    classes, _, samples = split_samples("ddd17", ess, "ess_test", frames=2)
    samples = list(samples)
    assert classes is DDD17_6 and len(samples) == len(davis_take.t_us)
    assert len(samples[0]) == 1 and len(samples[1]) == 2


def test_files_of_lengths_that_disagree_are_refused(davis_take, tmp_path):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    path = folder / "events.dat.xyp"
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(DatasetError, match="not 8 and 6 per event"):
        EssSequence(folder)


def test_evsegnet_items_are_single_frames_with_50_ms_of_events(evsegnet, davis_take):
    split = EvSegNetSplit(evsegnet, "evsegnet_test")
    assert len(split) == len(davis_take.t_us)
    sample = split.sample(4)
    assert sample.name == "rec1487417411_export_4"
    truth = davis_take.events.between(150_000, 200_000)
    assert len(sample.events) == np.sum(truth.y < 200)
    assert np.array_equal(sample.labels[0], remap(davis_take.labels[4, :200], DSEC_11, DDD17_6))
    assert sample.bounds_us(0) == (0, 50_000)


def test_rebuilt_events_have_the_statistics_they_were_made_from(davis_take):
    truth = davis_take.events.between(100_000, 150_000)
    first = statistics(truth, 100_000)
    again = statistics(events_from_statistics(first), 0)
    assert np.array_equal(again[..., :2], first[..., :2])
    assert np.allclose(again[..., 2:], first[..., 2:], atol=2e-4)


def test_unknown_splits_and_absent_recordings_are_named(evsegnet, ess):
    with pytest.raises(DatasetError, match="split night: choose evsegnet_train"):
        EvSegNetSplit(evsegnet, "night")
    with pytest.raises(DatasetError, match=r"train: not here; expected the labels of Ev-SegNet"):
        EvSegNetSplit(evsegnet, "evsegnet_train")
    with pytest.raises(DatasetError, match="split night: choose"):
        split_samples("ddd17", ess, "night", frames=1)
