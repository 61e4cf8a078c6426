"""Pictures of several data sets, mixed, with a network's guesses, as training clips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from halsie_ros.classes import DSEC_11
from halsie_ros.errors import DatasetError
from training.core.command import TrainingError
from training.segmentation.appearance import Appearance
from training.segmentation.clips import main
from training.segmentation.config import SegmentationConfig
from training.segmentation.partial import FAR, ROADSIDE, UNLIKE
from training.segmentation.sources import SourceConfig
from training.segmentation.unlike import SIZE, UnlikePictures


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


@pytest.fixture
def idd(tmp_path):
    """Three drives of IDD-lite, and guesses: vegetation left, a vehicle right."""
    random = np.random.default_rng(0)
    for drive in "123":
        picture = np.kron(random.integers(0, 255, (8, 12, 3)), np.ones((4, 4, 1)))
        write(tmp_path / f"leftImg8bit/train/{drive}/a_image.jpg", picture)
        write(tmp_path / f"gtFine/train/{drive}/a_label.png", np.repeat([[5] * 48, [4] * 48], 16, 0))
        guess = np.full((32, 48), DSEC_11.names.index("vehicle"))
        guess[:, :24] = DSEC_11.names.index("vegetation")
        write(tmp_path / f"guesses/leftImg8bit/train/{drive}/a_image.png", guess)
    return tmp_path


def source(idd, **more):
    common = {"kind": "streets", "dataset": "idd", "root": str(idd), "frames": 1, "stills": True}
    return SourceConfig(**{**common, **more})


def test_guesses_settle_groups_where_they_agree_with_the_label(idd):
    folder = idd / "guesses" / "leftImg8bit"
    (folder.parent / "train").symlink_to(folder / "train")
    sample = source(idd, labels=str(folder.parent / "leftImg8bit")).open().still(0, 0)
    label = sample.labels[0]
    assert label[0, 0] == DSEC_11.names.index("vegetation")
    assert (label[0, 47], label[31, 0], label[31, 47]) == (FAR, ROADSIDE, ROADSIDE)


def test_a_missing_guess_is_named(idd):
    with pytest.raises(DatasetError, match=r"nowhere/train/1/a_image.png"):
        source(idd, labels=str(idd / "nowhere")).open().still(0, 0)


def test_drives_are_left_out_or_the_only_ones(idd):
    assert [source(idd, leave_out=("2",)).open().still(k, 0).name for k in range(2)] == ["1/a", "3/a"]
    assert len(source(idd, only=("0/3",)).open()) == 1
    assert len(source(idd, count=2).open()) == 2


def test_a_mix_shows_each_part_as_often_as_it_says(idd):
    parts = (source(idd, only=("1",), times=3), source(idd, only=("2", "3"), zoom=2.0))
    mix = SourceConfig(kind="mix", parts=parts).open()
    assert [mix.still(k, 0).name for k in range(len(mix))] == ["1/a", "1/a", "1/a", "2/a", "3/a"]
    assert [mix.zoom(k) for k in range(len(mix))] == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"kind": "mix"}, "a mix has parts"),
        ({"kind": "streets", "root": "x"}, "streets have one of"),
        ({"kind": "streets", "dataset": "gta", "root": "x"}, "streets have one of"),
        ({"kind": "scene", "times": 0}, "times 0"),
        ({"kind": "scene", "zoom": 0.0}, "zoom 0"),
    ],
)
def test_sources_that_make_no_sense_are_refused(wrong, said):
    with pytest.raises(TrainingError, match=said):
        SourceConfig(**wrong)


def test_the_street_recipes_hold_drives_out_of_training_that_they_validate_on(repository):
    for name in ("street_stills", "halsie_street", "street_frames"):
        config = SegmentationConfig.load(repository / f"training/configs/{name}.yaml")
        for part in config.validation.parts:
            alike = [one for one in config.train.parts if (one.dataset, one.split) == (part.dataset, part.split)]
            assert alike and all(one.leave_out == part.only for one in alike)


def test_a_part_of_a_recipe_with_an_unknown_key_is_refused(repository):
    path = repository / "training/configs/street_stills.yaml"
    with pytest.raises(TrainingError, match="parts: unknown colour"):
        SegmentationConfig.load(path, ['train.parts=[{"kind": "scene", "colour": 1}]'])


def test_each_part_of_a_mix_is_packed_into_its_own_folder(idd, repository, tmp_path, monkeypatch):
    parts = tuple(
        source(idd, only=(drive,), stills=False, frames=2, packed=str(tmp_path / f"packed{drive}")) for drive in "12"
    )
    recipe = SegmentationConfig.load(repository / "training/configs/street_stills.yaml")
    recipe = dataclasses.replace(recipe, train=SourceConfig(kind="mix", parts=parts))
    monkeypatch.setattr(SegmentationConfig, "load", lambda *_: recipe)
    assert main(["any.yaml"]) == 0
    assert [len(list((tmp_path / f"packed{drive}").glob("*.npz"))) for drive in "12"] == [1, 1]
    mix = recipe.train.open()
    assert [mix.sample(k, 0).name for k in range(2)] == ["1/a", "2/a"] and len(mix.sample(0, 0)) == 2


@pytest.mark.parametrize(
    "change, measure",
    [
        ({"saturation": 0.0}, lambda one: np.ptp(one.astype(int), axis=2).mean()),  # colour
        ({"blur": 1.8}, lambda one: np.abs(np.diff(one.astype(int), axis=1)).mean()),  # fine structure
        ({"shrink": 0.4}, lambda one: np.abs(np.diff(one.astype(int), axis=1)).mean()),
        ({"contrast": 0.5}, lambda one: one.std()),
    ],
)
def test_appearance_takes_away_what_it_names(change, measure):
    random = np.random.default_rng(3)
    picture = random.integers(60, 200, (32, 48, 3)).astype(np.uint8)
    plain = Appearance(1.0, np.eye(3, dtype=np.float32), 1.0, 0.0, 1.0, 0.0, 0)
    np.testing.assert_array_equal(plain.apply(picture, random), picture)
    assert measure(dataclasses.replace(plain, **change).apply(picture, random)) < 0.6 * measure(picture)


def test_noise_and_jpeg_change_pixels_but_not_the_scene():
    random = np.random.default_rng(3)
    picture = np.kron(random.integers(60, 200, (4, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    plain = Appearance(1.0, np.eye(3, dtype=np.float32), 1.0, 0.0, 1.0, 0.0, 0)
    for change in ({"noise": 6.0}, {"quality": 40}):
        other = dataclasses.replace(plain, **change).apply(picture, random)
        assert (other != picture).mean() > 0.2 and np.abs(other.astype(int) - picture).mean() < 20


def test_clips_look_different_from_one_another():
    looks = [Appearance.random(np.random.default_rng(seed)) for seed in range(200)]
    assert 0.04 < np.mean([one.saturation == 0 for one in looks]) < 0.2
    assert all(
        0.1 < np.mean([bool(getattr(one, name)) for one in looks]) < 0.4 for name in ("blur", "noise", "quality")
    )


def test_pictures_of_no_street_differ_stay_the_same_and_say_so():
    clips = SourceConfig(kind="unlike", count=20, frames=1, stills=True).open()
    again = SourceConfig(kind="unlike", count=20, frames=1, stills=True).open()
    pictures = [clips.still(k, 0).frames[0] for k in range(20)]
    assert all((again.still(k, 0).frames[0] == pictures[k]).all() for k in range(20))
    assert len({picture.tobytes() for picture in pictures}) == 20
    assert (clips.still(3, 0).labels == UNLIKE).all()


def test_rooms_come_from_videos(shared_data):
    rooms = shared_data / "video" / "real_rooms"
    pictures = UnlikePictures(4, str(rooms))
    assert pictures.image(0).shape == (256, 340, 3) and pictures.image(1).shape == (*SIZE, 3)


def test_a_folder_without_videos_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.mp4 in it"):
        UnlikePictures(4, str(tmp_path))
