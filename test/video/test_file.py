"""Files: every frame, sparse GOPs, real samples."""

from __future__ import annotations

import re
from fractions import Fraction

import av
import numpy as np
import pytest

from halsie_ros.errors import VideoError
from halsie_ros.video.file import VideoFile


@pytest.fixture(scope="module")
def clip(tmp_path_factory, moving_scene):
    return write_clip(tmp_path_factory.mktemp("video") / "clip.mp4", moving_scene)


def write_clip(path, moving_scene):
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.gop_size = 96, 128, "yuv420p", 12
        for picture in moving_scene(60, 96, 128, 2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_a_file_tells_what_it_holds_and_gives_every_frame(clip):
    with VideoFile(clip) as video:
        assert (video.info.codec, video.info.width, video.info.height, video.info.rate_hz) == ("mpeg4", 128, 96, 25.0)
        frames = list(video.frames())
        step = Fraction(1, 25) / video.info.time_base
    assert len(frames) == 60 and all(frame.trusted for frame in frames)
    assert [frame.pts for frame in frames] == [step * i for i in range(60)]
    assert [frame.stamp_ns for frame in frames] == [40_000_000 * i for i in range(60)]


def test_sparse_reading_gives_the_same_pictures_as_reading_all(clip):
    with VideoFile(clip) as video:
        every = {frame.pts: frame for frame in video.frames()}
    with VideoFile(clip) as video:
        gops = list(video.gops(3, 4))
    assert [[frame.type for frame in gop] for gop in gops] == [["I", "P", "P", "P"]] * 3
    for gop in gops:
        for frame in gop:
            np.testing.assert_array_equal(frame.luma, every[frame.pts].luma)
            np.testing.assert_array_equal(frame.vectors, every[frame.pts].vectors)
    assert len({gop[0].pts for gop in gops}) == 3


def test_more_places_than_gops_give_each_gop_once(clip):
    with VideoFile(clip) as video:
        starts = [gop[0].pts for gop in video.gops(20, 2)]
    assert len(starts) == len(set(starts)) == 5


def test_a_gop_ends_before_the_next_intra_frame(clip):
    with VideoFile(clip) as video:
        assert [len(gop) for gop in video.gops(2, 100)] == [12, 12]


@pytest.mark.parametrize(("count", "length"), [(0, 1), (1, 0)])
def test_no_gops_are_refused(clip, count, length):
    with VideoFile(clip) as video, pytest.raises(VideoError, match="must be at least 1"):
        list(video.gops(count, length))


def test_a_missing_file_and_a_text_file_are_refused(tmp_path):
    with pytest.raises(VideoError, match=r"nothing\.mp4 cannot be opened"):
        VideoFile(tmp_path / "nothing.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(
        VideoError, match=r"text\.mp4 cannot be opened as video \(Invalid data found[^\[]*\): give a file"
    ):
        VideoFile(tmp_path / "text.mp4")


@pytest.mark.parametrize(("suffix", "said"), [("mp4", r"\d\d of 60 frames"), ("mkv", r"[01]\.\d of 2\.4 s")])
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes_and_says_so(tmp_path, moving_scene, suffix, said):
    path = write_clip(tmp_path / f"clip.{suffix}", moving_scene)
    with VideoFile(path) as video:
        assert len(list(video.frames())) == 60 and video.shortfall() == ""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoFile(path) as video:
        frames = list(video.frames())
        assert 10 < len(frames) < 40 and all(frame.trusted for frame in frames[:-2])
        assert re.fullmatch(said, video.shortfall())


@pytest.mark.parametrize(
    ("name", "codec", "frames"),
    [
        ("bt709_full_range.mp4", "h264", 30), ("h264_10bits.mp4", "h264", 30), ("discard_first_keyframe.mp4", "h264",
        25), ("test_non_zero_start.mp4", "h264", 12), ("testsrc2_444_8bit_hevc.mp4", "hevc", 25), ("h265_video.mp4",
        "hevc", 10), ("testsrc2_vp9.webm", "vp9", 30), ("av1_video.mkv", "av1", 125), ("testsrc2_odd_width_mpeg2.mp4",
        "mpeg2video", 10), ("mpeg4_asp_320x240.avi", "mpeg4", 164),
    ],
)  # fmt: skip
def test_real_samples_decode_as_plain_pyav_does_and_are_trusted(shared_data, name, codec, frames):
    path = shared_data / "video" / "samples" / name
    with VideoFile(path) as video:
        assert video.info.codec == codec
        ours = list(video.frames())
    with av.open(str(path)) as container:
        plain = list(container.decode(video=0))
    assert len(ours) == len(plain) == frames
    assert sum(not frame.trusted for frame in ours) <= 1  # the last one of the AVI, whose B-frames are cut off
    for mine, other in zip(ours, plain):
        if other.format.name in ("yuv420p", "yuvj420p", "yuv444p"):
            plane = other.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: other.height, : other.width]
            np.testing.assert_array_equal(mine.luma, rows)
        assert mine.luma.shape == (other.height, other.width)
