import numpy as np
import pytest

from halsie_ros.datasets.mvsec import MvsecSequence
from halsie_ros.datasets.splits import split_samples
from halsie_ros.errors import DatasetError
from halsie_ros.segmentation.labels import DDD17_6, DSEC_11, remap
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


def test_chunks_hold_every_event_once(root, davis_take):
    chunks = list(MvsecSequence(root, "outdoor_day1").event_chunks(33_000))
    assert sum(len(chunk) for chunk in chunks) == len(davis_take.events)


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
    _, _, samples = split_samples("mvsec", root, "outdoor_day", frames=2, labels=root / "labels")
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
