"""The procedural person: motions by their keyframes, pictures by what moves in them."""

import numpy as np
import pytest

from halsie_ros.errors import ParameterError
from halsie_ros.simulation.person.actions import ACTIONS, JOINTS, body, joints
from halsie_ros.simulation.person.people import render_action

ROW = {name: index for index, name in enumerate(JOINTS)}


def track(action, joint, number=60):
    """Places of a joint over one period, (number, 3)."""
    return np.array([joints(body(ACTIONS[action], time))[ROW[joint]] for time in np.linspace(0, 1, number)])


def test_there_are_the_eleven_actions_of_the_recordings(shared_data):
    folder = shared_data / "video" / "mhad_render"
    assert set(ACTIONS) == {path.name for path in folder.iterdir() if path.is_dir()}


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_bones_keep_their_length(name):
    for upper, lower, length in (
        ("shoulder", "elbow", 0.28),
        ("elbow", "wrist", 0.26),
        ("hip", "knee", 0.42),
        ("knee", "ankle", 0.41),
    ):
        for side in ("left", "right"):
            bone = track(name, f"{upper}_{side}", 25) - track(name, f"{lower}_{side}", 25)
            assert np.allclose(np.linalg.norm(bone, axis=1), length, atol=0.02)


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action.loops])
def test_loops_close_without_a_jump(name):
    assert np.allclose(body(ACTIONS[name], 0.0), body(ACTIONS[name], 1.0))
    assert np.abs(body(ACTIONS[name], 0.999) - body(ACTIONS[name], 1.001)).max() < 0.6  # degrees are the largest


def test_keyframes_are_met():
    action = ACTIONS["jumping_jacks"]
    assert np.allclose(body(action, 0.25), action.keys[1, 1:])
    assert np.allclose(body(ACTIONS["sit"], 5.0), ACTIONS["sit"].keys[-1, 1:])


def test_actions_do_what_they_are_called():
    neck_m = track("stand", "neck")[-1, 1]
    assert track("wave_two_hands", "wrist_left")[:, 1].max() > neck_m + 0.3
    assert track("wave_two_hands", "wrist_right")[:, 1].max() > neck_m + 0.3
    assert np.ptp(track("wave_one_hand", "wrist_left"), axis=0).max() < 0.01
    assert np.ptp(track("wave_one_hand", "wrist_right")[:, 0]) > 0.3
    hands = np.linalg.norm(track("clap", "wrist_left") - track("clap", "wrist_right"), axis=1)
    assert hands.min() < 0.05 < 0.2 < hands.max()
    assert track("bend", "head")[:, 1].min() < track("bend", "pelvis")[:, 1].min()
    assert track("punch", "wrist_left")[:, 2].max() > 0.45 and track("punch", "wrist_right")[:, 2].max() > 0.45
    assert track("jump", "ankle_left")[:, 1].max() > 0.2
    assert np.ptp(track("jumping_jacks", "ankle_left")[:, 0]) > 0.2
    sit, stand = track("sit", "pelvis")[:, 1], track("stand", "pelvis")[:, 1]
    assert sit[-1] < 0.55 < 0.85 < sit[0] and stand[0] < 0.55 < 0.85 < stand[-1]


def test_a_film_has_its_times_and_only_the_person_moves():
    film = list(render_action("wave_two_hands", 5, 1.0))
    assert [t_us for t_us, _ in film[:4]] == [0, 33_333, 66_667, 100_000] and len(film) == 30
    pictures = np.stack([picture for _, picture in film]).astype(int)
    assert pictures.shape == (30, 176, 224, 3)
    moving = np.abs(pictures - pictures[0]).max(axis=(0, 3)) > 0
    assert 0.02 < moving.mean() < 0.4 and not moving[:, :10].any() and not moving[:, -10:].any()


def test_seeds_change_the_person_and_equal_seeds_do_not():
    one, same, other = (next(iter(render_action("punch", seed, 0.1)))[1] for seed in (1, 1, 2))
    assert np.array_equal(one, same) and (one != other).mean() > 0.9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("fly", 0, 1.0), "action 'fly': choose one of bend, clap"), (("sit", 0, 0.0), "duration_s 0.0")],
)
def test_impossible_films_are_refused(arguments, words):
    with pytest.raises(ParameterError, match=words):
        render_action(*arguments)
