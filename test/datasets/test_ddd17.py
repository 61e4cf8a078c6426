import io

import numpy as np
import pytest

from halsie_ros.classes import DDD17_6, DSEC_11, remap
from halsie_ros.datasets.recordings.ddd17 import EssSequence, EvSegNetSplit, ess_folders, events_from_statistics
from halsie_ros.datasets.registry import split_samples
from halsie_ros.errors import DatasetError
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


def test_the_pair_of_other_papers_goes_by_the_folders_names(ess):
    assert [path.name for path in ess_folders(ess, "dir1_train")] == ["dir0", "dir3", "dir4", "dir6", "dir7"]
    assert [path.name for path in ess_folders(ess, "dir1_test")] == ["dir1"]
    assert [path.name for path in ess_folders(ess, "dir1_train-dir7")] == ["dir0", "dir3", "dir4", "dir6"]
    assert [path.name for path in ess_folders(ess, "dir4")] == ["dir4"]
    assert sum(1 for _ in split_samples("ddd17", ess, "dir1_test", frames=1)[2]) == 9


def test_missing_folders_of_a_named_split_are_named(davis_take, tmp_path):
    write_ddd17_ess(tmp_path, "dir3", davis_take)
    with pytest.raises(DatasetError, match=r"no folder dir0, dir4, dir6, dir7 of DDD17 split dir1_train; unpack all"):
        split_samples("ddd17", tmp_path, "dir1_train", frames=1)
    with pytest.raises(DatasetError, match="dir1_train has no dir1; leave out one of dir0, dir3"):
        split_samples("ddd17", tmp_path, "dir1_train-dir1", frames=1)


def test_pictures_that_start_late_keep_their_own_rows(davis_take, tmp_path):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    for number in (1, 2, 3):
        (folder / "imgs" / f"img_{number:08d}.png").unlink()
    sequence = EssSequence(folder)
    assert [t_us for t_us, _ in sequence.frames()] == davis_take.t_us[3:].tolist()
    assert [t_us for t_us, _ in sequence.labels()] == davis_take.t_us.tolist()


def test_pictures_from_0_have_the_row_of_their_number(davis_take, tmp_path):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    for kind in ("imgs/img", "segmentation_masks/segmentation"):
        for number in range(1, 10):
            (folder / f"{kind}_{number:08d}.png").rename(folder / f"{kind}_{number - 1:08d}.png")
    sequence = EssSequence(folder)
    assert [t for t, _ in sequence.frames()] == [t for t, _ in sequence.labels()] == davis_take.t_us.tolist()


def test_a_picture_without_a_row_is_named(davis_take, tmp_path):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    (folder / "imgs" / "img_00000009.png").rename(folder / "imgs" / "img_00000010.png")
    with pytest.raises(DatasetError, match=r"number 10 has no row in index_50ms\.npy \(9 rows\)"):
        list(EssSequence(folder).frames())


def in_other_units(folder, factor, rows=None):
    """Multiplies a recording's times; keeps the index's rows of the slice `rows`."""
    times, index = folder / "events.dat.t", folder / "index" / "index_50ms.npy"
    (np.fromfile(times, np.int64) * factor).tofile(times)
    table = np.load(index)
    table[:, 0] *= factor
    np.save(index, table if rows is None else table[rows])


@pytest.mark.parametrize("rows", [None, slice(4, 5)])
def test_nanoseconds_are_told_by_the_index(ess, davis_take, tmp_path, rows):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    in_other_units(folder, 1000, rows)
    sequence, truth = EssSequence(folder), EssSequence(ess / "dir0")
    assert sequence.span_us == truth.span_us
    for bounds in ((-1, 400_000), (int(davis_take.events.t_us[7]), int(davis_take.events.t_us[70])), (50_000, 50_001)):
        assert np.array_equal(sequence.events(*bounds).t_us, truth.events(*bounds).t_us)
    if rows is None:
        assert [t_us for t_us, _ in sequence.frames()] == davis_take.t_us.tolist()


def test_nanoseconds_within_a_microsecond_belong_to_it(davis_take, tmp_path):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    in_other_units(folder, 1000)
    (np.fromfile(folder / "events.dat.t", np.int64) + 999).tofile(folder / "events.dat.t")
    truth = davis_take.events[davis_take.events.y < 200]
    t0_us, t1_us = int(truth.t_us[5]), int(truth.t_us[50])
    assert np.array_equal(EssSequence(folder).events(t0_us, t1_us).t_us, truth.between(t0_us, t1_us).t_us)


@pytest.mark.parametrize(("factor", "rows"), [(10, None), (10, slice(4, 5)), (100_000, None), (0, None)])
def test_times_of_no_known_unit_are_refused(davis_take, tmp_path, factor, rows):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    in_other_units(folder, factor, rows)
    with pytest.raises(DatasetError, match=r"index_50ms\.npy: pictures .* apart, neither about 50000 \(microseconds\)"):
        EssSequence(folder)


def as_npy(array):
    with io.BytesIO() as file:
        np.save(file, array)
        return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable .npy file"),
        (b"<html>moved</html>", "not a readable .npy file"),
        (as_npy(np.zeros((9, 3), np.int64))[:-8], "not a readable .npy file"),
        (as_npy(np.array(["a", "b", "c"])), "not numbers"),
        (as_npy(np.zeros((9, 2), np.int64)), r"shape \(9, 2\), expected rows"),
        (as_npy(np.zeros((0, 3), np.int64)), r"shape \(0, 3\), expected rows"),
        (as_npy(np.zeros((9, 3, 1), np.int64)), r"shape \(9, 3, 1\), expected rows"),
    ],
    ids=["empty", "a web page", "cut short", "words", "two columns", "no row", "three axes"],
)
def test_an_index_that_is_none_is_one_clear_line(davis_take, tmp_path, content, message):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    (folder / "index" / "index_50ms.npy").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"index_50ms\.npy: .*{message}.*; download it again") as error:
        EssSequence(folder)
    assert "\n" not in str(error.value)


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


def test_columns_that_wrapped_in_sixteen_bits_are_left_out_and_counted(davis_take, tmp_path):
    folder = write_ddd17_ess(tmp_path, "dir0", davis_take)
    whole = EssSequence(folder)
    first, last = whole.span_us
    before = whole.events(first - 1, last)
    places = np.memmap(folder / "events.dat.xyp", np.int16, "r+").reshape(-1, 3)
    inside = np.flatnonzero(places[:, 1] < 200)
    places[inside[5], 0], places[inside[6], 1], places[inside[7], 0] = -1, -32_000, 346
    places.flush()
    sequence = EssSequence(folder)
    after = sequence.events(first - 1, last)
    assert len(after) == len(before) - 3 and sequence.off_sensor == 3
    assert after.x.max() < 346 and after.y.max() < 200
