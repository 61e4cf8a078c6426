import sys

import numpy as np
import pytest

from halsie_ros.datasets.recordings.dsec import DsecSequence
from halsie_ros.datasets.registry import split_samples
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


@pytest.mark.parametrize("masks", ["left", "."])
@pytest.mark.parametrize("stamps", ["left", "."])
def test_masks_and_their_times_may_lie_in_different_folders(own, vga_take, masks, stamps):
    semantic = own / "semantic"
    (semantic / "left").mkdir()
    if masks != ".":
        (semantic / "11classes").rename(semantic / masks / "11classes")
    if stamps != ".":
        (semantic / "timestamps.txt").rename(semantic / stamps / "timestamps.txt")
    assert [t_us - OFFSET for t_us, _ in DsecSequence(own).labels()] == vga_take.t_us.tolist()


def test_labels_without_their_times_are_refused(own):
    (own / "semantic" / "timestamps.txt").unlink()
    with pytest.raises(DatasetError, match=r"semantic/timestamps\.txt: not here; expected one time"):
        list(DsecSequence(own).labels())


def test_the_published_protocol_leaves_six_labels_out_and_takes_every_second(root, vga_take):
    _, _, samples = split_samples("dsec", root, "zurich_city_13_a", frames=3)
    samples = list(samples)
    assert [int(sample.t_us[-1]) - OFFSET for sample in samples] == [300_000, 400_000]
    assert all(len(sample) == 3 for sample in samples)
    assert samples[0].bounds_us(0) == (OFFSET + 150_000, OFFSET + 200_000)
    assert np.array_equal(samples[0].labels[-1], vga_take.labels[6, :440])


def test_a_missing_sequence_of_a_split_is_named(root):
    with pytest.raises(DatasetError, match="no sequence zurich_city_14_c, zurich_city_15_a in it"):
        split_samples("dsec", root, "test", frames=2)


def test_a_split_may_leave_one_sequence_out(root):
    with pytest.raises(DatasetError, match="no sequence zurich_city_14_c in it"):
        split_samples("dsec", root, "test-zurich_city_15_a", frames=2)
    with pytest.raises(DatasetError, match="test has no zurich_city_00_a; leave out one of zurich_city_13_a"):
        split_samples("dsec", root, "test-zurich_city_00_a", frames=2)


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


def test_a_damaged_rectification_map_is_one_clear_line(own, damage_chunk):
    damage_chunk(own / "events" / "left" / "rectify_map.h5", "rectify_map")
    with pytest.raises(DatasetError, match=r"rectify_map are damaged .*; download the file again") as error:
        DsecSequence(own)
    assert "\n" not in str(error.value)


def test_damaged_events_are_one_clear_line(own, damage_chunk):
    damage_chunk(own / "events" / "left" / "events.h5", "events/t")
    sequence = DsecSequence(own)
    for look in (lambda: sequence.span_us, lambda: sequence.events(OFFSET, OFFSET + 100_000)):
        with pytest.raises(DatasetError, match=r"events/t are damaged .*; download the file again"):
            look()


def test_an_empty_table_of_milliseconds_is_refused(own):
    h5py = pytest.importorskip("h5py")
    with h5py.File(own / "events" / "left" / "events.h5", "a") as file:
        del file["ms_to_idx"]
        file["ms_to_idx"] = np.zeros(0, np.uint64)
    with pytest.raises(DatasetError, match=r"events\.h5: ms_to_idx is empty; download it again"):
        DsecSequence(own)


def test_a_missing_plugin_is_named_with_the_remedy(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(DatasetError, match=r"not installed, `pip install halsie_ros\[data\]` brings them"):
        DsecSequence(root / "zurich_city_13_a")


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


@pytest.mark.parametrize("stray", [33014, 480, 65535])
@pytest.mark.parametrize("rectify", [False, True])
def test_one_event_outside_the_sensor_is_left_out_and_counted(own, stray, rectify):
    import h5py

    file = own / "events" / "left" / "events.h5"
    whole = DsecSequence(own, rectify=rectify)
    first, last = whole.span_us
    count = len(whole.events(first - 1, last))
    whole._file.close()
    with h5py.File(file, "a") as events:
        y = events["events/y"][:]
        y[len(y) // 2] = stray
        del events["events/y"]
        events["events/y"] = y
    sequence = DsecSequence(own, rectify=rectify)
    assert count - 1 <= len(sequence.events(first - 1, last)) <= count
    assert sequence.off_sensor == 1
