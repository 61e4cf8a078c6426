import numpy as np
import pytest

from halsie_ros.datasets.dsec import DsecSequence
from halsie_ros.datasets.splits import split_samples
from halsie_ros.errors import DatasetError
from halsie_ros.simulation.miniatures import rectify_map, write_dsec

OFFSET = 49_599_300_000


@pytest.fixture(scope="module")
def root(vga_take, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dsec")
    write_dsec(folder, "zurich_city_13_a", vga_take)
    return folder


@pytest.fixture
def own(vga_take, tmp_path):
    """A sequence of one's own to damage."""
    return write_dsec(tmp_path, "zurich_city_00_a", vga_take, semantic_left=False)


def test_raw_events_come_back_one_by_one(root, vga_take):
    sequence = DsecSequence(root / "zurich_city_13_a", rectify=False)
    start, stop = sequence.span_us
    events, truth = sequence.events(start - 1, stop), vga_take.events
    assert np.array_equal(events.x, truth.x) and np.array_equal(events.y, truth.y)
    assert np.array_equal(events.t_us - OFFSET, truth.t_us) and np.array_equal(events.polarity, truth.polarity)


@pytest.mark.parametrize(
    "bounds", [(0, 400_000), (1000, 2000), (999, 1001), (123_456, 123_456), (-5, 0), (399_999, 9e6)]
)
def test_windows_are_cut_exactly(root, vga_take, bounds):
    t0_us, t1_us = (int(bound) + OFFSET for bound in bounds)
    events = DsecSequence(root / "zurich_city_13_a", rectify=False).events(t0_us, t1_us)
    truth = vga_take.events.shifted(OFFSET).between(t0_us, t1_us)
    assert np.array_equal(events.t_us, truth.t_us) and np.array_equal(events.x, truth.x)


def test_rectified_events_follow_the_map_and_stay_in_the_top_440_rows(root, vga_take):
    sequence = DsecSequence(root / "zurich_city_13_a")
    events = sequence.events(sequence.span_us[0] - 1, sequence.span_us[1])
    truth = vga_take.events
    x, y = np.rint(rectify_map()[truth.y, truth.x]).astype(int).T
    inside = (x >= 0) & (x < 640) & (y >= 0) & (y < 440)
    assert np.array_equal(events.x, x[inside]) and np.array_equal(events.y, y[inside])
    assert 0 < len(events) < len(truth)


def test_frames_are_warped_into_the_events_view(root, vga_take):
    for (t_us, frame), truth, stamp in zip(
        DsecSequence(root / "zurich_city_13_a").frames(), vga_take.frames, vga_take.t_us
    ):
        assert frame.shape == (440, 640, 3) and t_us == stamp + OFFSET
        difference = np.abs(frame.astype(int) - truth[:440])
        assert np.mean(difference < 12) > 0.8 and difference.mean() < 8


def test_frames_of_the_camera_itself_are_left_as_they_are(root):
    _, frame = next(DsecSequence(root / "zurich_city_13_a", rectify=False).frames())
    assert frame.shape == (1080, 1440, 3)


def test_labels_in_either_folder_form(root, own, vga_take):
    for folder in (root / "zurich_city_13_a", own):
        masks = list(DsecSequence(folder).labels())
        assert len(masks) == len(vga_take.labels)
        assert all(np.array_equal(mask, truth[:440]) for (_, mask), truth in zip(masks, vga_take.labels))
    assert next(DsecSequence(own, crop=False).labels())[1].shape == (480, 640)


def test_the_published_protocol_leaves_six_labels_out_and_takes_every_second(root, vga_take):
    _, _, samples = split_samples("dsec", root, "zurich_city_13_a", frames=3)
    samples = list(samples)
    assert [int(sample.t_us[-1]) - OFFSET for sample in samples] == [300_000, 400_000]
    assert all(len(sample) == 3 for sample in samples)
    assert samples[0].bounds_us(0) == (OFFSET + 150_000, OFFSET + 200_000)
    assert np.array_equal(samples[0].labels[-1], vga_take.labels[6, :440])


def test_a_missing_sequence_of_a_split_is_named(root):
    with pytest.raises(DatasetError, match="no sequence zurich_city_14_c"):
        split_samples("dsec", root, "test", frames=2)


def test_a_cut_file_is_one_clear_line(own):
    path = own / "events" / "left" / "events.h5"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DatasetError, match=r"events\.h5: cut short or not HDF5") as error:
        DsecSequence(own)
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named(own):
    h5py = pytest.importorskip("h5py")
    with h5py.File(own / "events" / "left" / "events.h5", "a") as file:
        del file["ms_to_idx"]
    with pytest.raises(DatasetError, match=r"no data set ms_to_idx; .* holds events, t_offset"):
        DsecSequence(own)


def test_an_absent_offset_counts_as_zero(own, vga_take):
    h5py = pytest.importorskip("h5py")
    with h5py.File(own / "events" / "left" / "events.h5", "a") as file:
        del file["t_offset"]
    assert DsecSequence(own).span_us == (vga_take.events.t_us[0], vga_take.events.t_us[-1])


def test_an_offset_of_shape_one_is_read(own):
    h5py = pytest.importorskip("h5py")
    with h5py.File(own / "events" / "left" / "events.h5", "a") as file:
        del file["t_offset"]
        file["t_offset"] = np.array([77], np.int64)
    assert DsecSequence(own).t_offset_us == 77


def test_frames_without_their_times_are_refused(own):
    (own / "images" / "timestamps.txt").write_text("1\n2\n")
    with pytest.raises(DatasetError, match="2 times for 9 pictures"):
        list(DsecSequence(own).frames())


def test_a_missing_calibration_is_named_when_frames_are_warped(own):
    (own / "calibration" / "cam_to_cam.yaml").unlink()
    with pytest.raises(DatasetError, match=r"cam_to_cam\.yaml: not here; expected the calibration"):
        list(DsecSequence(own).frames())


def test_missing_labels_are_named(own):
    (own / "semantic").rename(own / "other")
    with pytest.raises(DatasetError, match="expected DSEC-Semantic's masks"):
        list(DsecSequence(own).labels())
