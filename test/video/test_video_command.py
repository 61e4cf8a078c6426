"""`halsie video`."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest

from halsie_ros.cli.main import main


@pytest.fixture(scope="module")
def clip(tmp_path_factory, moving_scene):
    """An MP4 of an x264 stream with one reference; the sixth packet is missing in lossy.mp4."""
    folder = tmp_path_factory.mktemp("command")
    options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "ref=1:scenecut=0"}
    for name, lost in (("clip.mp4", None), ("lossy.mp4", 5)):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=25, options=options)
            stream.height, stream.width, stream.pix_fmt, stream.gop_size = 112, 160, "yuv420p", 12
            frames = [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in moving_scene(30, 112, 160, 1)]
            packets = [packet for frame in [*frames, None] for packet in stream.encode(frame)]
            container.mux([packet for number, packet in enumerate(packets) if number != lost])
    return folder / "clip.mp4"


def test_info_tells_structure_references_and_trust(clip, tmp_path, capsys):
    report, picture = tmp_path / "info.json", tmp_path / "gop.png"
    assert main(["video", "info", str(clip), "--json", str(report), "--picture", str(picture), "--gop", "1"]) == 0
    result = json.loads(report.read_text())
    assert (result["codec"], result["width"], result["height"]) == ("h264", 160, 112)
    assert result["gop_lengths"] == [12, 12, 6]
    assert result["p_frame_references"] == {"one": 27, "several": 0, "unknown": 0}
    assert result["vectors_per_frame"] > 10
    assert [row["type"] for row in result["frames"][:13]] == ["I"] + ["P"] * 11 + ["I"]
    assert all(row["trusted"] and row["reason"] == "" for row in result["frames"])
    assert [row["pts"] for row in result["frames"]] == sorted(row["pts"] for row in result["frames"])
    assert "GOPs: 3 of 6 to 12 frames" in capsys.readouterr().out
    with av.open(str(picture)) as container:
        drawn = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert drawn.shape == (2 * 112, 4 * 160, 3)
    yellow = (drawn[:112, 160:] == (255, 220, 0)).all(axis=2)
    assert yellow.sum() > 50  # arrows in the predicted pictures, none in the I-frame
    assert not (drawn[:112, :160] == (255, 220, 0)).all(axis=2).any()


def test_info_marks_frames_after_a_missing_packet(clip, capsys):
    assert main(["video", "info", str(clip.with_name("lossy.mp4")), "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)["frames"]
    assert [row["trusted"] for row in rows] == [True] * 5 + [False] * 6 + [True] * 18
    assert all("lost" in row["reason"] for row in rows[5:11])


def test_vectors_have_the_reference_layout(clip, tmp_path):
    output = tmp_path / "vectors.npz"
    assert main(["video", "vectors", str(clip), str(output)]) == 0
    vectors = np.load(output)
    assert sorted(vectors.files) == [f"{i:04d}" for i in range(30)]
    assert vectors["0000"].shape == (0, 10) and vectors["0000"].dtype == np.int32
    first = vectors["0001"]
    assert (first[:, 0] == -1).all() and set(first[:, 9]) == {4}
    source = first[:, 5] + first[:, 7] / first[:, 9]
    assert np.abs(source - first[:, 3]).max() <= 1


def test_a_gop_that_is_not_there_is_one_line(clip, tmp_path, capsys):
    assert main(["video", "info", str(clip), "--gop", "9", "--picture", str(tmp_path / "x.png")]) == 1
    assert "choose another GOP" in capsys.readouterr().err


def test_a_missing_file_is_one_line(capsys):
    assert main(["video", "info", "nowhere.mp4"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("halsie video: nowhere.mp4 cannot be opened") and error.count("\n") == 1


def test_a_file_that_was_cut_off_is_said_on_standard_error(clip, tmp_path, capsys):
    with av.open(str(clip)) as source, av.open(str(tmp_path / "cut.mkv"), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            packet.stream = stream
            container.mux(packet)
    whole = (tmp_path / "cut.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 6])
    assert main(["video", "info", str(tmp_path / "cut.mkv"), "--json", str(tmp_path / "info.json")]) == 0
    assert "cut.mkv is cut off: 0." in capsys.readouterr().err
    assert json.loads((tmp_path / "info.json").read_text())["shortfall"].endswith(" of 1.2 s")
    assert main(["video", "info", str(clip), "--json", "-"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["shortfall"] == "" and said.err == ""
