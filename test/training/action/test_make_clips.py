"""Clips that are made: motions keep a body together, scenes move as a camera does, caches go on where they stopped."""

import csv
import shutil

import av
import numpy as np
import pytest

from halsie_ros.action.clip import read_clip
from training.action.data import ClipCache
from training.action.make_clips import MIX, SILHOUETTES, encode_anyhow, load_joints, load_videos, main, make
from training.action.motions import KINDS, PARENTS, Body
from training.action.scenes import Scene, camera_path, film, room_or_street


def standing():
    """A person of 1.7 m, arms down, who faces z."""
    pose = np.zeros((16, 3))
    pose[0] = 0, 930, 0
    for first, side in ((1, 1), (5, -1)):
        pose[first : first + 4] = [(90 * side, 900, 0), (95 * side, 480, 10), (95 * side, 80, 0), (95 * side, 30, 140)]
    pose[9] = 0, 1430, 0
    for first, side in ((10, 1), (13, -1)):
        pose[first : first + 3] = [(190 * side, 1400, 0), (210 * side, 1120, 0), (215 * side, 870, 30)]
    return pose


@pytest.fixture
def joints(tmp_path):
    """A file as the recorded one: two people, one motion each of two actions."""
    random = np.random.default_rng(0)
    motions = [standing() + random.normal(0, 5, (40, 16, 3)) for _ in range(4)]
    np.savez(
        tmp_path / "joints.npz", joints_mm=np.concatenate(motions).astype(np.int16),
        offsets=np.arange(5) * 40, meta_subject_action_rep=np.array([(1, 1, 1), (1, 11, 1), (2, 1, 1), (2, 7, 1)]),
    )  # fmt: skip
    return tmp_path / "joints.npz"


def lengths(joints_mm):
    parents = [p for p in PARENTS if p >= 0]
    return np.linalg.norm(joints_mm[:, 1:] - joints_mm[:, parents], axis=-1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fall"])
def test_limbs_keep_their_lengths_and_feet_the_floor(kind):
    body = Body(standing())
    for seed in range(5):
        motion = KINDS[kind](body, 60, np.random.default_rng(seed))
        assert motion.shape == (60, 16, 3)
        np.testing.assert_allclose(lengths(motion), lengths(standing()[None]).repeat(60, 0), atol=1)
        assert motion[..., 1].min() > -1 and motion[..., 1].min(1).max() < 120  # who jogs leaves it a little


def test_a_person_turned_about_is_set_to_face_ahead():
    turned = standing() * [-1, 1, -1]
    np.testing.assert_allclose(Body(turned).bones, Body(standing()).bones, atol=1e-6)


def test_who_falls_ends_low_and_who_walks_gets_on():
    body = Body(standing())
    falls = [KINDS["fall"](body, 90, np.random.default_rng(seed)) for seed in range(12)]
    ends = [min(motion[0, 9, 1], motion[-1, 9, 1]) for motion in falls]  # some are played backwards
    assert np.median(ends) < 700 and all(np.isfinite(motion).all() for motion in falls)
    walks = [KINDS["walk"](body, 90, np.random.default_rng(seed)) for seed in range(12)]
    assert max(np.linalg.norm(walk[-1, 0] - walk[0, 0]) for walk in walks) > 1000


def test_a_moving_camera_moves_what_the_encoder_sees_and_it_is_taken_out(tmp_path):
    random = np.random.default_rng(1)
    frames, size = 36, (96, 128)
    path = np.zeros((frames, 4))
    path[:, 0] = 2.0 * np.arange(frames)  # pixels
    pictures = film(Scene([], room_or_street(random, 200, 300), path), random, height=size[0], width=size[1])
    with av.open(str(tmp_path / "pan.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        stream.options = {"bf": "0", "g": "12", "crf": "20", "sc_threshold": "0"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    steps = [step for segment in read_clip(tmp_path / "pan.mp4", segments=None) for step in segment.steps]
    speeds = np.array([step.camera[1] for step in steps])
    assert np.median(speeds) == pytest.approx(2.0 * 30 / size[1], rel=0.15)
    assert np.median([step.camera[0] for step in steps]) > 0.6
    assert np.median([np.abs(step.motion[:2]).mean() for step in steps]) < 0.15


def test_a_camera_without_strength_stands_still():
    assert not camera_path(np.random.default_rng(0), 30, 176, 0.0).any()
    assert np.abs(camera_path(np.random.default_rng(0), 30, 176, 1.0)[-1]).max() > 1


@pytest.mark.parametrize("kind", [*MIX, *SILHOUETTES])
def test_every_kind_of_clip_can_be_made_and_follows_from_its_generator(joints, kind):
    material = load_joints(joints)
    material.videos.append((np.random.default_rng(3).integers(0, 255, (50, 120, 160, 3), np.uint8), "street"))
    known = [motion for motion in material.motions if motion[1] in ("jump", "clap", "stand")]
    assert len(known) == 4
    for seed in range(3):
        one, other = (make_known(material, kind, seed) for _ in range(2))
        np.testing.assert_array_equal(one[0], other[0])
        assert one[0].dtype == np.uint8 and one[0].ndim == 4 and one[0].std() > 3
        assert (one[1] == "none") == (kind not in ("still", "scene", "silhouette"))


def make_known(material, kind, seed):
    from training.action import make_clips

    before = make_clips.MHAD_ACTIONS
    make_clips.MHAD_ACTIONS = ("jump", "clap", "stand")  # those that the little file holds
    try:
        return make(material, kind, np.random.default_rng(seed))
    finally:
        make_clips.MHAD_ACTIONS = before


def test_any_encoder_gives_a_clip_that_can_be_read(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (30, 96, 128, 3), np.uint8)
    for seed in range(6):
        path = tmp_path / f"{seed}.mp4"
        encode_anyhow(path, pictures, np.random.default_rng(seed))
        assert read_clip(path, segments=None)


def test_a_run_writes_caches_in_parts_and_keeps_those_that_are_there(joints, tmp_path, monkeypatch, capsys):
    from training.action import make_clips

    monkeypatch.setattr(make_clips, "MIX", {"still none": 0.5, "empty": 0.5})
    monkeypatch.setattr(make_clips, "SIZES", ((96, 128),))
    words = [str(joints), str(tmp_path / "made"), "--clips", "5", "--part", "2"]
    assert main(words) == 0
    parts = sorted(path.name for path in (tmp_path / "made").iterdir() if path.is_dir())
    assert parts == ["00000", "00001", "00002"] and (tmp_path / "made/manifest.json").exists()
    first = ClipCache.load(tmp_path / "made/00001")
    shutil.rmtree(tmp_path / "made/00001")
    (tmp_path / "made/manifest.json").unlink()
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out.count("clips") == 1  # one part was made again, and is the same
    again = ClipCache.load(tmp_path / "made/00001")
    np.testing.assert_array_equal(first.arrays["motion"], again.arrays["motion"])


def test_a_video_that_cannot_be_read_is_named_in_one_line(joints, tmp_path, capsys):
    with (tmp_path / "videos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "group"), ("gone.mp4", "street")])
    assert main([str(joints), str(tmp_path / "made"), "--videos", str(tmp_path / "videos.csv")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "gone.mp4" in said


def test_real_videos_come_in_pieces_of_bearable_width(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for _ in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((480, 640, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    (tmp_path / "videos.csv").write_text("path,group\na.mp4,street\n")
    [(video, group)] = load_videos(tmp_path / "videos.csv")
    assert video.shape == (60, 300, 400, 3) and group == "street"
