import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from training.action.augment import augment, mirror
from training.action.config import ActionRecipe
from training.action.data import ClipCache, choose_gops, collate
from training.action.export import export, load
from training.action.task import ActionTask, about, main
from training.action.windows import SETTLES_S, stream_window
from training.core.command import TrainingError
from training.core.loop import train
from training.core.recipes import build
from training.core.recipes import load as load_recipe
from training.networks.action_config import ActionConfig
from training.networks.compressed_video import CompressedVideoNet
from training.networks.temporal_modulator import SpikingTemporalModulator
from training.recipe import commands

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
TINY = {"width": 16, "channels": 4, "image_channels": 8, "layers": 1, "heads": 2, "gops": 3}


def write_cache(folder, clips=8, gops=3, steps=2):
    """Clips whose motion goes right (label "right") or left (label "left")."""
    rng = np.random.default_rng(0)
    count = clips * gops
    labels = ["right" if c % 2 else "left" for c in range(clips)]
    sign = np.repeat([1 if label == "right" else -1 for label in labels], gops)
    motion = np.zeros((count, steps, 4, 24, 32), np.float16)
    motion[:, :, 0, 8:16, 8:24] = sign[:, None, None, None]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "motion.npy", motion)
    np.save(folder / "residual.npy", np.abs(rng.normal(0, 0.1, (count, steps, 2, 48, 64))).astype(np.float16))
    np.save(folder / "image.npy", rng.integers(0, 255, (count, 3, 96, 128), dtype=np.uint8))
    np.save(folder / "dt_us.npy", np.full((count, steps), 66_667, np.float32))
    np.save(folder / "camera.npy", np.tile(np.float32([1, 0]), (count, steps, 1)))
    np.save(folder / "end_s.npy", np.tile(np.arange(gops, dtype=np.float32) * 0.4, clips))
    groups = [f"g{c // 2}" for c in range(clips)]
    np.savez(
        folder / "clips.npz", gops=[gops] * clips, label=labels, group=groups, path=[f"{c}.mp4" for c in range(clips)]
    )
    return folder


def recipe(**changes):
    loop = {"steps": 12, "batch": 4, "learning_rate": 5e-3, "validate_every": 12, "save_every": 12}
    fields = {
        "classes": ["left", "right"],
        "loop": loop,
        "card": {},
        "data": [{"cache": "c"}],
        "model": TINY,
        "strength": 0.0,
    }
    return build(ActionRecipe, {**fields, **changes}, "recipe")


def stm(kind="stm"):
    torch.manual_seed(0)
    return SpikingTemporalModulator(2, kind).eval()


def drive(module, current, steps, dt=66_667.0):
    spikes, _ = module(torch.full((steps, 2, 1, 1), current), None, torch.full((steps,), dt), steps)
    return spikes.detach().view(steps, 2).sum(0)


def test_a_weak_current_never_fires_and_a_strong_one_does():
    assert drive(stm(), 0.1, 20).sum() == 0
    assert (drive(stm(), 3.0, 20) > 3).all()


def test_recent_firing_raises_the_threshold():
    assert (drive(stm("stm"), 1.2, 30) < drive(stm("lif"), 1.2, 30)).all()


def test_a_step_of_no_time_leaves_the_state_and_fires_nothing():
    module = stm()
    state = (torch.full((1, 2, 1, 1), 5.0), torch.full((1, 2, 1, 1), 0.3))
    spikes, after = module(torch.ones(1, 2, 1, 1), state, torch.zeros(1))
    assert spikes.sum() == 0
    for a, b in zip(after, state):
        torch.testing.assert_close(a, b)


def test_steps_one_by_one_equal_steps_at_once():
    torch.manual_seed(0)
    network = CompressedVideoNet(ActionConfig(2, **TINY)).eval()
    motion, residual, dt = torch.randn(4, 4, 24, 32), torch.rand(4, 2, 48, 64), torch.full((4,), 50_000.0)
    with torch.no_grad():
        at_once, _, _ = network.p_frame(motion, residual, dt, None, 4)
        state = None
        for t in range(4):
            tokens, state, _ = network.p_frame(motion[t : t + 1], residual[t : t + 1], dt[t : t + 1], state)
    torch.testing.assert_close(tokens, at_once)


def test_padding_in_time_and_in_gops_changes_nothing(tmp_path):
    network = CompressedVideoNet(ActionConfig(2, **TINY)).eval()
    cache = ClipCache.load(write_cache(tmp_path / "c", gops=2))
    batch = collate([(cache, 0, 0)], 3)
    with torch.no_grad():
        before, _ = network(*batch.inputs())
        batch.image[:, 0], batch.motion[:, :, 0], batch.age_s[:, 0] = 1.0, 2.0, 9.0
        after, _ = network(*batch.inputs())
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize(
    "change", [{"neuron": "lif"}, {"neuron": "analogue"}, {"attention": "separate"}, {"mixer": False}]
)
def test_every_ablation_learns_from_its_loss(tmp_path, change):
    network = CompressedVideoNet(ActionConfig(2, **{**TINY, **change}))
    cache = ClipCache.load(write_cache(tmp_path / "c", clips=2))
    logits, _ = network(*collate([(cache, 0, 0), (cache, 1, 1)], 3).inputs())
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in (network.image.stem[0].weight, network.motion.conv1.weight))


