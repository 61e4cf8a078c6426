"""Bags from data sets, against small recordings in exactly the official layouts, event for event.

With HALSIE_DSEC_ROOT (a folder of DSEC sequences) or HALSIE_MVSEC_ROOT (a folder with ``*_data.hdf5``) set, the same
comparison runs on two seconds of the real thing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.recording import Recording
from halsie_ros.cli.main import main
from halsie_ros.datasets.recordings.dsec import DsecSequence
from halsie_ros.datasets.recordings.mvsec import MvsecSequence
from halsie_ros.events import Events
from halsie_ros.simulation.miniatures import take_scene, write_ddd17_ess, write_dsec, write_mvsec
from halsie_ros.simulation.street.scene import demo_seed
from halsie_ros.wire.layout import stamp_ns_of

pytest.importorskip("h5py", reason="extra `data` is not installed")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Half a second of a street as DSEC, MVSEC and DDD17."""
    root = tmp_path_factory.mktemp("recordings")
    small = take_scene(demo_seed(1), 0.3, 346, 260)
    return {
        "dsec": write_dsec(root / "DSEC", "zurich_city_00_a", take_scene(demo_seed(2), 0.2, 640, 480)),
        "mvsec": write_mvsec(root / "MVSEC", "outdoor_day1", small),
        "ddd17": write_ddd17_ess(root / "DDD17", "dir0", small),
    }


def build(kind, source, bag, *options, capsys=None):
    code = main(["bag", "build", kind, str(source), str(bag), *options, "--json", "-"])
    out = capsys.readouterr().out if capsys else ""
    assert code == 0
    return json.loads(out) if out else {}


def rows(events: Events) -> np.ndarray:
    """Events as rows, those of one microsecond in one order: evt3 keeps them by row of the sensor."""
    table = np.stack([events.t_us, events.y, events.x, events.polarity], 1)
    return table[np.lexsort(table.T[::-1])]


def events_of(bag) -> Events:
    return Events.concatenate(Recording(bag).events())


def stamps_of(bag_path, topic):
    with open_bag(bag_path) as bag:
        return [stamp_ns_of(payload) for _, _, payload in bag.messages([topic])]


@pytest.mark.parametrize(("storage", "encoding"), [("mcap", "evt3"), ("sqlite3", "dvs")])
def test_a_dsec_bag_holds_the_raw_events_and_frames(recordings, tmp_path, storage, encoding, capsys):
    bag = tmp_path / "bag"
    summary = build("dsec", recordings["dsec"], bag, "--storage", storage, "--events", encoding, capsys=capsys)
    sequence = DsecSequence(recordings["dsec"], rectify=False)
    first, last = sequence.span_us
    assert np.array_equal(rows(events_of(bag)), rows(sequence.events(first - 1, last)))
    frames = [t_us for t_us, _ in sequence.frames()]
    assert stamps_of(bag, "/camera/image_raw") == [t_us * 1000 for t_us in frames]
    assert (summary["frames"], summary["labels"], summary["refused"]) == (len(frames), 0, 0)
    with open_bag(bag) as reader:
        frame = reader.deserialize("/camera/camera_info", next(reader.messages(["/camera/camera_info"]))[2])
        event = reader.deserialize("/event_camera/camera_info", next(reader.messages(["/event_camera/camera_info"]))[2])
        image = reader.deserialize("/camera/image_raw", next(reader.messages(["/camera/image_raw"]))[2])
    assert (frame.width, frame.height) == (image.width, image.height) == (1440, 1080)
    assert (event.width, event.height) == (640, 480)
    assert reader.custom_data["sequence"] == "zurich_city_00_a" and "CC BY-SA" in reader.custom_data["licence"]


def test_a_warped_dsec_bag_has_frames_events_and_labels_in_one_view(recordings, tmp_path, capsys):
    bag = tmp_path / "bag"
    summary = build("dsec", recordings["dsec"], bag, "--warp", capsys=capsys)
    assert summary["labels"] == summary["frames"] > 3
    sequence = DsecSequence(recordings["dsec"], crop=False)
    recording = Recording(bag)
    for (stamp_ns, pixels), (t_us, expected) in zip(recording.frames(), sequence.frames(), strict=True):
        assert stamp_ns == t_us * 1000 and np.array_equal(pixels, expected)
    for (stamp_ns, mask), (t_us, expected) in zip(recording.truth(), sequence.labels(), strict=True):
        assert stamp_ns == t_us * 1000 and np.array_equal(mask, expected) and mask.shape == (480, 640)
    first, last = sequence.span_us
    assert np.array_equal(rows(events_of(bag)), rows(sequence.events(first - 1, last)))


