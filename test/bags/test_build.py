"""Bags built from recordings hold what the recording holds, event for event."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from halsie_ros.bags.info import describe
from halsie_ros.bags.reader import open_bag
from halsie_ros.cli.main import main
from halsie_ros.events import Events
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.messages import EventTopicDecoder
from halsie_ros.wire.layout import stamp_ns_of

GOLDEN = {
    "off": 218_291,
    "on": 125_183,
    "triggers_rising": 2_079,
    "triggers_falling": 2_078,
    "sum_us": 2_885_601_049_874,
    "first_us": 7_139_845,
    "width": 640,
    "height": 480,
    "encoding": "evt3",
    "messages": 517,
    "bad_messages": 0,
}


@pytest.fixture
def folder(tmp_path):
    """A small recording in the RPG text format: 3000 events, 4 frames, the last two after the last event."""
    from PIL import Image

    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(3_000, 60_000, 3000))
    rows = np.stack([times / 1e6, rng.integers(0, 40, 3000), rng.integers(0, 30, 3000), rng.integers(0, 2, 3000)], 1)
    source = tmp_path / "recording"
    (source / "images").mkdir(parents=True)
    np.savetxt(source / "events.txt", rows, "%.9f %d %d %d")
    lines = []
    for index in range(4):
        Image.fromarray(np.full((30, 40), index, np.uint8)).save(source / "images" / f"{index}.png")
        lines.append(f"{index * 0.04:.9f} images/{index}.png")
    (source / "images.txt").write_text("\n".join(lines) + "\n")
    (source / "calib.txt").write_text("50 51 20 15 -0.1 0.05 0 0 0\n")
    return source, Events.of(rows[:, 1], rows[:, 2], times, rows[:, 3])


def read_events(path):
    with open_bag(path) as bag:
        topic = "/event_camera/events"
        decoder, clock = EventTopicDecoder(bag.topics[topic].type), SensorClock()
        return Events.concatenate([clock.localize(decoder.push(p, t))[0].events for _, t, p in bag.messages([topic])])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("encoding", ["evt3", "dvs"])
def test_an_rpg_bag_holds_the_source_event_for_event(folder, tmp_path, storage, encoding, capsys):
    source, events = folder
    command = ["bag", "build", "rpg", str(source), str(tmp_path / "bag"), "--storage", storage, "--events", encoding]
    assert main([*command, "--json", "-"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["frames"], summary["events"], summary["refused"]) == (4, 3000, 0)
    found = read_events(tmp_path / "bag")
    offset_us = int(found.t_us[0] - events.t_us[0])
    # Events of one microsecond may come in another order: evt3 keeps them by row.
    rows = [np.stack([e.t_us, e.y, e.x, e.polarity], 1) for e in (found.shifted(-offset_us), events)]
    ordered = [r[np.lexsort(r.T[::-1])] for r in rows]
    assert np.array_equal(*ordered)
    with open_bag(tmp_path / "bag") as bag:
        stamps = [stamp_ns_of(payload) for _, _, payload in bag.messages(["/camera/image_raw"])]
        info = bag.deserialize("/camera/camera_info", next(bag.messages(["/camera/camera_info"]))[2])
    assert [(stamp // 1000) - offset_us for stamp in stamps] == [0, 40_000, 80_000, 120_000]
    assert list(info.k) == [50, 0, 20, 0, 51, 15, 0, 0, 1] and list(info.d) == [-0.1, 0.05, 0, 0, 0]


def test_a_recording_that_is_none_is_refused_and_leaves_nothing(folder, tmp_path, capsys):
    source, _ = folder
    (source / "events.txt").write_text("0.1 3 4 1\n0.2 three 4 1\n")
    assert main(["bag", "build", "rpg", str(source), str(tmp_path / "bag")]) == 1
    assert main(["bag", "build", "rpg", str(tmp_path / "nowhere"), str(tmp_path / "bag")]) == 1
    (source / "events.txt").write_text("")
    assert main(["bag", "build", "rpg", str(source), str(tmp_path / "bag")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "events.txt" in lines[0] and "nowhere" in lines[1] and "no events" in lines[2]
    assert [path.name for path in tmp_path.iterdir()] == ["recording"]


def test_a_scene_bag_has_frames_events_and_truth_on_one_clock(tmp_path):
    command = ["bag", "build", "scene", str(tmp_path / "bag"), "--duration", "0.2", "--width", "96", "--height", "64"]
    assert main([*command, "--seed", "4", "--light", "dusk"]) == 0
    content = describe(tmp_path / "bag")
    topics = content["topics"]
    assert topics["/camera/image_raw"]["messages"] == topics["/ground_truth/mask"]["messages"] == 6
    events = topics["/event_camera/events"]
    assert (events["width"], events["height"], events["encoding"]) == (96, 64, "evt3")
    assert events["on"] > 0 and events["off"] > 0 and events["out_of_order"] == 0 == events["gaps"]
    assert content["metadata"]["light"] == "dusk"
    with open_bag(tmp_path / "bag") as bag:
        stamps = {
            topic: [stamp_ns_of(payload) for _, _, payload in bag.messages([topic])]
            for topic in ("/camera/image_raw", "/ground_truth/mask")
        }
    assert stamps["/camera/image_raw"] == stamps["/ground_truth/mask"]


@pytest.mark.parametrize(
    "option",
    ["--duration nan", "--duration inf", "--duration -1", "--duration 0", "--width 0", "--height -4", "--width 70000",
     "--frame-rate inf", "--frame-rate nan", "--frame-rate 0.001", "--seed -1", f"--seed {10**30}"],
)  # fmt: skip
def test_a_street_that_cannot_be_is_refused_in_one_line(tmp_path, option, capsys):
    assert main(["bag", "build", "scene", str(tmp_path / "bag"), *option.split()]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"halsie bag: {option.split()[0]} ") and ": give " in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_person_beside_the_street_is_an_encoded_topic_with_truth(tmp_path):
    from halsie_ros.bags.recording import Recording

    command = ["bag", "build", "scene", str(tmp_path / "bag"), "--duration", "0.1", "--width", "96", "--height", "64"]
    assert main([*command, "--person"]) == 0
    recording = Recording(tmp_path / "bag")
    assert recording.packets_topic == "/person_camera/image_raw/ffmpeg"
    assert [name for _, name in recording.actions] == [
        "wave_two_hands", "jumping_jacks", "clap", "bend", "sit", "punch",
    ]  # fmt: skip
    starts = [stamp for stamp, _ in recording.actions]
    assert all(later - earlier == 4_800_000_000 for earlier, later in itertools.pairwise(starts))
    assert len(recording.frame_stamps()) == 3


def test_real_recordings_give_the_golden_numbers_in_both_kinds_of_bag(shared_data):
    folder = shared_data / "events" / "event_camera_bags"
    for name in ("evt3_640x480", "evt3_640x480_ros1.bag"):
        topic = describe(folder / name)["topics"]["/event_camera/events"]
        assert {key: topic[key] for key in GOLDEN} == GOLDEN


def test_info_says_what_is_wrong_with_bad_messages(tmp_path, capsys):
    from halsie_ros.bags.writer import BagWriter
    from halsie_ros.events.messages import encode_event_packet

    events = Events.of([1, 2], [1, 1], [10, 20], [1, 0])
    packet = encode_event_packet(events, encoding="evt3", width=4, height=4, stamp_ns=0, frame_id="", seq=0)
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/events", "event_camera_msgs/msg/EventPacket")
        for index, payload in enumerate((packet, packet[:20], b"", packet)):
            writer.write("/events", index * 1_000_000, payload)
    assert main(["bag", "info", str(tmp_path / "bag")]) == 0
    assert "2 bad_messages" in capsys.readouterr().out
