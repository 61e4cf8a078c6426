"""Recipes: read, refused when they conflict; the task learns, validates and is exported."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from halsie_ros.datasets.samples import Sample  # noqa: E402
from halsie_ros.events import Events  # noqa: E402
from training.core.command import TrainingError  # noqa: E402
from training.core.loop import batches, train  # noqa: E402
from training.networks.frozen import FrozenNorms  # noqa: E402
from training.networks.halsie import HalsieStream, StreamConfig  # noqa: E402
from training.networks.teacher import Teacher  # noqa: E402
from training.segmentation.augment import class_shares  # noqa: E402
from training.segmentation.clip_files import PackedClips, load_clip, save_clip  # noqa: E402
from training.segmentation.clips import pack  # noqa: E402
from training.segmentation.config import SegmentationConfig  # noqa: E402
from training.segmentation.export import export, load  # noqa: E402
from training.segmentation.export import main as export_command  # noqa: E402
from training.segmentation.items import ClipItem, in_bytes, make_item, stacked  # noqa: E402
from training.segmentation.losses import distillation_loss, motion_error, soft_iou  # noqa: E402
from training.segmentation.scenes import SceneClips  # noqa: E402
from training.segmentation.sources import SourceConfig  # noqa: E402
from training.segmentation.task import SegmentationTask  # noqa: E402
from training.segmentation.teacher import TeacherTask  # noqa: E402
from training.segmentation.validation import Seen, measured, run_clip  # noqa: E402

RECIPE = {
    "class_set": "ddd17_6",
    "network": {"classes": 6, "event_channels": [8, 8, 8], "memory": 8, "deep": [48, 96]},
    "train": {"kind": "scene", "split": "train", "count": 4, "frames": 2},
    "validation": {"kind": "scene", "split": "validation", "count": 2, "frames": 2},
    "augment": {"crop": [64, 64], "scale": [1.0, 1.0], "steps": 2, "damage": 0.0},
    "loop": {"steps": 12, "batch": 2, "learning_rate": 0.005, "validate_every": 12, "save_every": 12, "ema_decay": 0.0},
    "card": {
        "inputs": ["frames", "events"],
        "data": "halves",
        "licence": "Apache-2.0",
        "commercial_use": True,
        "recipe": "none",
    },
}


def halves(seed, frames=2):
    """A picture whose dark left half is class 0 and bright right half class 1, in a random place."""
    random = np.random.default_rng(seed)
    edge = int(random.integers(20, 44))
    labels = np.zeros((frames, 64, 64), np.uint8)
    labels[:, :, edge:] = 1
    images = np.where(labels[..., None] == 1, 200, 30).astype(np.uint8).repeat(3, -1)
    times = 40_000 * np.arange(1, frames + 1)
    events = Events.of([edge] * 20, range(20), np.linspace(1, times[-1], 20), [True] * 20)
    return Sample(f"halves {seed}", times, 0, images, events, labels, np.ones(frames, bool), np.array([1.0, 0.0]))


def item_of(**given):
    """A `ClipItem` of which some tensors matter."""
    return ClipItem(**{**dict.fromkeys(ClipItem._fields, torch.zeros(1)), **given})


@pytest.fixture
def recipe(tmp_path):
    """RECIPE on packed clips of halves."""
    for split, first in (("train", 0), ("validation", 100)):
        (tmp_path / split).mkdir()
        for index in range(4):
            save_clip(tmp_path / split / f"{index}.npz", halves(first + index))
    parts = {split: {**RECIPE[split], "packed": str(tmp_path / split)} for split in ("train", "validation")}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **parts}))
    return path


def test_a_clip_survives_packing(tmp_path):
    sample = dataclasses.replace(halves(1), t_us=np.array([540_000, 580_000]), t0_us=500_000)
    sample = dataclasses.replace(sample, events=sample.events.shifted(500_000))
    save_clip(tmp_path / "clip.npz", sample)
    again = load_clip(tmp_path / "clip.npz")
    assert again.name == "halves 1" and again.t_us.tolist() == [40_000, 80_000] and again.t0_us == 0
    assert np.array_equal(again.frames, sample.frames) and np.array_equal(again.labels, sample.labels)
    for name in ("x", "y", "polarity"):
        assert np.array_equal(getattr(again.events, name), getattr(sample.events, name))
    assert np.array_equal(again.events.t_us + 500_000, sample.events.t_us)


def test_a_still_is_one_frame_of_a_packed_clip(tmp_path):
    sample = halves(1)
    save_clip(
        tmp_path / "clip.npz", dataclasses.replace(sample, frames=np.stack([sample.frames[0], sample.frames[0] // 2]))
    )
    clips = PackedClips(tmp_path, stills=True)
    taken = [clips.sample(0, seed) for seed in (0, 1, None)]
    assert [still.frames.max() for still in taken] == [200, 100, 100]  # the seed's frame; None: the last
    assert all(len(still) == 1 and len(still.events) == 0 and still.labelled.all() for still in taken)
    labels = sample.labels.copy()
    labels[1] = 255
    save_clip(tmp_path / "clip.npz", dataclasses.replace(sample, labels=labels))
    assert all((clips.sample(0, seed).labels != 255).any() for seed in (0, 1, 2, None))
    with pytest.raises(TrainingError, match="of stills: give 1"):
        SourceConfig("scene", count=3, frames=2, stills=True)
    with pytest.raises(TrainingError, match="pack clips"):
        SourceConfig("scene", count=3, frames=1, stills=True)


def test_independent_frames_are_made_of_single_pictures(recipe):
    task = SegmentationTask(
        SegmentationConfig.load(recipe, ["augment.independent_frames=1.0", "augment.only_frames=0.0"])
    )
    task._clips.sample = None  # a whole clip is never asked for
    item = task.item(0, np.random.default_rng(1))
    assert item.frame_valid.tolist() == [1.0, 1.0] and not item.events.any()
    assert (item.shares.sum((1, 2, 3)) > 0).all()


def test_a_street_is_a_picture_too():
    streets = SceneClips("train", 2, 2)
    picture, clip = streets.still(1, 5), streets.sample(1, 5)
    assert len(picture) == 1 and np.array_equal(picture.frames[0], clip.frames[0])
    assert np.array_equal(picture.labels[0], clip.labels[0])


def test_packing_continues_where_it_stopped_and_can_be_shared(tmp_path):
    asked = []

    class Source:
        def __len__(self):
            return 5

        def sample(self, index, seed):
            asked.append((seed, index))
            return halves(10 * seed + index)

    pack(Source(), tmp_path, 1, 1, 2)
    assert asked == [(0, 1), (0, 3)]
    pack(Source(), tmp_path, 2)
    assert len(PackedClips(tmp_path)) == 10 and asked[2:5] == [(0, 0), (0, 2), (0, 4)]
    assert PackedClips(tmp_path).sample(3, 7).name == "halves 3"
    with pytest.raises(TrainingError, match=r"python -m training\.segmentation\.clips"):
        PackedClips(tmp_path / "nowhere")


def test_the_recipes_of_the_repository_are_read(repository):
    for path in sorted((repository / "training" / "configs").glob("halsie_*.yaml")):
        config = SegmentationConfig.load(path)
        assert f"configs/{path.name}" in config.card["recipe"]
        assert config.card["commercial_use"] == (path.stem == "halsie_scene")
        for part in (config.train, config.validation):
            assert part.packed or part.kind in ("camvid", "scene", "mix")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"colour": 1}, "unknown colour"),
        ({"loop": {**RECIPE["loop"], "speed": 3}}, "loop: unknown speed"),
        ({"loop": {"steps": 3}}, "batch"),
        ({"network": {"classes": 11}}, "network.classes is 11, ddd17_6 has 6"),
        ({"class_set": "moon"}, "class_set is 'moon'"),
        ({"imagenet": "a", "start": "b"}, "keep one"),
        ({"teacher": "a"}, "give both"),
        ({"distillation_weight": 1.0}, "give both"),
        ({"distillation_frames": 4}, "give 0, or both"),
        ({"train": {**RECIPE["train"], "root": "somewhere"}}, "only data sets have a root"),
        ({"soft_iou_weight": -1}, "soft_iou_weight is -1"),
        ({"loss_output_stride": 3}, "give 1, 2 or 4"),
        ({"frozen_norms": "yes please"}, "frozen_norms is 'yes please': give true or false"),
        ({"network": {**RECIPE["network"], "unrolled": True}, "start": "a"}, "network.unrolled has neither"),
        ({"network": {**RECIPE["network"], "unrolled": True, "mixer": False}}, "network.unrolled is spiking"),
        ({"card": {**RECIPE["card"], "inputs": ["frames"]}}, "card.inputs"),
        ({"card": {"inputs": ["frames", "events"]}}, "card lacks commercial_use, data, licence, recipe"),
    ],
)
def test_conflicts_are_refused_at_construction(tmp_path, change, said):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **change}))
    with pytest.raises(TrainingError, match=said):
        SegmentationConfig.load(path)


def test_changes_on_the_command_line_are_held_to_the_same_rules(repository):
    recipe = repository / "training" / "configs" / "halsie_scene.yaml"
    config = SegmentationConfig.load(recipe, ["loop.steps=77", "augment.scale=[1.0, 1.5]", "class_weights=0.5"])
    assert (config.loop.steps, config.augment.scale, config.class_weights) == (77, (1.0, 1.5), 0.5)
    for change, said in (("loop.stepz=3", "unknown stepz"), ("loop.steps", "give PART.NAME=VALUE")):
        with pytest.raises(TrainingError, match=said):
            SegmentationConfig.load(recipe, [change])


def test_a_short_training_learns_resumes_and_is_exported(recipe, tmp_path):
    from halsie_ros.segmentation.pipeline import SegmentationPipeline

    config = SegmentationConfig.load(recipe)
    about = dataclasses.asdict(config)
    whole = train(SegmentationTask(config), config.loop, tmp_path / "whole", about=about)
    assert np.mean(whole.losses[-3:]) < 0.6 * whole.losses[0]

    half = dataclasses.replace(config.loop, save_every=5)
    with pytest.raises(StopIteration):
        train(_Stopping(config, 7), half, tmp_path / "half", about=about)
    rest = train(SegmentationTask(config), half, tmp_path / "half", about=about, resume="auto")
    assert rest.losses == whole.losses[5:]

    network, card = load(tmp_path / "whole" / "best.pt")
    pipeline = SegmentationPipeline(export(network, "halves", tmp_path / "models", card, {}))
    sample = halves(200)
    result = pipeline.step(sample.frames[0], sample.window(0), None, t0_us=0, t1_us=40_000)
    expected = run_clip(network.eval(), dataclasses.replace(sample, t_us=sample.t_us[:1]), ("frames", "events"))
    assert (result.mask == expected).mean() > 0.97


def test_the_papers_shape_learns_too_and_is_read_again_but_not_exported(recipe, tmp_path, capsys):
    config = SegmentationConfig.load(recipe, ["network.unrolled=true"])
    run = train(SegmentationTask(config), config.loop, tmp_path / "run", about=dataclasses.asdict(config))
    assert np.mean(run.losses[-3:]) < 0.8 * run.losses[0]
    network, _ = load(tmp_path / "run" / "last.pt")
    mask = run_clip(network.eval(), halves(200), ("frames", "events"))
    assert mask.shape == halves(200).labels.shape[1:]
    with pytest.raises(SystemExit):
        export_command([str(tmp_path / "run" / "last.pt"), "--name", "paper"])
    assert "not deployed" in capsys.readouterr().err


class _Stopping(SegmentationTask):
    def __init__(self, config, calls):
        super().__init__(config)
        self.calls = calls

    def loss(self, network, batch):
        self.calls -= 1
        if self.calls < 0:
            raise StopIteration
        return super().loss(network, batch)


def test_frozen_norms_stay_as_they_are(recipe):
    config = dataclasses.replace(
        SegmentationConfig.load(recipe), frozen_norms=True, soft_iou_weight=0.5, motion_weight=0.5
    )
    task = SegmentationTask(config)
    task.network.train()
    norm = next(module for module in task.network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    before = norm.running_mean.clone()
    item = task.item(0, np.random.default_rng(0))
    loss, _ = task.loss(task.network, stacked([item]))
    assert torch.isfinite(loss) and torch.equal(norm.running_mean, before)


def test_synchronised_norms_are_frozen_too(recipe):
    task = SegmentationTask(dataclasses.replace(SegmentationConfig.load(recipe), frozen_norms=True))
    network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(task.network).train()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.SyncBatchNorm)]
    assert norms and network.training and not any(norm.training for norm in norms)


def test_a_run_with_frozen_norms_goes_on_is_exported_and_started_from(recipe, tmp_path):
    config = SegmentationConfig.load(recipe, ["frozen_norms=true", "loop.steps=2", "loop.save_every=1"])
    task, about, run = SegmentationTask(config), dataclasses.asdict(config), tmp_path / "run"
    train(task, config.loop, run, about=about)
    longer = dataclasses.replace(config.loop, steps=3)
    assert train(SegmentationTask(config), longer, run, about=about, resume="auto").step == 3
    network, card = load(run / "last.pt")
    saved = torch.load(run / "last.pt", weights_only=True)["average"]
    assert all(torch.equal(one, saved[name]) for name, one in network.state_dict().items())
    assert export(network, "frozen", tmp_path, card, {}).is_file()
    for frozen in ("true", "false"):
        start = [f"start={run / 'last.pt'}", f"frozen_norms={frozen}"]
        again = SegmentationTask(SegmentationConfig.load(recipe, start)).network
        assert isinstance(again, FrozenNorms) == (frozen == "true")
        assert torch.equal(again.state_dict()["update.weight"], saved["update.weight"])


def test_items_travel_in_bytes_and_the_loss_is_that_of_floats(recipe, tmp_path):
    path = tmp_path / "distillation.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), "teacher": "t", "distillation_weight": 1.0}))
    torch.save({"average": Teacher(StreamConfig(**RECIPE["network"])).state_dict()}, tmp_path / "teacher.pt")
    config = SegmentationConfig.load(path, [f"teacher={tmp_path / 'teacher.pt'}", "augment.damage=1.0"])
    task = SegmentationTask(config)
    item, random = task.item(2, np.random.default_rng(4)), np.random.default_rng(4)
    clip = task._clips.sample(2, int(random.integers(1 << 30)))
    floats = make_item(clip, config.augment, random, classes=6, bins=5, bin_us=10_000, clean=True)
    kinds = {name: one.dtype for name, one in item._asdict().items()}
    assert {name for name, kind in kinds.items() if kind == torch.uint8} == {"frames", "events", "clean"}
    assert item.events.any() and item.frames.any()
    batch = stacked([item, item])
    asked = (floats.frames, floats.events, floats.dt_us, floats.frame_valid, floats.clean)
    wanted = tuple(one[:, None].expand(-1, 2, *one.shape[1:]) for one in asked)
    shown, network, teach = [], task.network.eval(), task._teacher.frame
    task._teacher.frame = lambda image: shown.append(image) or teach(image)
    loss, _ = task.loss(lambda *given: shown.extend(given) or network(*given), batch)
    assert all(torch.equal(given, one) for given, one in zip(shown, (*wanted[:4], wanted[4].flatten(0, 1))))
    from_floats, _ = task.loss(lambda *_: network(*wanted[:4]), batch)
    assert torch.equal(loss, from_floats) and len(shown) == 6


def test_more_events_than_a_byte_holds_count_as_255():
    counts = torch.tensor([0.0, 3.0, 255.0, 256.0, 1000.0])
    assert in_bytes(item_of(events=counts)).events.tolist() == [0, 3, 255, 255, 255]


def test_every_byte_comes_back_as_the_same_float():
    bytes_ = torch.arange(256, dtype=torch.uint8)
    item = in_bytes(item_of(frames=bytes_ / 255))
    assert torch.equal(item.frames, bytes_)


def test_loading_processes_give_the_same_batch(recipe):
    config = SegmentationConfig.load(recipe, ["augment.damage=0.5", "augment.independent_frames=0.3"])
    task = SegmentationTask(config)
    alone, helped = (
        next(batches(task, dataclasses.replace(config.loop, workers=workers), first=3)) for workers in (0, 2)
    )
    assert all(map(torch.equal, alone, helped))
    other = next(batches(task, config.loop, first=4))
    assert not torch.equal(alone.frames, other.frames)


def test_rare_classes_weigh_more_by_the_power_of_their_share(recipe, tmp_path):
    labels = np.zeros((1, 64, 64), np.uint8)
    labels[:, :, 48:] = 1  # a quarter of the picture
    labels[:, :32] = 255
    (tmp_path / "quarter").mkdir()
    sample = dataclasses.replace(halves(0, 1), labels=labels)
    save_clip(tmp_path / "quarter" / "0.npz", sample)
    changes = [f"train.packed={tmp_path / 'quarter'}", "class_weights=0.5"]
    weights = SegmentationTask(SegmentationConfig.load(recipe, changes))._weights
    shares = np.array([1537, 513, 1, 1, 1, 1]) / 2054  # one is added to each count; no share counts as less than 0.001
    expected = np.maximum(shares, 1e-3) ** -0.5
    assert weights.numpy() == pytest.approx(expected / expected.mean(), rel=1e-6)
    even = SegmentationTask(SegmentationConfig.load(recipe, [*changes, "class_weights=0.0"]))._weights
    assert even.tolist() == [1.0] * 6


SHARED = """
import json, sys
from pathlib import Path
from training.core.loop import train
from training.segmentation.task import SegmentationTask
from training.segmentation.config import SegmentationConfig

