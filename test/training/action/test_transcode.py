from fractions import Fraction

import av
import numpy as np
import pytest

from halsie_ros.errors import DatasetError
from training.action.transcode import Form, finished, jobs_of, main, run, transcode


def write_video(path, frames=30):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for t in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * t, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("codec", ["mpeg4", "h264"])
def test_a_clip_takes_the_working_form(tmp_path, codec):
    source = write_video(tmp_path / "a.avi")
    assert transcode(source, tmp_path / "out/a.mp4", Form(codec)) == 30
    with av.open(str(tmp_path / "out/a.mp4")) as container:
        stream = container.streams.video[0]
        kinds = [frame.pict_type for frame in container.decode(stream)]
        assert (stream.codec_context.name, stream.width, stream.height) == (codec, 340, 256)
        assert stream.average_rate == 25
    assert [kind == 1 for kind in kinds] == [t % 12 == 0 for t in range(30)]
    assert 3 not in kinds


def test_a_run_is_resumed_lists_come_along_and_failures_are_listed(tmp_path):
    write_video(tmp_path / "src/a/1.avi", 5)
    write_video(tmp_path / "src/2.avi", 5)
    (tmp_path / "src/bad.mp4").write_text("no video")
    (tmp_path / "src/list.txt").write_text("a/1.avi 1")
    made, kept, failed = run(tmp_path / "src", tmp_path / "dst", Form())
    assert (made, kept, len(failed)) == (2, 0, 1) and "bad.mp4" in failed[0]
    first = (tmp_path / "dst/a/1.mp4").stat().st_mtime_ns
    assert run(tmp_path / "src", tmp_path / "dst", Form())[:2] == (0, 2)
    assert (tmp_path / "dst/a/1.mp4").stat().st_mtime_ns == first
    assert finished(tmp_path / "src", tmp_path / "dst", Form()) == 0
    names = sorted(p.name for p in (tmp_path / "dst").rglob("*") if p.is_file())
    assert names == ["1.mp4", "2.mp4", "list.txt", "manifest.json"]


def test_shards_share_the_work_without_overlap(tmp_path):
    for name in "abcde":
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / f"src/{name}.mp4").write_text("x")
    parts = [{path.name for path, _ in jobs_of(tmp_path / "src", tmp_path / "dst", i, 2)} for i in range(2)]
    assert parts[0] | parts[1] == {f"{name}.mp4" for name in "abcde"} and not parts[0] & parts[1]


@pytest.mark.parametrize("target", ["src", "src/copy", "."])
def test_the_source_is_never_written_to(tmp_path, target):
    (tmp_path / "src").mkdir()
    with pytest.raises(DatasetError, match="apart from the source"):
        list(jobs_of(tmp_path / "src", tmp_path / target))


def test_two_containers_of_one_name_are_an_error(tmp_path):
    (tmp_path / "src").mkdir()
    for name in ("a.avi", "a.mp4"):
        (tmp_path / "src" / name).write_text("x")
    with pytest.raises(DatasetError, match="would both become"):
        list(jobs_of(tmp_path / "src", tmp_path / "dst"))


def test_the_command_says_how_many_failed(tmp_path, capsys):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/bad.mp4").write_text("x")
    assert main([str(tmp_path / "src"), str(tmp_path / "dst")]) == 1
    assert "0 transcoded, 0 were there, 1 failed" in capsys.readouterr().out


def test_odd_sizes_are_refused():
    with pytest.raises(DatasetError, match="341x256"):
        Form(width=341)


def test_a_telephones_portrait_is_written_upright(tmp_path):
    import struct

    path = tmp_path / "in" / "clip.mp4"
    path.parent.mkdir()
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :30] = 220  # bright on the left as it is to be seen
    lying = np.ascontiguousarray(np.rot90(picture))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.height, stream.width, stream.pix_fmt = 96, 64, "yuv420p"
        frames = [av.VideoFrame.from_ndarray(lying, format="rgb24") for _ in range(4)]
        container.mux([packet for frame in [*frames, None] for packet in stream.encode(frame)])
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    out = tmp_path / "out.mp4"
    assert transcode(path, out, Form(width=48, height=32)) == 4
    with av.open(str(out)) as container:
        luma = next(container.decode(video=0)).to_ndarray(format="gray")
    assert luma.shape == (32, 48)
    assert luma[:, :12].mean() > 180 and luma[:, 20:].mean() < 40