def test_mirroring_turns_x_motion_and_swaps_labels(tmp_path):
    cache = ClipCache.load(write_cache(tmp_path / "c", clips=2))
    batch, other = collate([(cache, 0, 0)], 3), collate([(cache, 1, 1)], 3)
    mirror(batch, torch.tensor([True]), torch.tensor([1, 0]))
    torch.testing.assert_close(batch.motion, other.motion)
    assert batch.label.tolist() == [1]


def test_augmentation_is_repeatable_and_keeps_shapes(tmp_path):
    cache = ClipCache.load(write_cache(tmp_path / "c"))
    batches = []
    for seed in (3, 3, 4):
        batch = collate([(cache, 0, 0), (cache, 1, 1)], 3)
        shapes = [x.shape for x in batch.inputs()]
        augment(batch, torch.Generator().manual_seed(seed), None)
        assert [x.shape for x in batch.inputs()] == shapes
        batches.append(batch)
    torch.testing.assert_close(batches[0].motion, batches[1].motion)
    assert not torch.equal(batches[0].motion, batches[2].motion)


def test_gops_are_spread_evenly_without_chance_and_in_order_with_it():
    assert choose_gops(np.arange(9), 3, None).tolist() == [0, 4, 8]
    for seed in range(20):
        chosen = choose_gops(np.arange(9), 4, np.random.default_rng(seed))
        assert 2 <= len(chosen) <= 4 and (np.diff(chosen) == 1).all()


def test_held_out_groups_are_never_trained_on(tmp_path):
    write_cache(tmp_path / "c")
    task = ActionTask(recipe(hold_out=["g0"]), tmp_path)
    groups = {source.groups[clip] for source, clip, _ in task._training}
    assert groups == {"g1", "g2", "g3"} and len(task._validation) == 2


def test_a_short_run_learns_left_from_right_and_its_checkpoint_exports(tmp_path):
    write_cache(tmp_path / "c")
    chosen = recipe(hold_out=["g0"], mirror="swap", mirror_pairs=[["left", "right"]])
    torch.manual_seed(0)
    task = ActionTask(chosen, tmp_path)
    progress = train(task, chosen.loop, tmp_path / "run", about=about(chosen))
    assert progress.losses[-1] < progress.losses[0]
    network, said = load(tmp_path / "run/last.pt")
    card = {"commercial_use": True, "licence": "none", "data": "none", "recipe": "test"}
    assert export(network, "x", tmp_path / "models", said["classes"], card, {}).is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"mirror": "both"}, "mirror is 'both'"), ({"mirror_pairs": [["left", "right"]]}, "need mirror: swap")],
)
def test_conflicts_in_a_recipe_are_found_at_once(changes, message):
    with pytest.raises(TrainingError, match=message):
        recipe(**changes)


def test_a_source_needs_a_place(tmp_path):
    with pytest.raises(TrainingError, match="either a cache or a dataset"):
        ActionTask(recipe(data=[{"dataset": "clips"}]), tmp_path)


def test_the_command_trains_and_resumes(tmp_path, capsys):
    write_cache(tmp_path / "c")
    loop = {"steps": 2, "batch": 2, "learning_rate": 1e-3, "validate_every": 2, "save_every": 1}
    fields = {"classes": ["left", "right"], "loop": loop, "card": {}, "data": [{"cache": "c"}], "model": TINY}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(fields))
    arguments = [str(tmp_path / "r.yaml"), "--data", str(tmp_path), "--run", str(tmp_path / "run")]
    assert main([*arguments, "--set", "loop.steps=1"]) == 0
    assert main([*arguments, "--resume"]) == 0
    assert "step 2/2" in capsys.readouterr().out


def test_a_network_that_compares_i_frames_sees_the_one_before_and_nothing_before_the_first(tmp_path):
    torch.manual_seed(0)
    network = CompressedVideoNet(ActionConfig(2, difference=True, **TINY)).eval()
    image = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        same, changed = network.i_frame(image, image), network.i_frame(image, image.roll(9, 3))
        assert (same - changed).abs().max() > 1e-3
        batch = collate([(ClipCache.load(write_cache(tmp_path / "c", gops=2)), 0, 0)], 3)
        before, _ = network(*batch.inputs())
        batch.image[:, 0] = 1.0  # padding: the first real I-frame must not be compared with it
        after, _ = network(*batch.inputs())
    torch.testing.assert_close(before, after)