def test_an_mvsec_bag_holds_events_frames_imu_depth_pose_and_labels(recordings, tmp_path, capsys):
    bag, root = tmp_path / "bag", recordings["mvsec"].parent
    summary = build("mvsec", recordings["mvsec"], bag, "--labels", str(root / "labels"), capsys=capsys)
    sequence = MvsecSequence(root, "outdoor_day1", labels=root / "labels")
    first, last = sequence.span_us
    assert np.array_equal(rows(events_of(bag)), rows(sequence.events(first - 1, last)))
    assert summary["imu"] > 20 and summary["refused"] == 0
    assert (
        summary["frames"] == summary["labels"] == summary["depth"] == summary["poses"] == len(list(sequence.frames()))
    )
    with open_bag(bag) as reader:
        info = reader.deserialize("/camera/camera_info", next(reader.messages(["/camera/camera_info"]))[2])
        depth = reader.deserialize("/ground_truth/depth", next(reader.messages(["/ground_truth/depth"]))[2])
    assert info.distortion_model == "equidistant" and info.k[0] == 226.4
    assert depth.encoding == "32FC1" and depth.data.view(np.float32)[0] == 60


def test_a_ddd17_bag_holds_the_recording(recordings, tmp_path, capsys):
    from halsie_ros.datasets.recordings.ddd17 import EssSequence

    summary = build("ddd17", recordings["ddd17"], tmp_path / "bag", capsys=capsys)
    sequence = EssSequence(recordings["ddd17"])
    first, last = sequence.span_us
    found = events_of(tmp_path / "bag")
    expected = sequence.events(first - 1, last)
    assert np.array_equal(rows(found.shifted(int(expected.t_us[0] - found.t_us[0]))), rows(expected))
    assert summary["labels"] == summary["frames"] == len(list(sequence.frames()))


def test_start_and_duration_cut_every_stream(recordings, tmp_path, capsys):
    options = ("--start", "0.1", "--duration", "0.1")
    build("mvsec", recordings["mvsec"], tmp_path / "bag", *options, capsys=capsys)
    sequence = MvsecSequence(recordings["mvsec"].parent, "outdoor_day1")
    start = sequence.span_us[0] + 100_000
    expected = sequence.events(start - 1, start + 100_000)
    assert np.array_equal(rows(events_of(tmp_path / "bag")), rows(expected))
    stamps = stamps_of(tmp_path / "bag", "/camera/image_raw")
    assert stamps and all(start * 1000 <= stamp <= (start + 100_000) * 1000 for stamp in stamps)


MVSEC_TIMES = np.arange(0, 100_000, 130)


