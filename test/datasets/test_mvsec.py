import numpy as np
import pytest

from halsie_ros.classes import DDD17_6, DSEC_11, remap
from halsie_ros.datasets.recordings.mvsec import MvsecSequence
from halsie_ros.datasets.registry import split_samples
from halsie_ros.errors import DatasetError
from halsie_ros.simulation.miniatures import write_mvsec

START_US = 1506117000_000_000


@pytest.fixture(scope="module")
def root(davis_take, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mvsec")
    write_mvsec(folder, "outdoor_day1", davis_take)
    return folder


@pytest.fixture
def own(davis_take, tmp_path):
    write_mvsec(tmp_path, "outdoor_day1", davis_take)
    return tmp_path


def test_events_come_back_one_by_one(root, davis_take):
    sequence = MvsecSequence(root, "outdoor_day1")
    start, stop = sequence.span_us
    events, truth = sequence.events(start - 1, stop), davis_take.events
    assert np.array_equal(events.t_us - START_US, truth.t_us)
    assert np.array_equal(events.x, truth.x) and np.array_equal(events.polarity, truth.polarity)


def test_windows_in_any_order_are_cut_exactly(root, davis_take):
    sequence, truth = MvsecSequence(root, "outdoor_day1"), davis_take.events.shifted(START_US)
    for bounds in ((100_000, 150_000), (150_000, 200_000), (0, 50_000), (390_000, 500_000), (70_000, 70_000)):
        t0_us, t1_us = (bound + START_US for bound in bounds)
        assert np.array_equal(sequence.events(t0_us, t1_us).t_us, truth.between(t0_us, t1_us).t_us)


def test_frames_depth_pose_and_imu_have_their_times(root, davis_take):
    sequence = MvsecSequence(root, "outdoor_day1")
    stamps = (davis_take.t_us + START_US).tolist()
    for stream in (sequence.frames(), sequence.depth(), sequence.poses()):
        assert [t_us for t_us, *_ in stream] == stamps
    t_us, acceleration, turning = next(sequence.imu())
    assert t_us == START_US and acceleration[2] == 9.81 and turning.tolist() == [0.01, 0.02, 0.03]
    assert next(sequence.frames())[1].shape == (260, 346)


def test_calibration_is_found_by_the_place(root):
    calibration = MvsecSequence(root, "outdoor_day1").calibration
    assert calibration.model == "equidistant" and calibration.camera_matrix[0, 2] == 173.6


def test_pseudo_labels_belong_to_the_frames_they_are_numbered_by(root, davis_take):
    _, _, samples = split_samples("mvsec", root, "outdoor_day1", frames=2, labels=root / "labels")
    samples = list(samples)
    assert len(samples) == len(davis_take.t_us)
    assert np.array_equal(samples[3].labels[-1], remap(davis_take.labels[3], DSEC_11, DDD17_6))
    assert np.array_equal(samples[3].t_us - START_US, davis_take.t_us[2:4])


def test_no_labels_is_said_with_the_remedy(root):
    with pytest.raises(DatasetError, match="give a folder of pseudo-label PNGs by --labels"):
        split_samples("mvsec", root, "outdoor_day", frames=2)


def test_labels_of_another_sequence_are_refused(own):
    (own / "labels" / "outdoor_day1" / "000000.png").rename(own / "labels" / "outdoor_day1" / "000777.png")
    with pytest.raises(DatasetError, match="has only 9 frames"):
        list(MvsecSequence(own, "outdoor_day1", labels=own / "labels").labels())


def test_rows_of_another_shape_are_refused(own):
    h5py = pytest.importorskip("h5py")
    with h5py.File(own / "outdoor_day1_data.hdf5", "a") as file:
        del file["davis/left/events"]
        file["davis/left/events"] = np.zeros((5, 3))
    with pytest.raises(DatasetError, match=r"davis/left/events has shape \(5, 3\), not \(N, 4\)"):
        MvsecSequence(own, "outdoor_day1")


def test_an_unknown_split_lists_what_is_here(root):
    with pytest.raises(DatasetError, match=r"outdoor_night; splits are .* here is outdoor_day1"):
        split_samples("mvsec", root, "outdoor_night", frames=2, labels=root / "labels")


def test_a_missing_sequence_of_a_split_is_named(root):
    with pytest.raises(
        DatasetError, match=r"no outdoor_day2_data\.hdf5 of MVSEC split outdoor_day; .* here is outdoor_day1"
    ):
        split_samples("mvsec", root, "outdoor_day", frames=2, labels=root / "labels")


def test_each_sequence_of_a_split_needs_a_folder_of_labels(own, davis_take):
    write_mvsec(own, "outdoor_day2", davis_take)
    assert sum(1 for _ in split_samples("mvsec", own, "outdoor_day", frames=1, labels=own / "labels")[2]) == 18
    flat = own / "labels" / "outdoor_day1"
    with pytest.raises(
        DatasetError, match="no folder outdoor_day1, outdoor_day2; MVSEC split outdoor_day has 2 sequences"
    ):
        split_samples("mvsec", own, "outdoor_day", frames=1, labels=flat)
    for split in ("outdoor_day1", "outdoor_day-outdoor_day2"):
        assert sum(1 for _ in split_samples("mvsec", own, split, frames=1, labels=flat)[2]) == 9


def test_a_short_file_is_one_clear_line(own):
    path = own / "outdoor_day1_data.hdf5"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DatasetError, match=r"outdoor_day1_data\.hdf5: cut short or not HDF5 .*; download it again"):
        MvsecSequence(own, "outdoor_day1")


