"""The RPG text format: what is read is exact, what cannot be is named with file and line."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.cli.main import main
from halsie_ros.datasets.recordings import rpg
from halsie_ros.datasets.recordings.rpg import RpgSequence
from halsie_ros.errors import DatasetError

GOOD = ["0.000001 3 4 1", "0.000002 39 29 0", "", "# a comment", "0.000002 0 0 -1", "0.030000 1 2 1"]


@pytest.fixture
def folder(tmp_path):
    """Two pictures of 40x30, four events."""
    from PIL import Image

    source = tmp_path / "recording"
    source.mkdir()
    for index in range(2):
        Image.fromarray(np.zeros((30, 40), np.uint8)).save(source / f"{index}.png")
    (source / "images.txt").write_text("0.0 0.png\n\n0.02 1.png\n")
    (source / "events.txt").write_text("\n".join(GOOD) + "\n")
    (source / "calib.txt").write_text("50 51 20 15 -0.1 0.05 0 0 0\n")
    return source


def test_events_are_read_exactly_whatever_the_size_of_the_parts(folder, monkeypatch):
    for lines in (1, 3, 1_000_000):
        monkeypatch.setattr(rpg, "_LINES", lines)
        sequence = RpgSequence(folder)
        events = sequence.events(-1, 1_000_000)
        assert events.t_us.tolist() == [1, 2, 2, 30_000] and events.x.tolist() == [3, 39, 0, 1]
        assert events.y.tolist() == [4, 29, 0, 2] and events.polarity.tolist() == [True, False, False, True]
        assert (sequence.span_us, sequence.width, sequence.height) == ((1, 30_000), 40, 30)


LINES = {
    "0.03 1.5 2 1": "want whole pixels",
    "0.03 nan 2 1": "want whole pixels",
    "0.03 inf 2 1": "want whole pixels",
    "0.03 1 2 2": "want a polarity of 0 or 1",
    "0.03 1 2 nan": "want a polarity of 0 or 1",
    "0.0000015 1 2 1": "the time goes back from 0.000002 s: sort the file by time",
    "-0.1 1 2 1": "want a time of 0 to",
    "nan 1 2 1": "want a time of 0 to",
    "inf 1 2 1": "want a time of 0 to",
    "1e300 1 2 1": "want a time of 0 to",
    "0.03 three 2 1": "want `t x y p`",
    "0.03 1 2": "want `t x y p`",
    "0.03 1 2 1 5": "want `t x y p`",
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("part", [2, 1_000_000])
def test_an_event_that_cannot_be_is_named_by_file_and_line(folder, line, part, monkeypatch):
    monkeypatch.setattr(rpg, "_LINES", part)
    (folder / "events.txt").write_text("\n".join([*GOOD[:5], line, "0.04 1 2 1"]) + "\n")
    with pytest.raises(DatasetError) as caught:
        RpgSequence(folder).events(0, 1)
    assert str(caught.value).startswith(f"{folder}/events.txt: line 6 is {line!r}: {LINES[line]}")


def test_without_images_a_coordinate_has_sixteen_bits(folder):
    (folder / "images.txt").unlink()
    (folder / "events.txt").write_text("0.1 65535 2 1\n")
    assert RpgSequence(folder).width == 65_536
    (folder / "events.txt").write_text("0.1 1 2 1\n0.2 65536 2 1\n")
    assert RpgSequence(folder).width == 2


@pytest.mark.parametrize("line", ["0.03 40 2 1", "0.03 1 30 1", "0.03 65537 2 1", "0.03 -1 2 1"])
def test_an_event_off_the_sensor_is_left_out_and_counted(folder, line):
    (folder / "events.txt").write_text("\n".join([*GOOD, line, "0.04 1 2 1"]) + "\n")
    sequence = RpgSequence(folder)
    assert len(sequence.events(-1, 1_000_000)) == 5
    assert sequence.off_sensor == 1


def test_bytes_that_are_no_text_are_named_by_line_too(folder):
    (folder / "events.txt").write_bytes(b"0.1 1 2 1\n0.2 \xff\xfe 2 1\n")
    with pytest.raises(DatasetError, match=r"events\.txt: line 2"):
        RpgSequence(folder).events(0, 1)
    (folder / "images.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match=r"images\.txt: no text"):
        RpgSequence(folder)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0.0\n", "line 1 is '0.0': want `t path`"),
        ("0.0 0.png\nsoon 1.png\n", "line 2 is 'soon 1.png': want `t path`"),
        ("nan 0.png\n", "line 1 is 'nan 0.png': want a time"),
        ("inf 0.png\n", "line 1 is 'inf 0.png': want a time"),
        ("-1 0.png\n", "line 1 is '-1 0.png': want a time"),
        ("0.1 0.png\n0.05 1.png\n", r"picture 2 \(1.png\) is earlier than the one before"),
        ("0.0 gone.png\n", "gone.png: no such file"),
        ("0.0 calib.txt\n", "calib.txt: not a readable picture"),
    ],
)
def test_a_list_of_images_that_cannot_be_is_named_by_line(folder, text, line):
    (folder / "images.txt").write_text(text)
    with pytest.raises(DatasetError, match=line):
        RpgSequence(folder)


@pytest.mark.parametrize("text", ["", "50 51 20", "a b c d", "nan 51 20 15", "0 51 20 15", "50 inf 20 15", "1 " * 13])
def test_a_calibration_that_cannot_be_is_refused(folder, text):
    (folder / "calib.txt").write_text(text)
    with pytest.raises(DatasetError, match=r"calib\.txt: want"):
        RpgSequence(folder)


def test_a_bag_of_such_a_recording_is_not_begun(folder, tmp_path, capsys):
    wrong = {
        "0.1 1 2 1\n90000000 1 2 1\n": "s between first and last event: mend its times, or give --duration",
        "0.1 1 2 1\n0.2 1.5 2 1\n": "line 2",
    }
    for text, line in wrong.items():
        (folder / "events.txt").write_text(text)
        assert main(["bag", "build", "rpg", str(folder), str(tmp_path / "bag")]) == 1
        error = capsys.readouterr().err
        assert line in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["recording"]
