import numpy as np
import pytest

from halsie_ros.action.clip import read_clip, segments_of
from halsie_ros.action.inputs import SEGMENT_US
from halsie_ros.errors import VideoError
from halsie_ros.video.file import VideoFile


def test_a_short_clip_is_read_whole_one_segment_per_gop(make_clip):
    segments = read_clip(make_clip(31))
    assert [len(s.steps) for s in segments] == [6, 6, 3]
    assert [round(s.end_ns / 1e9 * 30) for s in segments] == [11, 23, 30]
    assert sum(step.dt_us for step in segments[0].steps) == pytest.approx(11e6 / 30, rel=1e-4)


def test_a_long_clip_is_read_sparsely(make_clip):
    segments = read_clip(make_clip(240), segments=4, frames_per_gop=5)
    assert [len(s.steps) for s in segments] == [2, 2, 2, 2]
    gaps = np.diff([s.end_ns for s in segments]) / 1e9
    assert gaps.min() > 1.1  # spread over eight seconds


def test_a_long_gop_goes_on_as_segments_with_the_same_image(make_clip):
    segments = read_clip(make_clip(60, gop=60), segments=None)
    assert len(segments) > 3
    assert all(s.image is segments[0].image for s in segments)
    assert all(sum(step.dt_us for step in s.steps) <= SEGMENT_US * 1.2 for s in segments)


def test_untrusted_frames_bring_nothing(make_clip):
    with VideoFile(make_clip(30)) as file:
        frames = list(file.frames())
    for frame in frames[:12]:
        frame.trusted = False
    assert [len(s.steps) for s in segments_of(frames)] == [6, 3]


def test_a_file_that_is_no_video_is_an_error(tmp_path):
    (tmp_path / "x.mp4").write_text("text")
    with pytest.raises(VideoError, match=r"x\.mp4"):
        read_clip(tmp_path / "x.mp4")
