import shutil
from dataclasses import replace

import numpy as np
import pytest

from halsie_ros.action.clip import read_clip
from halsie_ros.action.gops import is_cut
from halsie_ros.action.motion_map import SIZE_PER_TIME
from halsie_ros.action.motion_statistics import SIZE
from halsie_ros.action.pipeline import UNKNOWN, ActionPipeline
from halsie_ros.errors import ModelError, ParameterError
from halsie_ros.video.file import VideoFile


def frames_of(path):
    with VideoFile(path) as file:
        return list(file.frames())


@pytest.fixture
def pipeline(action_model):
    return ActionPipeline(action_model, confidence=0.0, min_segments=2)


def follow(pipeline, frames):
    state, said = None, []
    for frame in frames:
        scores, state = pipeline.step(frame, state)
        if scores is not None:
            said.append(scores)
    return said, state


def test_labels_come_at_their_rate_and_unknown_until_enough_was_seen(pipeline, make_clip):
    said, _ = follow(pipeline, frames_of(make_clip(60)))
    assert [round(s.stamp_ns / 2e8) for s in said] == list(range(10))
    assert said[0].label == UNKNOWN and "0 of 2 segments" in said[0].reason
    assert said[-1].label in pipeline.classes
    assert said[-1].scores.sum() == pytest.approx(1, abs=1e-5)


def test_a_stream_ends_with_the_scores_of_the_same_clip_read_at_once(pipeline, make_clip):
    path = make_clip(48)
    frames = frames_of(path)
    pipeline.label_rate_hz = 1000.0
    said, _ = follow(pipeline, frames)
    # 48 frames are four GOPs; of the last one's 11 P-frames the live stream has stepped 10
    segments = read_clip(path)
    segments[-1] = replace(segments[-1], steps=segments[-1].steps[:-1], end_ns=frames[-2].stamp_ns)
    np.testing.assert_allclose(said[-1].scores, pipeline.score(pipeline.encode(segments)), atol=1e-5)


def test_two_streams_do_not_disturb_each_other(pipeline, make_clip):
    one, other = frames_of(make_clip(48)), frames_of(make_clip(48, "mpeg4"))
    alone, _ = follow(pipeline, one)
    state_one = state_other = None
    mixed = []
    for a, b in zip(one, other):
        scores, state_one = pipeline.step(a, state_one)
        _, state_other = pipeline.step(b, state_other)
        if scores is not None:
            mixed.append(scores)
    for a, b in zip(alone, mixed):
        np.testing.assert_array_equal(a.scores, b.scores)


def test_an_untrusted_stream_is_unknown_and_recovers_at_the_next_i_frame(pipeline, make_clip):
    frames = frames_of(make_clip(84))
    for frame in frames[40:48]:
        frame.trusted, frame.reason = False, "lost: frame 40"
    pipeline.label_rate_hz = 30.0
    said, _ = follow(pipeline, frames)
    by_frame = {round(s.stamp_ns / 1e9 * 30): s for s in said}
    assert by_frame[42].label == UNKNOWN and "lost: frame 40" in by_frame[42].reason
    assert by_frame[38].label != UNKNOWN
    assert by_frame[80].label != UNKNOWN


def test_a_stamp_that_runs_back_starts_a_new_stream(pipeline, make_clip):
    frames = frames_of(make_clip(48))
    _, state = follow(pipeline, frames)
    scores, state = pipeline.step(frames_of(make_clip(48))[0], state)
    assert scores is not None and scores.label == UNKNOWN
    assert state.finished == ()


def test_low_confidence_is_unknown_but_keeps_its_scores(action_model, make_clip):
    said, _ = follow(ActionPipeline(action_model, confidence=1.0, min_segments=1), frames_of(make_clip(48)))
    assert said[-1].label == UNKNOWN and "below 1" in said[-1].reason
    assert said[-1].scores.sum() == pytest.approx(1, abs=1e-5)


def test_push_follows_one_stream(pipeline, make_clip):
    frames = frames_of(make_clip(36))
    said, _ = follow(pipeline, frames)
    pushed = [scores for frame in frames if (scores := pipeline.push(frame)) is not None]
    np.testing.assert_array_equal(pushed[-1].scores, said[-1].scores)
    pipeline.reset()
    assert pipeline.push(frames[0]).reason.startswith("0 of")