def test_fewer_gops_in_training_keep_the_newest_and_the_order(tmp_path):
    batch = collate([(ClipCache.load(write_cache(tmp_path / "c", gops=3)), 0, 0)], 3)
    ages = batch.age_s[0].tolist()
    batch.thin(2, np.random.default_rng(0))
    kept = batch.age_s[0].tolist()
    assert batch.motion.shape[2] == batch.image.shape[1] == 2
    assert kept[-1] == 0 and kept[0] in ages[:2]


def test_one_modality_alone_is_what_training_sometimes_shows(tmp_path):
    cache = ClipCache.load(write_cache(tmp_path / "c"))
    batch = collate([(cache, 0, 0)] * 128, 3)
    augment(batch, torch.Generator().manual_seed(0), None)
    alone = batch.use.sum(1) == 1
    assert alone.float().mean() > 0.06 and (batch.use[alone].sum(0) > 0).all()


def test_an_unknown_key_is_one_line_that_names_it(tmp_path, capsys):
    (tmp_path / "r.yaml").write_text("{classes: [a], loop: {steps: 1, batch: 1}, card: {}, data: [], bogus: 1}")
    assert main([str(tmp_path / "r.yaml"), "--data", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "unknown bogus" in said


@pytest.mark.parametrize("file", ["action_mhad", "action_utd", "action_fight"])
def test_recipes_that_ship_are_whole(file):
    recipe = load_recipe(ActionRecipe, CONFIGS / f"{file}.yaml")
    assert recipe.network().classes == len(recipe.classes)
    assert {"commercial_use", "licence", "data", "recipe"} <= set(recipe.card)
    chain = commands(CONFIGS / f"{file}.yaml")
    assert all(importlib.util.find_spec(words[2]) for words in chain) and "training.action" in [w[2] for w in chain]


def test_a_label_that_is_no_class_is_refused(tmp_path):
    write_cache(tmp_path / "c")
    with pytest.raises(TrainingError, match="'right' is not among"):
        ActionTask(recipe(classes=["left", "other"]), tmp_path)


def window_of(gops, steps=3, dt=100_000.0):
    ends = np.arange(1, gops + 1, dtype=np.float32) * steps * dt / 1e6
    rows = np.arange(gops, dtype=np.float32)
    return {
        "image": np.zeros((gops, 3, 96, 128), np.uint8),
        "motion": np.broadcast_to(rows[:, None, None, None, None], (gops, steps, 4, 24, 32)).copy(),
        "residual": np.zeros((gops, steps, 2, 48, 64), np.float16),
        "dt_us": np.full((gops, steps), dt, np.float32),
        "camera": np.ones((gops, steps, 2), np.float32),
        "end_s": ends,
    }


def test_a_streams_window_ends_anywhere_and_its_truth_follows_the_time_since_the_change():
    shares, lengths = set(), set()
    for seed in range(60):
        before = {name: -array if name == "motion" else array for name, array in window_of(6).items()}
        window, share = stream_window(window_of(6), before, 5, np.random.default_rng(seed))
        assert (np.diff(window["end_s"]) > 0).all() and len(window["end_s"]) <= 5
        new = (window["motion"][:, 0, 0, 0, 0] > 0) | (np.arange(len(window["end_s"])) == len(window["end_s"]) - 1)
        seen_s = window["dt_us"][window["motion"][:, 0, 0, 0, 0] > 0].sum() / 1e6
        assert new[-1] and share >= min(1.0, max(0.0, (seen_s - SETTLES_S[0]) / (SETTLES_S[1] - SETTLES_S[0]))) - 1e-6
        shares.add(round(share, 2))
        lengths.add(int((window["dt_us"][-1] > 0).sum()))
    assert min(shares) < 0.5 and max(shares) == 1.0 and lengths == {1, 2, 3}


def test_clips_of_several_caches_are_one_source_and_what_is_validated_can_be_few(tmp_path):
    for part in ("made/0", "made/1"):
        write_cache(tmp_path / part)
    source = {"cache": "made/*", "validate_at_most": 3}
    task = ActionTask(recipe(data=[source], hold_out=["g0", "g1"]), tmp_path)
    assert len(task) == 8 and len(task.held_out) == 3


def test_the_head_is_told_of_the_camera(tmp_path):
    torch.manual_seed(0)
    network = CompressedVideoNet(ActionConfig(2, camera=True, **TINY)).eval()
    batch = collate([(ClipCache.load(write_cache(tmp_path / "c")), 0, 0)], 3)
    with torch.no_grad():
        still, _ = network(*batch.inputs())
        batch.camera[..., 1] = 2.0
        moving, _ = network(*batch.inputs())
    assert (still - moving).abs().max() > 1e-4