def test_a_missing_key_is_named(own):
    h5py = pytest.importorskip("h5py")
    with h5py.File(own / "outdoor_day1_data.hdf5", "a") as file:
        del file["davis/left/image_raw_ts"]
    sequence = MvsecSequence(own, "outdoor_day1", labels=own / "labels")
    for stream in (sequence.frames(), sequence.labels()):
        with pytest.raises(DatasetError, match="no data set davis/left/image_raw_ts"):
            next(stream)
    with h5py.File(own / "outdoor_day2_data.hdf5", "w") as file:
        file["davis/right/events"] = np.zeros((5, 4))
    with pytest.raises(DatasetError, match="no data set davis/left/events; the file's top level holds davis"):
        MvsecSequence(own, "outdoor_day2")


@pytest.mark.parametrize("key", ["image_raw_ts", "image_raw", "events"])
def test_damaged_chunks_are_one_clear_line(own, damage_chunk, key):
    path = own / "outdoor_day1_data.hdf5"
    damage_chunk(path, f"davis/left/{key}")
    with pytest.raises(DatasetError, match=rf"davis/left/{key} are damaged .*; download the file again") as error:
        sequence = MvsecSequence(own, "outdoor_day1", labels=own / "labels")
        list(sequence.labels() if key == "image_raw_ts" else sequence.frames())
        assert sequence.span_us
    assert "\n" not in str(error.value)


def test_times_that_are_a_single_value_are_refused(own):
    h5py = pytest.importorskip("h5py")
    with h5py.File(own / "outdoor_day1_data.hdf5", "a") as file:
        del file["davis/left/image_raw_ts"]
        file["davis/left/image_raw_ts"] = 5.0
    with pytest.raises(DatasetError, match="image_raw_ts is a single value, not a list"):
        list(MvsecSequence(own, "outdoor_day1", labels=own / "labels").labels())


@pytest.mark.parametrize(("column", "value"), [(0, -1.0), (0, 70_000.0), (1, 260.0), (0, np.nan)])
def test_an_event_outside_the_sensor_is_left_out_and_counted(own, davis_take, column, value):
    import h5py

    with h5py.File(own / "outdoor_day1_data.hdf5", "a") as file:
        row = file["davis/left/events"][7]
        row[column] = value
        file["davis/left/events"][7] = row
    sequence = MvsecSequence(own, "outdoor_day1")
    start, stop = sequence.span_us
    assert len(sequence.events(start - 1, stop)) == len(davis_take.events) - 1
    assert sequence.off_sensor == 1
