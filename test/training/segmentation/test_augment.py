"""From clips to inputs: geometry alike for frame, events and labels; windows; lost inputs; class shares."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from halsie_ros.datasets.samples import Sample  # noqa: E402
from halsie_ros.events import Events  # noqa: E402
from halsie_ros.pictures.srgb import TO_LIGHT, to_codes, to_luminance  # noqa: E402
from halsie_ros.simulation.events import EventSimulator  # noqa: E402
from training.core.command import TrainingError  # noqa: E402
from training.segmentation.augment import AugmentConfig, View, class_shares, random_colours  # noqa: E402
from training.segmentation.items import cut_windows, lost_inputs, make_independent_frames, make_item  # noqa: E402

NO_LOSS = {"only_frames": 0.0, "only_events": 0.0, "blackout": 0.0, "drop": 0.0, "damage": 0.0, "window_split": 0.0}


def one_dot(height=96, width=128, frames=4, period_us=40_000):
    """A white dot at (row 30, column 50), labelled 3 and firing once per window; all else black, labelled 1."""
    images = np.zeros((frames, height, width, 3), np.uint8)
    labels = np.ones((frames, height, width), np.uint8)
    images[:, 28:33, 48:53] = 255
    labels[:, 28:33, 48:53] = 3
    times = 1_000 + period_us * np.arange(1, frames + 1)
    events = Events.of([50] * frames, [30] * frames, times - 10, [True] * frames)
    return Sample("dot", times, 1_000, images, events, labels, np.ones(frames, bool))


def holds_the_dot(view):
    """Whether the whole dot, rows 28 to 32 and columns 48 to 52, lies in the crop."""
    top, left = (28 * view.zoom - view.top, 48 * view.zoom - view.left)
    return 1 <= top <= view.crop[0] - 5 * view.zoom - 1 and 1 <= left <= view.crop[1] - 5 * view.zoom - 1


@pytest.mark.parametrize("seed", range(6))
def test_frame_events_and_labels_move_together(seed):
    config = AugmentConfig(crop=(64, 96), scale=(0.8, 1.4), steps=4, **NO_LOSS)
    random = np.random.default_rng(seed)
    sample = one_dot()
    views = (View.random((96, 128), config, random) for _ in range(100))
    view = next(view for view in views if holds_the_dot(view))
    image, labels, events = view.image(sample.frames[0]), view.labels(sample.labels[0]), view.events(sample.events)
    rows, columns = np.nonzero(image[..., 0] > 128)
    assert len(rows) >= 9 and len(events) == 4
    truth = np.nonzero(labels == 3)
    for picture_place, label_place in zip((rows, columns), truth):
        assert abs(picture_place.mean() - label_place.mean()) < 1.0
    assert abs(events.y.mean() - rows.mean()) < 1.5 and abs(events.x.mean() - columns.mean()) < 1.5


def test_what_lies_beyond_the_picture_has_no_label():
    config = AugmentConfig(crop=(128, 160), scale=(0.5, 0.5), **NO_LOSS)
    view = View.random((96, 128), config, np.random.default_rng(0))
    labels = view.labels(np.full((96, 128), 2, np.uint8))
    assert (labels == 2).sum() == 48 * 64 and set(np.unique(labels)) == {2, 255}


def test_windows_are_cut_as_the_pipeline_cuts_them():
    config = AugmentConfig(**NO_LOSS)
    sample = one_dot(frames=2, period_us=66_000)
    steps = cut_windows(sample, config, np.random.default_rng(0), 50_000)
    assert steps == [(1000, 34000, None), (34000, 67000, 0), (67000, 100000, None), (100000, 133000, 1)]


def test_a_cameras_jitter_makes_no_further_step():
    sample = one_dot(frames=2, period_us=50_004)
    steps = cut_windows(sample, AugmentConfig(**NO_LOSS), np.random.default_rng(0), 50_000)
    assert [index for _, _, index in steps] == [0, 1]


def test_random_cuts_keep_the_time_line_whole():
    config = AugmentConfig(**{**NO_LOSS, "window_split": 1.0})
    steps = cut_windows(one_dot(), config, np.random.default_rng(1), 50_000)
    assert steps[0][0] == 1000 and steps[-1][1] == 161_000
    assert all(one[1] == other[0] for one, other in pairwise(steps))
    assert [step[2] for step in steps if step[2] is not None] == [0, 1, 2, 3]
    assert max(end - start for start, end, _ in steps) <= 50_000


@pytest.mark.parametrize(
    "share, events, seen",
    [("only_frames", False, [1, 1, 1, 1]), ("only_events", True, [0, 0, 0, 0]), ("damage", True, [1, 1, 1, 1])],
)
def test_lost_inputs(share, events, seen):
    config = AugmentConfig(**{**NO_LOSS, share: 1.0})
    windows = [(0, 1, 0), (1, 2, 1), (2, 3, 2), (3, 4, 3)]
    assert lost_inputs(windows, config, np.random.default_rng(0)) == (events, [bool(one) for one in seen])


def test_a_blackout_starts_after_at_least_one_frame_and_lasts():
    config = AugmentConfig(**{**NO_LOSS, "blackout": 1.0})
    windows = [(0, 1, None), (1, 2, 0), (2, 3, 1), (3, 4, 2)]
    for seed in range(20):
        _, seen = lost_inputs(windows, config, np.random.default_rng(seed))
        assert seen[1] and not seen[0] and not seen[3]
        assert seen[2:] == sorted(seen[2:], reverse=True)


def test_an_item_holds_what_the_network_takes():
    config = AugmentConfig(crop=(64, 96), scale=(1.0, 1.0), steps=5, **NO_LOSS)
    item = make_item(one_dot(), config, np.random.default_rng(0), classes=5, bins=5, bin_us=10_000)
    assert item.frames.shape == (5, 3, 64, 96) and item.events.shape == (5, 10, 64, 96)
    assert item.shares.shape == (5, 5, 16, 24)
    assert item.frame_valid.tolist() == [0, 1, 1, 1, 1]  # the clip has four windows: the first step is empty
    assert item.dt_us.tolist() == [1, 40_000, 40_000, 40_000, 40_000]
    assert item.events[0].sum() == 0 and item.shares[0].sum() == 0
    torch.testing.assert_close(item.shares[1:].sum(1), torch.ones(4, 16, 24))
    last_bin_on = item.events[1:, 7]  # 39,990 us into the window: bin 3, on
    assert item.events[1:].sum() == last_bin_on.sum()


def test_an_album_shows_another_picture_at_every_step():
    dim = dataclasses.replace(one_dot(), frames=one_dot().frames // 2)
    config = AugmentConfig(crop=(64, 96), scale=(1.0, 1.0), steps=3, **NO_LOSS)
    shape = {"classes": 5, "bins": 5, "bin_us": 10_000}
    for inputs in (("frames", "events"), ("frames",)):
        one = dataclasses.replace(config, inputs=inputs)
        for seed in range(20):
            item = make_independent_frames([one_dot(), dim, one_dot()], one, np.random.default_rng(seed), **shape)
            brightest = (item.frames.amax((1, 2, 3)) * 255).round().tolist()
            assert set(brightest) <= {0, 127, 255} and brightest[1] <= 127
            assert item.events.abs().sum() == 0 and item.continues.tolist() == [0, 0, 0]
            assert item.frame_valid.tolist() == [1, 1, 1] and item.shares.shape == (3, 5, 16, 24)
    with pytest.raises(TrainingError, match="independent_frames"):
        AugmentConfig(independent_frames=1.5)


def test_a_turn_shows_another_view_before_a_frame():
    config = AugmentConfig(crop=(64, 96), scale=(0.8, 1.4), steps=4, view_change=1.0, **NO_LOSS)
    turned = 0
    for seed in range(8):
        item = make_item(one_dot(), config, np.random.default_rng(seed), classes=5, bins=5, bin_us=10_000)
        starts = (item.continues == 0).nonzero().flatten().tolist()
        assert starts[0] == 0 and len(starts) == 2 and item.frame_valid[starts[1]] == 1
        halves = item.shares[: starts[1]], item.shares[starts[1] :]
        assert all(torch.equal(one, half[0]) for half in halves for one in half)  # the dot stands still in each view
        turned += not torch.equal(halves[0][0], halves[1][0])
    assert turned >= 6


@pytest.mark.parametrize("kind", ["dark", "overexposed", "blur"])
def test_damage_changes_the_picture_as_named(kind):
    from training.segmentation.augment import Damage

    image = np.random.default_rng(0).integers(60, 200, (40, 60, 3), dtype=np.uint8)
    damaged = Damage(kind, 8.0, np.array([1.0, 0.0])).apply(image, np.random.default_rng(1))
    assert damaged.shape == image.shape and damaged.dtype == np.uint8
    if kind == "blur":
        assert damaged.std() < 0.6 * image.std() and abs(damaged.mean() - image.mean()) < 12
    else:
        assert (damaged.mean() < 0.6 * image.mean()) == (kind == "dark")
        assert (damaged.mean() > 1.2 * image.mean()) == (kind == "overexposed")


def noise_that_passes_by(frames=6):
    """A random picture that moves by 4 pixels a frame, with the events that a sensor would send; one class."""
    random = np.random.default_rng(1)
    wide = np.repeat(np.repeat(random.integers(60, 190, (48, 96), dtype=np.uint8), 2, 0), 2, 1)
    sensor, events, images = EventSimulator(128, 96, seed=1), [], []
    for step in range(4 * frames + 1):
        view = wide[:, step : step + 128]
        events.append(sensor.push(to_luminance(view), 10_000 * (step + 1)))
        if step % 4 == 0 and step:
            images.append(np.repeat(view[:, :, None], 3, 2))
    times = 10_000 + 40_000 * np.arange(1, frames + 1)
    labels = np.ones((frames, 96, 128), np.uint8)
    return Sample("noise", times, 10_000, np.stack(images), Events.concatenate(events), labels, np.ones(frames, bool))


@pytest.mark.parametrize("only_frames", [0.0, 1.0])
def test_damaged_frames_are_restored_where_there_are_events(monkeypatch, only_frames):
    from training.segmentation import augment

    monkeypatch.setattr(augment.Damage, "random", lambda *_: augment.Damage("dark", 40.0, np.array([1.0, 0.0])))
    sample, random = noise_that_passes_by(), np.random.default_rng(0)
    config = dataclasses.replace(
        AugmentConfig(crop=(64, 96), scale=(1.0, 1.0), steps=6, **NO_LOSS), damage=1.0, only_frames=only_frames
    )
    item = make_item(sample, config, random, classes=2, bins=5, bin_us=10_000, clean=True)
    light = torch.from_numpy(TO_LIGHT)[(item.clean * 255).long()] / 40
    wanted = torch.from_numpy(to_codes(light.numpy())).float() / 255
    noise = (item.frames - wanted).abs().mean((1, 2, 3))
    if only_frames:
        assert 0.9 < noise[-1] / noise[0] < 1.1
    else:
        assert noise[-1] < 0.8 * noise[0]


def test_bad_frames_of_a_recording_are_restored_as_the_pipeline_does(monkeypatch):
    sample, random = noise_that_passes_by(), np.random.default_rng(0)
    grain = random.normal(0, 60, sample.frames.shape[:3])[..., None]
    noisy = dataclasses.replace(sample, frames=np.clip(sample.frames + grain, 0, 255).astype(np.uint8))
    config = AugmentConfig(crop=(64, 96), scale=(1.0, 1.0), steps=6, **NO_LOSS)
    shape = {"classes": 2, "bins": 5, "bin_us": 10_000}
    seen, clean = (make_item(one, config, np.random.default_rng(3), **shape).frames for one in (noisy, sample))
    off = (seen - clean).abs().mean((1, 2, 3))
    assert off[-1] < 0.85 * off[0]
    views = [View.random((96, 128), config, np.random.default_rng(3))]
    assert torch.equal(clean[0], torch.from_numpy(views[0].image(sample.frames[0])).permute(2, 0, 1) / 255)


@pytest.mark.parametrize("zoom", [0.8, 1.0, 1.37])
def test_nothing_that_a_view_shows_lies_outside_its_source(zoom):
    random = np.random.default_rng(3)
    config = AugmentConfig(crop=(64, 64), scale=(zoom, zoom))
    image = random.integers(1, 255, (96, 128, 3), dtype=np.uint8)
    for _ in range(10):
        view = View.random((96, 128), config, random)
        rows, columns = view.source((96, 128))
        outside = np.zeros_like(image)
        outside[rows, columns] = image[rows, columns]
        assert np.array_equal(view.image(outside), view.image(image))


def test_colours_vary_with_the_clip_and_keep_the_order_of_levels():
    tables = [random_colours(0.4, np.random.default_rng(seed)) for seed in range(20)]
    assert all((np.diff(table.astype(int)) >= 0).all() and (table[:, 0] == 0).all() for table in tables)
    middles = np.array([table[:, 128] for table in tables], float)
    assert middles.mean(1).std() > 10 and 1 < np.ptp(middles, axis=1).mean() < 60  # brightness varies more than colour
    assert random_colours(0.0, np.random.default_rng(0)).tolist() == [list(range(256))] * 3


def test_class_shares_by_hand():
    labels = np.full((4, 8), 255, np.uint8)
    labels[:, :4] = 0
    labels[:2, :2] = 2
    labels[0, 4] = 1
    shares = class_shares(labels, 3)
    assert shares[:, 0, 0].tolist() == [0.75, 0.0, 0.25]
    assert shares[:, 0, 1].tolist() == [0.0, 1 / 16, 0.0]
    fine = class_shares(labels, 3, 2)
    assert fine.shape == (3, 2, 4) and fine[:, 0, 0].tolist() == [0.0, 0.0, 1.0] and fine[1, 0, 2] == 0.25


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"crop": [100, 64]}, "multiples of 32"),
        ({"inputs": ["sound"]}, "give frames, events or both"),
        ({"blackout": 0.9, "drop": 0.3}, "more than 1"),
        ({"inputs": ["frames"]}, "no events"),
        ({"inputs": ["events"]}, "no frames"),
        ({"view_change": 2}, "view_change is 2"),
        ({"jitter": -0.1}, "0 for none"),
        ({"steps": 0}, "steps is 0"),
        ({"damage": 3}, "damage is 3"),
        ({"window_split": -1}, "window_split is -1"),
        ({"only_events": -0.3}, "only_events is -0.3"),
        ({"scale": (1.4, 0.7)}, "smallest zoom"),
    ],
)
def test_conflicts_are_refused(wrong, said):
    with pytest.raises(TrainingError, match=said):
        AugmentConfig(**wrong)
