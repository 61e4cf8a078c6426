import numpy as np
import pytest

from halsie_ros.datasets.recordings.camvid import CamVid, follow
from halsie_ros.errors import DatasetError
from halsie_ros.events import Events
from halsie_ros.simulation.events import EventSimulator

Image = pytest.importorskip("PIL.Image")
HEIGHT, WIDTH = 48, 64


def texture(seed, shift=0):
    """A picture of coarse random tiles, moved to the right by `shift` pixels."""
    tiles = np.random.default_rng(seed).integers(20, 230, (HEIGHT // 8, WIDTH // 8 + 4, 3))
    return np.roll(np.kron(tiles, np.ones((8, 8, 1))), shift, 1)[:, 16 : 16 + WIDTH].astype(np.uint8)


@pytest.fixture
def write(tmp_path):
    """Writes a split: names to (image, label)."""

    def write_split(split, pictures, prefix=""):
        lines = []
        for folder in (split, f"{split}annot"):
            (tmp_path / folder).mkdir()
        for name, (image, label) in pictures.items():
            Image.fromarray(image).save(tmp_path / split / f"{name}.png")
            Image.fromarray(label).save(tmp_path / f"{split}annot" / f"{name}.png")
            lines.append(f"{prefix}{split}/{name}.png {prefix}{split}annot/{name}.png")
        (tmp_path / f"{split}.txt").write_text("\n".join(lines) + "\n")
        return tmp_path

    return write_split


def label(value=3):
    mask = np.full((HEIGHT, WIDTH), value, np.uint8)
    mask[:4] = 11
    return mask


def test_a_still_is_the_last_frame_of_its_motion(write):
    root = write("train", {"0001TP_006690": (texture(1), label())})
    sample = CamVid(root, "train").sample(0, frames=5)
    assert np.array_equal(sample.frames[-1], texture(1))
    assert not np.array_equal(sample.frames[0], texture(1))
    assert len(sample) == 5 and np.diff(sample.t_us).tolist() == [50_000] * 4
    assert sum(len(sample.window(k)) for k in range(5)) == len(sample.events) > 0
    assert np.all(np.diff(sample.events.t_us) >= 0)


def test_void_is_ignored_and_other_ids_stay(write):
    root = write("train", {"0001TP_006690": (texture(1), label())})
    mask = CamVid(root, "train").sample(0, frames=2).labels[-1]
    assert np.all(mask[:4] == 255) and np.all(mask[4:] == 3)


def test_the_same_picture_gives_the_same_motion_and_another_seed_another(write):
    root = write("train", {"0001TP_006690": (texture(1), label())})
    first, second, other = (CamVid(root, "train").sample(0, frames=3, seed=seed) for seed in (None, None, 7))
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.events.t_us, second.events.t_us)
    assert not np.array_equal(first.frames[0], other.frames[0])


def test_near_frame_numbers_are_a_video_and_shown_as_they_are(write):
    pictures = {f"0016E5_{7959 + 2 * k:05d}": (texture(2, k), label()) for k in range(6)}
    pictures["0016E5_09000"] = (texture(3), label())
    data = CamVid(write("val", pictures), "val")
    assert data.runs == [[0, 1, 2, 3, 4, 5]] and not data.is_video(6)
    sample = data.sample(5, frames=4)
    for k in range(4):
        assert np.array_equal(sample.frames[k], texture(2, 2 + k))
    assert np.allclose(np.diff(sample.t_us), 1e6 / 15, atol=1)
    assert all(len(sample.window(k)) for k in range(4))


def test_a_video_that_is_too_short_is_led_by_a_simulated_motion(write):
    pictures = {f"0016E5_{7959 + 2 * k:05d}": (texture(2, k), label()) for k in range(3)}
    sample = CamVid(write("val", pictures), "val").sample(1, frames=6)
    assert len(sample) == 6
    assert np.array_equal(sample.frames[-1], texture(2, 1)) and np.array_equal(sample.frames[-2], texture(2, 0))
    assert not np.array_equal(sample.frames[0], texture(2, 0))


def test_order_of_the_list_does_not_change_a_video(write):
    pictures = {f"0016E5_{7959 + 2 * k:05d}": (texture(2, k), label()) for k in (2, 0, 1)}
    assert CamVid(write("val", pictures), "val").runs == [[1, 2, 0]]


def test_absolute_paths_of_the_published_lists_are_found(write):
    root = write("train", {"0001TP_006690": (texture(1), label())}, prefix="/SegNet/CamVid/")
    assert CamVid(root, "train").image(0).shape == (HEIGHT, WIDTH, 3)


def test_events_between_real_frames_follow_the_motion():
    sensor = EventSimulator(64, 48, seed=0, noise_rate_hz=0, hot_share=0, threshold_spread=0)
    before = np.full((48, 64), 0.2, np.float32)
    before[:, 24:40] = 0.8
    after = np.roll(before, 4, axis=1)
    sensor.push(before, 0)
    events = Events.concatenate(follow(sensor, before, after, 0, 60_000))
    right = events[(events.x >= 36) & (events.x < 48)]  # the bright bar's right edge goes from column 40 to 44
    assert right.polarity.mean() > 0.9
    early, late = (right.x[(right.t_us > a) & (right.t_us <= b)].mean() for a, b in ((0, 20_000), (40_000, 60_000)))
    assert late - early > 1.5  # a cross-fade would fire at all columns at once


def test_light_that_changes_without_motion_makes_events_where_it_changes():
    sensor = EventSimulator(24, 20, seed=0, noise_rate_hz=0, hot_share=0, threshold_spread=0)
    before = np.full((20, 24), 0.2, np.float32)
    after = np.full((20, 24), 0.5, np.float32)
    sensor.push(before, 0)
    events = Events.concatenate(follow(sensor, before, after, 0, 60_000))
    assert events.polarity.all() and len(set(zip(events.x.tolist(), events.y.tolist()))) == 480


def test_an_unknown_split_names_the_known_ones(write):
    root = write("train", {"0001TP_006690": (texture(1), label())})
    with pytest.raises(DatasetError, match=r"test\.txt: no such split; .* has train"):
        CamVid(root, "test")


def test_a_broken_line_is_named(write):
    root = write("train", {"0001TP_006690": (texture(1), label())})
    (root / "train.txt").write_text("train/a.png\n")
    with pytest.raises(DatasetError, match=r"line 1: 'train/a.png' is not 'image label'"):
        CamVid(root, "train")


def test_a_missing_picture_is_named(write):
    root = write("train", {"0001TP_006690": (texture(1), label())})
    (root / "trainannot" / "0001TP_006690.png").unlink()
    with pytest.raises(DatasetError, match=r"trainannot/0001TP_006690\.png: no such file"):
        CamVid(root, "train").sample(0)


def test_a_label_of_another_size_is_refused(write):
    root = write("train", {"0001TP_006690": (texture(1), label()[:, :10])})
    with pytest.raises(DatasetError, match="10x48 pixels, its picture has 64x48"):
        CamVid(root, "train").sample(0)


def test_the_real_validation_stretch_is_one_video(shared_data):
    data = CamVid(shared_data / "camvid", "val")
    assert [len(run) for run in data.runs] == [60]
    assert CamVid(shared_data / "camvid", "train").runs == []