def write_mvsec_ros1(path, image_type="sensor_msgs/msg/Image"):
    """A tenth of a second as MVSEC's own bags have it: 770 events, 5 pictures and 5 imu messages, from 100 s on."""
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    types = get_types_from_msg("uint16 x\nuint16 y\ntime ts\nbool polarity\n", "dvs_msgs/msg/Event")
    array = "std_msgs/Header header\nuint32 height\nuint32 width\nEvent[] events\n"
    store.register(types | get_types_from_msg(array, "dvs_msgs/msg/EventArray"))

    def stamp(t_us):
        return store.types["builtin_interfaces/msg/Time"](sec=100 + t_us // 1_000_000, nanosec=t_us % 1_000_000 * 1000)

    def header(t_us):
        return store.types["std_msgs/msg/Header"](seq=0, stamp=stamp(t_us), frame_id="")

    times = MVSEC_TIMES
    event = store.types["dvs_msgs/msg/Event"]
    with Writer(path) as writer:
        events = writer.add_connection("/davis/left/events", "dvs_msgs/msg/EventArray", typestore=store)
        images = writer.add_connection("/davis/left/image_raw", image_type, typestore=store)
        imus = writer.add_connection("/davis/left/imu", "sensor_msgs/msg/Imu", typestore=store)
        vector = store.types["geometry_msgs/msg/Vector3"]
        for t_us in range(0, 100_000, 20_000):
            inside = times[(times >= t_us) & (times < t_us + 20_000)]
            packet = [event(x=int(t) % 346, y=int(t) % 260, ts=stamp(int(t)), polarity=bool(t % 2)) for t in inside]
            message = store.types["dvs_msgs/msg/EventArray"](
                header=header(t_us + 20_000), height=260, width=346, events=packet
            )
            log_ns = (100_000_000 + t_us + 20_000) * 1000
            writer.write(events, log_ns, store.serialize_ros1(message, "dvs_msgs/msg/EventArray"))
            image = store.types["sensor_msgs/msg/Image"](
                header=header(t_us), height=2, width=2, encoding="mono8", is_bigendian=0, step=2,
                data=np.array([1, 2, 3, 4], np.uint8),
            )  # fmt: skip
            writer.write(images, log_ns, store.serialize_ros1(image, "sensor_msgs/msg/Image"))
            imu = store.types["sensor_msgs/msg/Imu"](
                header=header(t_us),
                orientation=store.types["geometry_msgs/msg/Quaternion"](x=0, y=0, z=0, w=1),
                orientation_covariance=np.zeros(9), angular_velocity=vector(x=1, y=2, z=3),
                angular_velocity_covariance=np.zeros(9), linear_acceleration=vector(x=4, y=5, z=6),
                linear_acceleration_covariance=np.zeros(9),
            )  # fmt: skip
            writer.write(imus, log_ns, store.serialize_ros1(imu, "sensor_msgs/msg/Imu"))
    return path


def test_mvsecs_own_ros1_bag_converts(tmp_path, capsys):
    path, times = write_mvsec_ros1(tmp_path / "flying_data.bag"), MVSEC_TIMES
    summary = build("mvsec", path, tmp_path / "bag", capsys=capsys)
    assert (summary["frames"], summary["imu"], summary["events"], summary["refused"]) == (5, 5, len(times), 0)
    found = events_of(tmp_path / "bag")
    assert np.array_equal(found.t_us, times + 100_000_000) and np.array_equal(found.x, times % 346)
    with open_bag(tmp_path / "bag") as bag:
        imu = bag.deserialize("/imu", next(bag.messages(["/imu"]))[2])
    assert (imu.linear_acceleration.y, imu.angular_velocity.z) == (5, 3)


def test_start_and_duration_cut_a_ros1_bag_too_and_no_further(tmp_path, capsys):
    path = write_mvsec_ros1(tmp_path / "flying_data.bag")
    # Messages are logged at 100.02, 100.04 … 100.10 s, with the events of the 20 ms before.
    summary = build("mvsec", path, tmp_path / "cut", "--start", "0.02", "--duration", "0.04", capsys=capsys)
    assert (summary["frames"], summary["events"]) == (3, ((MVSEC_TIMES >= 20_000) & (MVSEC_TIMES < 80_000)).sum())
    summary = build("mvsec", path, tmp_path / "rest", "--start", "0.07", "--duration", "1000", capsys=capsys)
    assert (summary["frames"], summary["events"]) == (1, (MVSEC_TIMES >= 80_000).sum())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--start", "nan"), "--start nan: flying is 0.080 s long, give 0 up to that"),
        (("--start", "-1"), "--start -1.0: flying is 0.080 s long"),
        (("--start", "inf"), "--start inf: flying is 0.080 s long"),
        (("--start", "0.5"), "--start 0.5: flying is 0.080 s long"),
        (("--duration", "nan"), "--duration nan: give seconds, more than 0"),
        (("--duration", "inf"), "--duration inf: give seconds, more than 0"),
        (("--duration", "0"), "--duration 0.0: give seconds, more than 0"),
        (("--duration", "-2"), "--duration -2.0: give seconds, more than 0"),
        (("--start", "0.065", "--duration", "0.01"), "no events in the chosen span"),
    ],
)
def test_a_span_that_cannot_be_is_one_line(recordings, tmp_path, words, line, capsys):
    ros1 = write_mvsec_ros1(tmp_path / "flying_data.bag")
    assert main(["bag", "build", "mvsec", str(ros1), str(tmp_path / "bag"), *words]) == 1
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1
    if len(words) == 2:
        assert main(["bag", "build", "mvsec", str(recordings["mvsec"]), str(tmp_path / "bag"), *words]) == 1
        error = capsys.readouterr().err
        assert words[0] in error and "give" in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["flying_data.bag"]


