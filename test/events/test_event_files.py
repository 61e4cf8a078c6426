"""Recordings in files: what each format holds, and files that are not what they say."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from halsie_ros.datasets.recordings.event_files import open_events
from halsie_ros.errors import CodecError, DatasetError
from halsie_ros.events import Events
from halsie_ros.events.codecs import evt2, evt3

EVT3_HEADER = b"% date 2026-01-01\n% evt 3.0\n% format EVT3;height=480;width=640\n% geometry 640x480\n% end\n"


def same(a: Events, b: Events) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in Events.__slots__)


def test_evt3_raw_file_gives_its_events(tmp_path, random_events):
    events = random_events(3000, span_us=40_000_000)
    (tmp_path / "a.raw").write_bytes(EVT3_HEADER + evt3.encode(events, time_base_us=0).tobytes())
    recording = open_events(tmp_path / "a.raw")
    assert (recording.format, recording.width, recording.height) == ("evt3 raw", 640, 480)
    assert same(recording.read(), events)
    assert same(recording.read(), events)
    assert recording.dropped == {}


@pytest.mark.parametrize(
    "header", [b"% evt 2.0\n% geometry 640x480\n", b"% format EVT2\n% plugin_name hal_plugin_gen31_fx3\n% end\n"]
)
def test_evt2_raw_file_gives_its_events(tmp_path, random_events, header):
    events = random_events(3000, span_us=10_000_000)
    (tmp_path / "a.raw").write_bytes(header + evt2.encode(events).tobytes())
    assert same(open_events(tmp_path / "a.raw").read(), events)


def test_real_evt3_words_in_a_raw_file_give_the_recordings_counts(tmp_path, evt3_messages):
    words = b"".join(payload[68:] for _, payload in evt3_messages)
    (tmp_path / "a.raw").write_bytes(EVT3_HEADER + words)
    events = open_events(tmp_path / "a.raw").read()
    assert (len(events), int(events.polarity.sum()), int(events.t_us[0])) == (343_474, 125_183, 7_139_845)


def test_events_beyond_the_headers_geometry_are_counted(tmp_path):
    events = Events.of([700, 1], [1, 1], [5, 6], [1, 1])
    (tmp_path / "a.raw").write_bytes(EVT3_HEADER + evt3.encode(events, time_base_us=0).tobytes() + b"\0")
    recording = open_events(tmp_path / "a.raw")
    assert same(recording.read(), events[1:])
    assert recording.dropped == {"off_sensor": 1, "odd_bytes": 1}


def test_dsec_file_gives_events_on_the_recordings_clock(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "events.h5", "w") as file:
        for key, values in {"x": [1, 640], "y": [2, 0], "t": [10, 20], "p": [1, 0]}.items():
            file[f"events/{key}"] = np.array(values, np.uint32)
        file["t_offset"] = 1000
    recording = open_events(tmp_path / "events.h5")
    assert same(recording.read(), Events.of([1], [2], [1010], [1]))
    assert (recording.format, recording.dropped) == ("dsec h5", {"off_sensor": 1})


def test_real_mvsec_pairs_give_their_rows(shared_data):
    h5py = pytest.importorskip("h5py")
    counts = []
    for path in sorted((shared_data / "events" / "mvsec_pairs").glob("*.hdf5")):
        recording = open_events(path)
        events = recording.read()
        with h5py.File(path) as file:
            rows = file["events"][:]
        assert len(events) == len(rows) and not recording.dropped
        assert np.array_equal(events.x, rows[:, 0]) and np.array_equal(events.y, rows[:, 1])
        assert np.abs(events.t_us - rows[:, 2] * 1e6).max() <= 0.5
        assert np.array_equal(events.polarity, rows[:, 3] > 0)
        assert (recording.width, recording.height) == (346, 260)
        counts.append(len(events))
    assert counts[0] == 164


def test_real_rpg_text_gives_its_events(shared_data):
    recording = open_events(shared_data / "events" / "rpg_slider_depth" / "events.txt")
    events = recording.read()
    assert (len(events), recording.width, recording.height) == (50_000, 240, 180)
    assert (events.x[0], events.y[0], events.t_us[0], events.polarity[0]) == (96, 133, 3811, False)


def fake_aedat(packets, streams):
    class Decoder:
        def __init__(self, path):
            self._packets = iter(packets)

        def id_to_stream(self):
            return streams

        def __iter__(self):
            return self

        def __next__(self):
            return next(self._packets)

    return types.SimpleNamespace(Decoder=Decoder)


def test_aedat4_gives_the_first_event_stream(tmp_path, monkeypatch):
    fields = [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")]
    packets = [
        {"stream_id": 1, "frame": {}},
        {"stream_id": 0, "events": np.array([(5, 1, 2, True), (6, 9, 2, False)], fields)},
    ]
    streams = {1: {"type": "frame"}, 0: {"type": "events", "width": 4, "height": 4}}
    monkeypatch.setitem(sys.modules, "aedat", fake_aedat(packets, streams))
    (tmp_path / "a.aedat4").write_bytes(b"")
    recording = open_events(tmp_path / "a.aedat4")
    assert same(recording.read(), Events.of([1], [2], [5], [1]))
    assert recording.dropped == {"off_sensor": 1}


def test_aedat4_without_an_event_stream_names_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "aedat", fake_aedat([], {1: {"type": "frame"}}))
    (tmp_path / "a.aedat4").write_bytes(b"")
    with pytest.raises(CodecError, match="no event stream, the file holds frame"):
        open_events(tmp_path / "a.aedat4")


def test_aedat4_without_its_library_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "aedat", None)
    (tmp_path / "a.aedat4").write_bytes(b"")
    with pytest.raises(CodecError, match=r"pip install halsie_ros\[aedat\]"):
        open_events(tmp_path / "a.aedat4")


def test_file_that_is_no_aedat4_is_refused_by_the_library(tmp_path):
    pytest.importorskip("aedat")
    (tmp_path / "a.aedat4").write_bytes(b"nothing of the kind")
    with pytest.raises(CodecError, match="not an AEDAT4 file"):
        open_events(tmp_path / "a.aedat4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x01\x02", "does not start with a `% ` header"),
        (b"% evt 4.0\n% end\n", "its header says '4.0' for format: EVT2, EVT21 and EVT3 can be read"),
        (b"% geometry 640x480\n% end\n", "says 'nothing' for format"),
        (b"% evt 3.0\n% end\n", "names no geometry"),
        (b"% evt 3.0\n% geometry 0x480\n% end\n", "says 0x480 pixels"),
        (b"% format EVT3;width=9999;height=2\n", "says 9999x2 pixels"),
        (b"% " + b"x" * 70_000, "has no end within 65536 bytes"),
    ],
)
def test_raw_file_with_a_header_that_cannot_work_is_refused(tmp_path, content, message):
    (tmp_path / "a.raw").write_bytes(content)
    with pytest.raises(CodecError, match=message):
        open_events(tmp_path / "a.raw")


def test_missing_file_and_unknown_ending_name_what_can_be_read(tmp_path):
    with pytest.raises(CodecError, match="no such file"):
        open_events(tmp_path / "a.raw")
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(CodecError, match=r"unknown ending '.csv', known are .raw, .aedat4"):
        open_events(tmp_path / "a.csv")
    (tmp_path / "b.txt").write_bytes(b"")
    with pytest.raises(CodecError, match="rename the file"):
        open_events(tmp_path / "b.txt")


def test_hdf5_without_events_names_what_is_there(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = [1]
    with pytest.raises(CodecError, match="the file holds image"):
        open_events(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"not hdf5")
    with pytest.raises(DatasetError, match="not HDF5"):
        open_events(tmp_path / "b.h5")


@pytest.mark.parametrize("legacy", [False, True])
def test_evt21_raw_file_gives_its_events(tmp_path, random_events, legacy):
    events = random_events(2000)
    header = b"% format EVT21;height=480;width=640" + (b";endianness=legacy" if legacy else b"") + b"\n% end\n"
    (tmp_path / "a.raw").write_bytes(header + evt2.encode_vectors(events, legacy=legacy).tobytes())
    recording = open_events(tmp_path / "a.raw")
    assert same(recording.read(), events) and not recording.dropped
