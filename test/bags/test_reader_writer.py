"""Bags: whole or not at all, the same bytes twice, and one clear line for everything that is no bag."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from halsie_ros.bags import messages
from halsie_ros.bags.reader import open_bag
from halsie_ros.bags.writer import BagWriter
from halsie_ros.errors import BagError
from halsie_ros.wire.definitions import DEFINITIONS, IMAGE, typestore
from halsie_ros.wire.layout import stamp_ns_of

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def write(path: Path, storage: str = "mcap", stamps_ns=(0, 1, 2)) -> BagWriter:
    with BagWriter(path, storage) as writer:
        writer.set_metadata({"sequence": "test"})
        writer.add_topic("/image", IMAGE, best_effort=True)
        writer.add_topic("/labels", "vision_msgs/msg/LabelInfo", latched=True)
        writer.write("/labels", 0, messages.label_info(["sky"], stamp_ns=5, frame_id="map"))
        for stamp_ns in stamps_ns:
            writer.write("/image", stamp_ns, messages.image(PICTURE, stamp_ns=stamp_ns, frame_id="optical"))
    return writer


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_what_is_written_is_read_back(tmp_path, storage):
    write(tmp_path / "bag", storage)
    with open_bag(tmp_path / "bag") as bag:
        assert (bag.storage, bag.count, bag.start_ns, bag.end_ns) == (storage, 4, 0, 2)
        assert bag.custom_data == {"sequence": "test"}
        assert bag.topics_of(IMAGE) == ["/image"] and bag.topics["/image"].count == 3
        assert bag.topics["/labels"].qos[0].durability == "transient_local"
        assert bag.topics["/image"].qos[0].reliability == "best_effort"
        topic, log_ns, payload = list(bag.messages(["/image"]))[1]
        assert (topic, log_ns, stamp_ns_of(payload)) == ("/image", 1, 1)
        image = bag.deserialize(topic, payload)
        assert (image.encoding, image.height, image.width, image.step) == ("rgb8", 2, 3, 9)
        assert np.array_equal(image.data, PICTURE.ravel())


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_the_same_messages_give_the_same_bytes(tmp_path, storage):
    digests = []
    for folder in ("first", "second"):
        write(tmp_path / folder / "bag", storage)
        files = sorted((tmp_path / folder / "bag").iterdir())
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert len(digests[0]) == 2 and digests[0] == digests[1]


def test_messages_up_to_a_millisecond_late_are_sorted_and_later_ones_refused(tmp_path):
    writer = write(tmp_path / "bag", stamps_ns=(0, 5_000_000, 4_000_001, 3_999_999, 6_000_000))
    assert writer.refused == 1
    with open_bag(tmp_path / "bag") as bag:
        assert [log_ns for _, log_ns, _ in bag.messages(["/image"])] == [0, 4_000_001, 5_000_000, 6_000_000]


def test_nothing_stays_of_a_bag_whose_writing_failed(tmp_path):
    with pytest.raises(KeyboardInterrupt), BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/image", IMAGE)
        writer.write("/image", 0, messages.image(PICTURE, stamp_ns=0, frame_id=""))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_existing_path_is_never_overwritten(tmp_path):
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagError, match="exists already: remove it or choose another name"):
        BagWriter(tmp_path / "bag")


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path):
    with pytest.raises(BagError, match=r"needs about \d+ MB, the disk has \d+ MB free"):
        BagWriter(tmp_path / "bag", needed_bytes=1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_bag_is_refused_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "broken.mcap").write_bytes(b"no mcap at all")
    (tmp_path / "broken.bag").write_bytes(b"#ROSBAG V2.0\nand then nothing")
    (tmp_path / "broken.db3").write_bytes(b"SQLite format 3\0" + bytes(50))
    expected = {
        "nowhere": "does not exist: name a rosbag2 folder",
        "empty": "is no rosbag2 folder",
        "text.txt": "is a .txt file",
        "broken.mcap": "cannot be opened",
        "broken.bag": "cannot be opened",
        "broken.db3": "cannot be opened",
    }
    for name, line in expected.items():
        with pytest.raises(BagError, match=line) as caught:
            open_bag(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bag_that_is_cut_short_ends_in_one_line(tmp_path, storage):
    write(tmp_path / "bag", storage, stamps_ns=range(2000))
    file = next(path for path in (tmp_path / "bag").iterdir() if path.suffix != ".yaml")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BagError, match="damaged") as caught, open_bag(tmp_path / "bag") as bag:
        list(bag.messages())
    assert "\n" not in str(caught.value)


def test_metadata_with_an_empty_storage_identifier_is_read_all_the_same(tmp_path):
    write(tmp_path / "bag")
    metadata = tmp_path / "bag" / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("storage_identifier: mcap", "storage_identifier: ''"))
    with open_bag(tmp_path / "bag") as bag:
        assert len(list(bag.messages())) == 4


def test_event_packets_in_bags_have_the_type_hash_of_the_original():
    known = "RIHS01_d6fa176260b1f37e5a40845305315e150a0f18191241eb64f407442aa29844aa"
    assert typestore().hash_rihs01("event_camera_msgs/msg/EventPacket") == known


def test_definitions_equal_those_of_interfaces(repository):
    for name, text in DEFINITIONS.items():
        package, _, short = name.split("/")
        file = repository / "interfaces" / package / "msg" / f"{short}.msg"
        ours = text.replace(f"{package}/", "")
        assert ours == file.read_text(), f"{name} differs from {file.relative_to(repository)}"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_pose_keeps_its_rotation(axis):
    angle = 2.5
    c, s = np.cos(angle), np.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(4)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    matrix[:3, 3] = 1, 2, 3
    store = typestore()
    payload = messages.pose(matrix, stamp_ns=0, frame_id="map")
    pose = store.deserialize_cdr(payload, "geometry_msgs/msg/PoseStamped").pose
    rotation = pose.orientation
    # Rotation by `angle` about one axis: (cos(a/2), sin(a/2) on that axis).
    assert np.isclose(rotation.w, np.cos(angle / 2))
    assert np.isclose(getattr(rotation, "xyz"[axis]), np.sin(angle / 2))
    assert (pose.position.x, pose.position.y, pose.position.z) == (1, 2, 3)