def test_a_ros1_bag_that_is_damaged_or_another_is_one_line_and_leaves_nothing(tmp_path, capsys):
    whole = write_mvsec_ros1(tmp_path / "whole_data.bag").read_bytes()
    write_mvsec_ros1(tmp_path / "other_data.bag", image_type="sensor_msgs/msg/CompressedImage")
    (tmp_path / "cut_data.bag").write_bytes(whole[: len(whole) // 2])
    middle = bytearray(whole)
    middle[6000:9000] = bytes(3000)
    (tmp_path / "middle_data.bag").write_bytes(middle)
    (tmp_path / "empty_data.bag").write_bytes(b"")
    (tmp_path / "none_data.bag").write_text("hello")
    before = sorted(tmp_path.iterdir())
    expected = {"other": "/davis/left/image_raw is of type sensor_msgs/msg/CompressedImage", "middle": "damaged"}
    for name in ("other", "cut", "middle", "empty", "none"):
        assert main(["bag", "build", "mvsec", str(tmp_path / f"{name}_data.bag"), str(tmp_path / "bag")]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and f"{name}_data.bag" in error
        assert expected.get(name, "cannot be opened") in error
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_built_is_one_line_and_leaves_nothing(recordings, tmp_path, capsys):
    bag = str(tmp_path / "bag")
    broken = tmp_path / "broken"
    write_dsec(broken, "a", take_scene(demo_seed(3), 0.05, 640, 480))
    file = broken / "a" / "events" / "left" / "events.h5"
    file.write_bytes(file.read_bytes()[:3000])
    cases = {
        "events.h5": ["dsec", str(broken / "a"), bag],
        "nowhere": ["dsec", str(tmp_path / "nowhere"), bag],
        "_data.hdf5": ["mvsec", str(tmp_path), bag],
        "s long, give 0": ["mvsec", str(recordings["mvsec"]), bag, "--start", "50"],
        "--index 9999": ["camvid", str(tmp_path), bag, "--index", "9999"],
        "dir0": ["ddd17", str(tmp_path / "dir0"), bag],
    }
    (tmp_path / "val.txt").write_text("")
    for words, command in cases.items():
        assert main(["bag", "build", *command]) == 1, command
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and (words in error or words == "--index 9999"), error
    assert not (tmp_path / "bag").exists() and not list(tmp_path.glob(".bag*"))


@pytest.mark.parametrize(("kind", "variable"), [("dsec", "HALSIE_DSEC_ROOT"), ("mvsec", "HALSIE_MVSEC_ROOT")])
def test_the_real_recordings_convert_event_for_event(kind, variable, tmp_path, capsys):
    root = Path(os.environ.get(variable, "/nonexistent"))
    if not root.is_dir():
        pytest.skip(f"{variable} is not set")
    if kind == "dsec":
        source = sorted(path.parents[2] for path in root.glob("*/events/left/events.h5"))[0]
        sequence = DsecSequence(source, rectify=False)
    else:
        source = sorted(root.rglob("*_data.hdf5"))[0]
        sequence = MvsecSequence(source.parent, source.stem.removesuffix("_data"))
    build(kind, source, tmp_path / "bag", "--start", "1", "--duration", "2", capsys=capsys)
    start = sequence.span_us[0] + 1_000_000
    assert np.array_equal(rows(events_of(tmp_path / "bag")), rows(sequence.events(start - 1, start + 2_000_000)))


def test_a_recording_whose_events_and_frames_do_not_overlap_gives_no_bag(recordings, tmp_path, capsys):
    import shutil

    import h5py

    folder = tmp_path / "zurich_city_00_a"
    shutil.copytree(recordings["dsec"], folder)
    with h5py.File(folder / "events" / "left" / "events.h5", "a") as file:
        assert file["t_offset"][()] > 10**6
        del file["t_offset"]
    assert main(["bag", "build", "dsec", str(folder), str(tmp_path / "bag")]) == 1
    error = capsys.readouterr().err
    assert (
        "do not overlap in time" in error and "has no t_offset: download it again" in error and error.count("\n") == 1
    )
    assert not (tmp_path / "bag").exists()
