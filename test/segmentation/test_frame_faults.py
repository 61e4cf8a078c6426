"""Faults of a camera on pictures of a generated street, and no alarm on whole ones."""

import numpy as np
import pytest

from halsie_ros.segmentation.frame_faults import FrameFaults
from halsie_ros.simulation.miniatures import take_scene
from halsie_ros.simulation.street.scene import demo_seed


@pytest.fixture(scope="module")
def frames():
    return take_scene(demo_seed(1), 0.7, 346, 260).frames


def words(pictures):
    faults = FrameFaults()
    return [faults.judge(picture) for picture in pictures]


def blank_bottom(frames):
    frames[10][200:] = 77
    return frames


def stale_bottom(frames):
    frames[10][200:] = frames[9][200:]
    return frames


def frozen(frames):
    frames[8:11] = frames[8]
    return frames


def dark(frames):
    frames[10] = frames[10] // 30
    return frames


def black(frames):
    frames[10] = 2
    return frames


def blown_out(frames):
    frames[10] = np.minimum(frames[10].astype(int) + 170, 255)
    return frames


def white(frames):
    frames[10] = 255
    return frames


@pytest.mark.parametrize(
    ("damage", "word", "usable"),
    [
        (blank_bottom, "torn", False),
        (stale_bottom, "torn", False),
        (frozen, "frozen", False),
        (dark, "dark", None),
        (black, "dark", False),
        (blown_out, "blown_out", True),
        (white, "blown_out", False),
    ],
)
def test_a_fault_is_named_in_its_picture_and_in_no_other(frames, damage, word, usable):
    verdicts = words(damage(frames.copy()))
    assert verdicts[10].word == word and verdicts[10].reason
    assert usable is None or verdicts[10].usable == usable
    others = [verdict.word for index, verdict in enumerate(verdicts) if index != 10]
    assert set(others) == {""}


def test_grey_pictures_are_judged_alike(frames):
    assert words(black(frames.copy())[..., 0])[10].word == "dark"


def test_a_border_that_is_always_there_is_no_tear(frames):
    boxed = frames.copy()
    boxed[:, :40] = boxed[:, 220:] = 0
    assert {verdict.word for verdict in words(boxed)} == {""}


def test_a_change_of_size_is_no_fault(frames):
    assert {verdict.word for verdict in words([frames[0], frames[1][:100, :200], frames[2]])} == {""}


def test_pictures_of_real_drives_raise_no_alarm(shared_data):
    image = pytest.importorskip("PIL.Image")
    drives = [sorted((shared_data / "street" / "cityscapes_video").rglob("*00000*_leftImg8bit.jpg"))]
    drives.append([shared_data / "camvid" / line.split()[0] for line in (shared_data / "camvid" / "val.txt").open()])
    for drive in drives:
        assert len(drive) >= 30
        verdicts = words(np.asarray(image.open(path).convert("RGB")) for path in drive)
        assert {verdict.word for verdict in verdicts} == {""}