config = SegmentationConfig.load(Path(sys.argv[1]), sys.argv[3:])
print(json.dumps(train(SegmentationTask(config), config.loop, Path(sys.argv[2])).losses))
"""


def test_two_processes_have_the_losses_of_one(recipe, tmp_path, two_processes):
    changes = ["frozen_norms=true", "loop.steps=4", "loop.batch=4", "soft_iou_weight=0.5", "motion_weight=0.5"]
    config = SegmentationConfig.load(recipe, changes)
    alone = train(SegmentationTask(config), config.loop, tmp_path / "one").losses
    for code, output, errors in two_processes(SHARED, *[[recipe, tmp_path / "two", *changes]] * 2):
        assert code == 0, errors
        np.testing.assert_allclose(json.loads(output.splitlines()[-1]), alone, rtol=1e-5)


def test_the_loss_of_a_batch_is_the_mean_of_its_items(recipe):
    config = dataclasses.replace(
        SegmentationConfig.load(recipe), frozen_norms=True, soft_iou_weight=0.5, motion_weight=0.5
    )
    task = SegmentationTask(config)
    items = [task.item(index, np.random.default_rng(index)) for index in range(2)]
    alone = [task.loss(task.network, stacked([item]))[0] for item in items]
    together, _ = task.loss(task.network, stacked(items))
    assert together.item() == pytest.approx(np.mean([loss.item() for loss in alone]), rel=1e-5)


def test_a_finer_loss_asks_for_what_is_thinner_than_half_a_cell(recipe):
    """A line of one pixel: cells of 4x4 pixels are content with a quarter of it in each, single pixels are not."""
    column = np.full((64, 64), 1, np.uint8)
    column[:, 32] = 0
    losses = {}
    for stride in (4, 1):
        config = dataclasses.replace(SegmentationConfig.load(recipe), class_weights=0.0, loss_output_stride=stride)
        task = SegmentationTask(config)
        shares = torch.zeros(1, 1, config.network.classes, 64 // stride, 64 // stride)
        shares[0, 0] = class_shares(column, config.network.classes, stride)
        batch = item_of(
            frames=torch.zeros(1, 1, 3, 64, 64, dtype=torch.uint8),
            events=torch.zeros(1, 1, 10, 64, 64, dtype=torch.uint8),
            dt_us=torch.full((1, 1), 50_000.0),
            frame_valid=torch.ones(1, 1),
            continues=torch.zeros(1, 1),
            shares=shares,
        )
        guess = torch.full((1, config.network.classes, 16, 16), -20.0)
        guess[:, :2] = class_shares(column, config.network.classes)[:2].clamp(1e-6).log()
        losses[stride] = float(task.loss(lambda *_, guess=guess: (guess, (), [], torch.zeros(1, 2, 8, 8)), batch)[0])
    assert losses[4] == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / 16, rel=0.02)  # its lower bound
    assert losses[1] > losses[4] * 1.2


def test_soft_iou_of_masks_is_their_iou_and_unlabelled_cells_do_not_count():
    truth, guess = torch.zeros(2, 3, 2, 4), torch.zeros(2, 3, 2, 4)
    truth[:, 0, :, :2] = 1  # item 0: class 0 left, class 1 right; item 1: class 0 left, nothing right
    truth[0, 1, :, 2:] = 1
    guess[:, 0, :, :3] = 1
    guess[:, 1, :, 3:] = 1
    both = soft_iou(guess, truth, 2)
    assert both.tolist() == pytest.approx([(4 / 6 + 2 / 4) / 2, 1.0])
    assert soft_iou(guess, torch.zeros_like(truth), 2).tolist() == [1.0, 1.0]
    two_steps = soft_iou(guess, truth, 1)  # the same as two steps of one item: counts add up before they are divided
    assert two_steps.tolist() == pytest.approx([(8 / 10 + 2 / 4) / 2])


def test_motion_error_is_none_where_labels_move_as_told():
    columns = torch.arange(8)
    shares = torch.stack([(columns >= edge).float() for edge in (2, 3, 4)])  # an edge that moves right by a cell a step
    shares = torch.stack((1 - shares, shares), 1).view(3, 1, 2, 1, 8).expand(3, 1, 2, 4, 8)
    right = torch.zeros(3, 1, 2, 4, 8)
    right[:, :, 0] = -1.0  # each cell comes from its left
    goes_on = torch.ones(3, 1)
    assert motion_error(shares, right, goes_on).item() == pytest.approx(0.0, abs=1e-6)
    still, wrong = (motion_error(shares, moves, goes_on).item() for moves in (0 * right, -right))
    assert 1.9 < still <= 2.0 and wrong > still * 0.99
    assert motion_error(shares, 0 * right, torch.zeros(3, 1)).item() == 0.0
    unlabelled = shares.clone()
    unlabelled[1] = 0  # the first labels move on by two cells
    assert motion_error(unlabelled, right, goes_on).item() == pytest.approx(0.0, abs=1e-6)


def test_validation_counts_the_pixels_of_all_clips_together_as_asked(monkeypatch):
    class Clips:
        def __len__(self):
            return 3

        def sample(self, index, seed):
            assert seed is None
            return dataclasses.replace(halves(index), labels=labels[index][None, None].repeat(2, 0))

    labels = [np.array([0, 0, 1, 255], np.uint8), None, np.array([2, 1, 1, 1], np.uint8)]
    masks = {(0, 0): [0, 1, 1, 2], (2, 0): [1, 1, 1, 1], (0, 2): [0] * 4, (2, 2): [1] * 4}
    from training.segmentation import validation

    def run(network, sample, inputs, lost):
        place = 0 if sample.labels[-1, 0, 3] == 255 else 2
        return np.array([masks[place, lost]], np.uint8)

    monkeypatch.setattr(validation, "run_clip", run)
    both, lost = measured(None, Clips(), 2, [Seen(("events",)), Seen(("events",), 2)], 3)
    assert both.iou.tolist() == pytest.approx([1 / 2, 4 / 6, 0.0]) and both.miou == pytest.approx((1 / 2 + 4 / 6) / 3)
    assert lost.iou.tolist() == pytest.approx([2 / 3, 3 / 5, 0.0])
    (coarse,) = measured(None, Clips(), 2, [Seen(("events",))], 2, lambda ids: np.minimum(ids, 1) + (ids == 255) * 254)
    assert coarse.iou.tolist() == pytest.approx([1 / 2, 5 / 6])


def test_recordings_are_read_packed_only():
    with pytest.raises(TrainingError, match=r"dsec is read packed: run `python -m training\.segmentation\.clips"):
        SourceConfig("dsec", root="DSEC").open()


def test_recordings_are_packed_in_order_by_one_command(repository, tmp_path, monkeypatch):
    from halsie_ros.datasets import registry
    from training.segmentation import clips

    asked = {}

    def split_samples(dataset, root, split, *, frames, labels):
        asked.update(dataset=dataset, root=root.name, split=split, frames=frames, labels=labels)
        return None, 0, iter([halves(1), halves(2)])

    monkeypatch.setattr(registry, "split_samples", split_samples)
    recipe = repository / "training" / "configs" / "halsie_dsec.yaml"
    assert clips.main([str(recipe), "--part", "validation", "--out", str(tmp_path)]) == 0
    split = SegmentationConfig.load(recipe).validation.split
    assert asked == {"dataset": "dsec", "root": "DSEC", "split": split, "frames": 6, "labels": None}
    assert [PackedClips(tmp_path).sample(index, None).name for index in range(2)] == ["halves 1", "halves 2"]


def test_training_streets_and_validation_streets_differ():
    from training.segmentation.scenes import SceneClips

    pytest.importorskip("numba")
    seen = [SceneClips(split, 1, 1).sample(0, None) for split in ("train", "validation")]
    assert seen[0].name == "street 0 day" and seen[1].name == "street 1000000 day"
    assert not np.array_equal(seen[0].frames, seen[1].frames)
    assert seen[0].frames.shape == (1, 260, 346, 3) and len(seen[0].events) > 100
    with pytest.raises(TrainingError, match="give train or validation"):
        SceneClips("demo", 1, 1)


STILLS = {
    "augment": {
        "crop": [64, 64], "scale": [1.0, 1.0], "steps": 1, "inputs": ["frames"], "damage": 1.0, "window_split": 0.0,
        "only_frames": 0.0, "only_events": 0.0, "blackout": 0.0, "drop": 0.0,
    },
    "card": {**RECIPE["card"], "inputs": ["frames"]},
}  # fmt: skip


def test_a_teacher_learns_and_a_network_learns_from_it(recipe, tmp_path):
    path = tmp_path / "stills.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), **STILLS}))
    config = SegmentationConfig.load(path)
    task = TeacherTask(config)
    before = task.validate(task.network.eval())["miou"]
    train(task, config.loop, tmp_path / "teacher")
    saved = torch.load(tmp_path / "teacher" / "last.pt", weights_only=True)
    task.network.load_state_dict(saved["average"])
    assert task.validate(task.network.eval())["miou"] > before
    teacher = str(tmp_path / "teacher" / "last.pt")
    pupil = SegmentationTask(SegmentationConfig.load(path, [f"teacher={teacher}", "distillation_weight=1.0"]))
    item = pupil.item(0, np.random.default_rng(3))
    assert (item.clean.float() - item.frames.float()).abs().mean() > 5  # damage: 1.0
    batch = stacked([item, item])
    alone = SegmentationTask(config).loss(pupil.network, batch)[0]
    assert pupil.loss(pupil.network, batch)[0] > alone
    with pytest.raises(TrainingError, match="single frames"):
        TeacherTask(SegmentationConfig.load(recipe))


def test_a_recipe_starts_from_an_exported_model_and_learns_from_it(recipe, tmp_path):
    config = SegmentationConfig.load(recipe)
    task = SegmentationTask(config)
    train(task, config.loop, tmp_path / "first", about=dataclasses.asdict(config))
    network, about = load(tmp_path / "first" / "last.pt")
    card = str(export(network, "first", tmp_path, about, {}))
    again = SegmentationTask(
        SegmentationConfig.load(recipe, [f"start={card}", f"teacher={card}", "distillation_weight=1.0"])
    )
    assert again.validate(again.network.eval()) == pytest.approx(task.validate(network.eval()), abs=0.02)
    batch = stacked([again.item(0, np.random.default_rng(3))])
    assert torch.isfinite(again.loss(again.network, batch)[0])


def test_the_distillation_loss_is_the_difference_from_the_teacher_where_there_is_a_frame():
    torch.manual_seed(0)
    teacher = Teacher(StreamConfig(classes=4)).eval()
    clean = torch.rand(2, 3, 64, 64)
    clean[1] = 0
    with torch.no_grad():
        wanted = teacher.frame(clean)
    assert wanted.shape == (2, 4, 16, 16)
    other = wanted + torch.randn(2, 4, 16, 16)
    other[0] = wanted[0]
    assert float(distillation_loss(other, clean, teacher)) == pytest.approx(0, abs=1e-6)
    other[0] += torch.randn(4, 16, 16)
    p = torch.softmax(wanted[0], 0)
    expected = (p * (p.log() - torch.log_softmax(other[0], 0))).sum(0).mean()
    assert float(distillation_loss(other, clean, teacher)) == pytest.approx(float(expected), rel=1e-4)


def test_the_teacher_is_asked_about_a_few_frames_drawn_at_random():
    torch.manual_seed(0)
    teacher, asked = Teacher(StreamConfig(classes=4)).eval(), []
    teacher.frame = lambda image: asked.append(image[:, 0, 0, 0].tolist()) or torch.zeros(len(image), 4, 8, 8)
    clean = (torch.arange(6.0) / 10).view(6, 1, 1, 1).expand(6, 3, 32, 32)  # the first one is missing
    scores = torch.zeros(6, 4, 8, 8)
    scores[3, 0] = 4.0
    values = [float(distillation_loss(scores, clean, teacher, 2)) for _ in range(40)]
    assert all(len(one) == 2 and 0.0 not in one for one in asked)
    assert len({round(value, 12) for one in asked for value in one}) == 5
    per_frame = float(distillation_loss(scores[3:4], clean[3:4], teacher))
    assert {round(value, 5) for value in values} == {0.0, round(per_frame / 2, 5)}


def test_frozen_parts_keep_weights_and_norms_while_the_rest_learns(repository, tmp_path):
    torch.manual_seed(0)
    network = HalsieStream(StreamConfig())
    held = FrozenNorms(network, ("event_branch",)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([one for one in held.parameters() if one.requires_grad], 0.1)
    events = torch.poisson(torch.full((1, 2, 10, 64, 64), 0.5))
    scores = held(torch.rand(1, 2, 3, 64, 64), events, torch.full((1, 2), 3e4), torch.ones(1, 2))[0]
    scores.square().mean().backward()
    optimizer.step()
    changed = {name.split(".")[0] for name, value in network.state_dict().items() if not value.equal(before[name])}
    assert "event_branch" not in changed and {"frame_branch", "decoder"} <= changed
    assert set(held.state_dict()) == set(network.state_dict())