def test_a_state_can_be_used_twice_with_the_same_result(pipeline, make_clip):
    frames = frames_of(make_clip(60))
    pipeline.label_rate_hz = 1000.0
    state, states = None, []
    for frame in frames:
        states.append(state)
        _, state = pipeline.step(frame, state)
    for at in (5, 17, 30):  # in the first GOP, in mid-step and in a later one
        first, one = pipeline.step(frames[at], states[at])
        for frame in frames[at + 1 : at + 20]:
            first, one = pipeline.step(frame, one)
        again, other = pipeline.step(frames[at], states[at])
        for frame in frames[at + 1 : at + 20]:
            again, other = pipeline.step(frame, other)
        np.testing.assert_array_equal(first.scores, again.scores)


def with_none(action_model, folder, confidence):
    """The tiny model, its last class called "none", with a card's confidence."""
    for file in action_model.parent.iterdir():
        shutil.copy(file, folder)
    card = folder / action_model.name
    card.write_text(card.read_text().replace("still", "none") + f"confidence: {confidence}\n")
    return card


def test_the_rule_of_labels_none_is_never_said_and_the_card_sets_the_bar(action_model, tmp_path):
    pipeline = ActionPipeline(with_none(action_model, tmp_path, 0.55))
    assert pipeline.classes == ("left", "right", "none") and pipeline.confidence == 0.55
    for scores, label, why in (
        ([0.6, 0.3, 0.1], "left", ""),
        ([0.5, 0.3, 0.2], UNKNOWN, "below 0.55"),
        ([0.1, 0.2, 0.7], UNKNOWN, "none of the classes"),
        ([0.0, 0.0, 0.0], UNKNOWN, "nothing seen"),
    ):
        said, reason = pipeline.label(np.float32(scores))
        assert said == label and why in reason
    always = ActionPipeline(tmp_path / action_model.name, confidence=0.0)
    assert always.label(np.float32([0.4, 0.3, 0.3]))[0] == "left"
    assert always.label(np.float32([0.3, 0.3, 0.4]))[0] == UNKNOWN


def test_settings_that_cannot_work_leave_the_old_ones(pipeline):
    with pytest.raises(ParameterError, match="confidence is -2"):
        pipeline.retime(label_rate_hz=9.0, confidence=-2.0, min_segments=1)
    assert (pipeline.label_rate_hz, pipeline.confidence) == (5.0, 0.0)


def test_a_card_whose_confidence_is_no_share_is_refused(action_model, tmp_path):
    with pytest.raises(ModelError, match="confidence 7"):
        ActionPipeline(with_none(action_model, tmp_path, 7.0))


def test_a_cut_starts_a_new_scene_and_a_person_or_a_moving_camera_does_not():
    random = np.random.default_rng(0)
    scene = random.integers(0, 255, (3, 6, 8), np.uint8).repeat(16, 1).repeat(16, 2)
    other = random.integers(0, 255, (3, 6, 8), np.uint8).repeat(16, 1).repeat(16, 2)
    person, moved, dark = scene.copy(), np.roll(scene, 5, 2), scene // 4
    person[:, 20:90, 40:70] = 200
    assert is_cut(scene, other)
    assert not any(is_cut(scene, image) for image in (scene, person, moved, dark))
    assert not is_cut(scene, np.full_like(scene, 90))  # a picture that shows nothing tells nothing


def test_what_came_before_a_cut_is_forgotten(pipeline, make_clip):
    frames = frames_of(make_clip(60))
    _, state = follow(pipeline, frames)
    assert len(state.finished) == 4
    state = replace(state, image=255 - state.image)  # as if another scene had come before
    later = [replace(frame, stamp_ns=frame.stamp_ns + 2_000_000_000) for frame in frames[:12]]
    for frame in later:
        _, state = pipeline.step(frame, state)
    assert len(state.finished) == 0 and state.running is not None


def test_a_masked_modality_changes_the_scores(pipeline, make_clip):
    encoded = pipeline.encode(read_clip(make_clip(48)))
    everything = pipeline.score(encoded)
    for used in ("image", "motion", "residual"):
        assert np.abs(pipeline.score(encoded, (used,)) - everything).max() > 1e-6


def test_a_clip_without_segments_scores_zero(pipeline):
    assert not pipeline.score(pipeline.encode([])).any()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"label_rate_hz": 0}, "label_rate_hz"),
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": -1.5}, "confidence"),
        ({"min_segments": 0}, "min_segments"),
    ],
)
def test_impossible_options_are_refused(action_model, option, message):
    with pytest.raises(ParameterError, match=message):
        ActionPipeline(action_model, **option)


