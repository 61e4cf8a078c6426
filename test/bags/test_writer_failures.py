"""What a bag that cannot be finished leaves behind: one line, and nothing else."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from halsie_ros.bags import messages
from halsie_ros.bags.writer import BagWriter
from halsie_ros.errors import BagError, CodecError
from halsie_ros.wire.definitions import IMAGE

PICTURE = messages.image(np.zeros((500, 500, 3), np.uint8), stamp_ns=0, frame_id="")
SMALL = ["--width", "96", "--height", "64"]


def write_pictures(path, storage="mcap", count=70):
    with BagWriter(path, storage) as writer:
        writer.add_topic("/image", IMAGE)
        for index in range(count):
            writer.write("/image", index * 10_000_000, PICTURE)


def build_scene(bag, *options, **popen):
    words = [sys.executable, "-m", "halsie_ros.cli.main", "bag", "build", "scene", str(bag), *SMALL, *options]
    # Where files may not grow, the coverage of a measured run could not be written either, and would say so.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **popen)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_file_that_may_grow_no_further_is_one_line(tmp_path, storage):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    bag = tmp_path / "new" / "bag"
    build = build_scene(bag, "--duration", "0.2", "--storage", storage, preexec_fn=limit)
    _, error = build.communicate(timeout=60)
    assert build.returncode == 1
    assert error.startswith(f"halsie bag: {tmp_path}/new/bag cannot be written (") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "no bag, no partial folder, not even the parent that it made"


@pytest.mark.parametrize(
    ("storage", "refusal", "line"),
    [
        ("mcap", OSError(errno.ENOSPC, "No space left on device"), r"\(No space left on device\): make room"),
        ("mcap", OSError(errno.EIO, "Input/output error"), r"\(Input/output error\): check the folder"),
        ("sqlite3", sqlite3.OperationalError("database or disk is full"), r"\(database or disk is full\): make room"),
    ],
)
@pytest.mark.parametrize("moment", ["write", "add_connection", "close"])
def test_what_the_disk_refuses_is_one_line_with_its_remedy(tmp_path, monkeypatch, storage, refusal, line, moment):
    from rosbags.rosbag2 import storage_mcap, storage_sqlite3

    def refuse(*_):
        raise refusal

    target = {"mcap": storage_mcap.McapWriter, "sqlite3": storage_sqlite3.Sqlite3Writer}[storage]
    monkeypatch.setattr(target, moment, refuse)
    with pytest.raises(BagError, match=rf"{tmp_path}/bag cannot be written {line}"):
        write_pictures(tmp_path / "bag", storage)
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_bag_can_be_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    expected = {
        tmp_path / "file": "exists already",
        tmp_path / "link": "exists already",
        tmp_path: "exists already",
        tmp_path / "file" / "bag": f"{tmp_path}/file is no folder",
        tmp_path / "file" / "new" / "bag": f"{tmp_path}/file is no folder",
        tmp_path / ("n" * 300): "cannot be written .File name too long",
    }
    for path, line in expected.items():
        with pytest.raises(BagError, match=line) as caught:
            BagWriter(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(BagError, match="cannot be written"), BagWriter("/proc/bag"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_a_missing_parent_is_made_and_stays_only_with_a_bag_in_it(tmp_path):
    write_pictures(tmp_path / "a" / "b" / "bag", count=1)
    assert (tmp_path / "a" / "b" / "bag" / "metadata.yaml").is_file()
    with pytest.raises(ZeroDivisionError), BagWriter(tmp_path / "c" / "d" / "bag"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_two_builds_of_one_bag_do_not_mix_and_the_first_to_finish_keeps_the_name(tmp_path):
    with pytest.raises(BagError, match="exists already"), BagWriter(tmp_path / "bag") as late:
        write_pictures(tmp_path / "bag", count=3)
        late.add_topic("/image", IMAGE)
        late.write("/image", 0, PICTURE)
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]
    assert "message_count: 3" in (tmp_path / "bag" / "metadata.yaml").read_text()


def test_names_that_sqlite_would_take_for_another_file_are_refused(tmp_path):
    for name in ("drive#2", "50%", "what?"):
        with pytest.raises(BagError, match="sqlite3 takes no"):
            BagWriter(tmp_path / name, "sqlite3")
        write_pictures(tmp_path / name, "mcap", 1)


def test_a_stamp_that_ros_cannot_hold_is_refused(tmp_path):
    for stamp_ns in (-1, 1 << 62):
        with pytest.raises(CodecError, match="/image: stamp"), BagWriter(tmp_path / "bag") as writer:
            writer.add_topic("/image", IMAGE)
            writer.write("/image", stamp_ns, PICTURE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("signals", "code"),
    [((signal.SIGINT,), 130), ((signal.SIGTERM,), 143), ((signal.SIGHUP,), 129), ((signal.SIGINT,) * 5, 130)],
)
def test_a_build_that_is_stopped_leaves_nothing(tmp_path, signals, code):
    def heed():  # where the tests run under nohup or in the background, signals are ignored, and that is inherited
        for number in signals:
            signal.signal(number, signal.SIG_DFL)

    build = build_scene(tmp_path / "new" / "bag", "--duration", "600", preexec_fn=heed)
    end = time.monotonic() + 60
    while not list(tmp_path.glob("new/.bag.partial-*/bag/*")):
        assert time.monotonic() < end and build.poll() is None, build.communicate()
        time.sleep(0.02)
    for number in signals:
        build.send_signal(number)
        time.sleep(0.001)
    out, error = build.communicate(timeout=30)
    assert (build.returncode, out, error) == (code, "", "")
    assert list(tmp_path.iterdir()) == []
