"""`halsie bag build events`: files of events alone become bags."""

from __future__ import annotations

import json

import numpy as np
import pytest

from halsie_ros.bags.builders.common import START_US
from halsie_ros.bags.info import describe
from halsie_ros.bags.reader import open_bag
from halsie_ros.cli.main import main
from halsie_ros.events import Events
from halsie_ros.events.clock import SensorClock
from halsie_ros.events.codecs import evt2, evt3
from halsie_ros.events.messages import EventTopicDecoder

RNG = np.random.default_rng(2)
EVENTS = Events.of(
    RNG.integers(0, 640, 5000),
    RNG.integers(0, 480, 5000),
    np.sort(RNG.integers(100, 400_000, 5000)),
    RNG.integers(0, 2, 5000),
)


def header(name):
    return f"% format {name};height=480;width=640\n% end\n".encode()


def h5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for key, values in zip("xytp", (EVENTS.x, EVENTS.y, EVENTS.t_us, EVENTS.polarity), strict=True):
            file[f"events/{key}"] = np.asarray(values).astype(np.uint32)


def text(path):
    rows = zip(EVENTS.t_us, EVENTS.x, EVENTS.y, EVENTS.polarity, strict=True)
    path.write_text("".join(f"{t / 1e6:.6f} {x} {y} {int(p)}\n" for t, x, y, p in rows))


FILES = {
    "a.raw": lambda path: path.write_bytes(header("EVT3") + evt3.encode(EVENTS, time_base_us=0).tobytes()),
    "b.raw": lambda path: path.write_bytes(header("EVT2") + evt2.encode(EVENTS).tobytes()),
    "c.raw": lambda path: path.write_bytes(header("EVT21") + evt2.encode_vectors(EVENTS).tobytes()),
    "d.h5": h5,
    "events.txt": text,
}


def events_of(bag):
    with open_bag(bag) as opened:
        (topic,) = opened.event_topics()
        decoder, clock = EventTopicDecoder(opened.topics[topic].type), SensorClock()
        return Events.concatenate(
            clock.localize(decoder.push(payload, log_ns))[0].events for _, log_ns, payload in opened.messages([topic])
        )


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("encoding", ["evt3", "dvs"])
def test_every_format_becomes_a_bag_of_the_same_events(tmp_path, name, encoding):
    FILES[name](tmp_path / name)
    out = tmp_path / "out.json"
    words = ["bag", "build", "events", str(tmp_path / name), str(tmp_path / "bag"), "--events", encoding]
    assert main([*words, "--json", str(out)]) == 0
    found = events_of(tmp_path / "bag")
    assert np.array_equal(found.t_us, EVENTS.t_us + START_US)
    assert np.array_equal(
        np.sort(found.x.astype(int) * 1000 + found.y), np.sort(EVENTS.x.astype(int) * 1000 + EVENTS.y)
    )
    summary = json.loads(out.read_text())
    assert (summary["events"], summary["refused"]) == (5000, 0)
    assert describe(tmp_path / "bag")["topics"]["/event_camera/events"]["out_of_order"] == 0


def test_a_stretch_is_cut_out(tmp_path):
    FILES["a.raw"](tmp_path / "a.raw")
    words = [
        "bag",
        "build",
        "events",
        str(tmp_path / "a.raw"),
        str(tmp_path / "bag"),
        "--start",
        "0.1",
        "--duration",
        "0.05",
    ]
    assert main(words) == 0
    first = int(EVENTS.t_us[0])
    inside = EVENTS.t_us[(EVENTS.t_us >= first + 100_000) & (EVENTS.t_us <= first + 150_000)]
    assert np.array_equal(events_of(tmp_path / "bag").t_us, inside + START_US)


def test_what_is_refused_and_off_the_sensor_is_counted(tmp_path):
    stray = Events.of([1, 700, 2, 3], [1, 1, 1, 1], [100, 200, 50_000, 45_000], [1, 1, 1, 1])
    words = evt3.encode(stray[:3], time_base_us=0).tobytes() + evt3.encode(stray[3:], time_base_us=0).tobytes()
    (tmp_path / "a.raw").write_bytes(header("EVT3") + words)
    out = tmp_path / "out.json"
    assert main(["bag", "build", "events", str(tmp_path / "a.raw"), str(tmp_path / "bag"), "--json", str(out)]) == 0
    summary = json.loads(out.read_text())
    assert (summary["events"], summary["refused"], summary["off_sensor"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--start", "9"], "no events to write"), (["--start", "-1"], "give seconds"), ([], "unknown ending")],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(tmp_path, capsys, words, said):
    name = "a.raw" if words else "a.xyz"
    FILES["a.raw"](tmp_path / name)
    assert main(["bag", "build", "events", str(tmp_path / name), str(tmp_path / "bag"), *words]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_real_recording_keeps_its_counts(tmp_path, shared_data):
    with open_bag(shared_data / "events" / "event_camera_bags" / "evt3_640x480_ros1.bag") as bag:
        decoder = EventTopicDecoder("event_camera_msgs/msg/EventPacket", serialization="ros1")
        words = b"".join(_words(decoder, payload) for _, _, payload in bag.messages())
    (tmp_path / "real.raw").write_bytes(header("EVT3") + words)
    assert main(["bag", "build", "events", str(tmp_path / "real.raw"), str(tmp_path / "bag")]) == 0
    topic = describe(tmp_path / "bag")["topics"]["/event_camera/events"]
    assert (topic["on"], topic["off"]) == (125_183, 218_291)


def _words(decoder, payload):
    values = decoder._layout.read(payload)
    return bytes(payload[slice(*values["events"])])