def test_a_segmentation_model_is_refused(action_model, tmp_path):
    card = tmp_path / "other.yaml"
    card.write_text(action_model.read_text().replace("task: action", "task: segmentation"))
    with pytest.raises(ModelError, match="segmentation model"):
        ActionPipeline(card)


@pytest.mark.parametrize(("kind", "size"), [("maps", 2 * SIZE_PER_TIME), ("statistics", SIZE)])
def test_an_expert_moves_the_scores_towards_its_own(action_model, make_clip, tmp_path, kind, size):
    motion_map = pytest.importorskip("training.action.motion_map")
    from training.action.config import MotionMapConfig

    for file in action_model.parent.iterdir():
        shutil.copy(file, tmp_path)
    card = tmp_path / action_model.name
    x = np.random.default_rng(0).random((9, size)).astype(np.float32)
    rows = motion_map.Rows(x, np.full(9, 2), np.array(["a"] * 9), np.ones(9, bool))
    settings = MotionMapConfig(kind=kind, sharpness=1e-3)
    fitted = motion_map.fit(rows, np.ones(9, bool), 3, settings)
    motion_map.add_to_card(card, motion_map.graph(fitted, weight=8.0, temperature=9.0))
    alone, joined = ActionPipeline(action_model), ActionPipeline(card)
    segments = read_clip(make_clip(40), segments=None)
    before, after = alone.score(alone.encode(segments)), joined.score(joined.encode(segments))
    assert after.sum() == pytest.approx(1, abs=1e-5)
    assert after[2] > 0.8 > before[2]
    partial = [one.score(one.encode(segments), use=("image", "motion")) for one in (alone, joined)]
    assert np.allclose(*partial, atol=1e-6)  # maps without residual were never seen: the network alone says


def test_an_expert_that_multiplies_leaves_the_network_alone_where_it_knows_nothing(action_model, make_clip, tmp_path):
    motion_map = pytest.importorskip("training.action.motion_map")
    from training.action.config import MotionMapConfig

    segments = read_clip(make_clip(40), segments=None)
    alone = ActionPipeline(action_model)
    expected = alone.score(alone.encode(segments))
    maps = [step for token in alone.encode(segments).tokens for step in token.maps]
    assert not maps  # a model without an expert keeps none
    x = np.random.default_rng(0).random((9, 2 * SIZE_PER_TIME)).astype(np.float32)
    rows = motion_map.Rows(x, np.arange(9) % 3, np.array(["a"] * 9), np.ones(9, bool))
    for sharpness, same in ((1e6, True), (1e-3, False)):  # so sharp a kernel has nothing alike
        for file in action_model.parent.iterdir():
            shutil.copy(file, tmp_path)
        fitted = motion_map.fit(rows, np.ones(9, bool), 3, MotionMapConfig(sharpness=sharpness, ridge=1e-3))
        card = tmp_path / action_model.name
        motion_map.add_to_card(card, motion_map.graph(fitted, weight=8.0, temperature=12.0, joins="product"))
        joined = ActionPipeline(card)
        scores = joined.score(joined.encode(segments))
        assert scores.sum() == pytest.approx(1, abs=1e-5)
        assert np.allclose(scores, expected, atol=1e-5) == same
        off = ActionPipeline(card, experts=False)
        np.testing.assert_allclose(off.score(off.encode(segments)), expected, atol=1e-6)


def test_a_model_that_compares_i_frames_gets_the_one_before_in_clips_and_streams(make_clip, tmp_path):
    torch = pytest.importorskip("torch")
    from training.action.export import export
    from training.networks.action_config import ActionConfig
    from training.networks.compressed_video import CompressedVideoNet

    torch.manual_seed(1)
    config = ActionConfig(3, width=32, channels=8, image_channels=16, layers=1, heads=2, gops=4, difference=True)
    about = {"commercial_use": True, "licence": "none", "data": "none", "recipe": "untrained"}
    card = export(CompressedVideoNet(config), "compares", tmp_path, ["left", "right", "still"], about, {})
    path = make_clip(36)
    clip = ActionPipeline(card, confidence=0.0, min_segments=1, label_rate_hz=30.0)
    segments = read_clip(path, segments=None)
    encoded = clip.encode(segments)
    lone = clip.encode(segments[1:2])
    assert np.abs(encoded.tokens[1].image - lone.tokens[0].image).max() > 1e-4
    state = None
    for frame in frames_of(path):
        _, state = clip.step(frame, state)
    np.testing.assert_allclose(state.running.image, encoded.tokens[-1].image, atol=1e-5)
