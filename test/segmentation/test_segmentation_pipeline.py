"""The pipeline on the model that ships: explicit state, lost inputs, long windows, refusals."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from halsie_ros.errors import ModelError, ParameterError
from halsie_ros.events import Events
from halsie_ros.segmentation.pipeline import SegmentationPipeline

HEIGHT, WIDTH = 60, 90
STEP_US = 40_000


@pytest.fixture(scope="module")
def pipeline(repository):
    return SegmentationPipeline(repository / "models" / "halsie_scene.yaml")


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def some_events(count=4000, until_us=200_000, seed=1):
    random = np.random.default_rng(seed)
    return Events.of(
        random.integers(0, WIDTH, count),
        random.integers(0, HEIGHT, count),
        np.sort(random.integers(1, until_us, count)),
        random.random(count) < 0.5,
    )


def step(pipeline, frame, state=None, events=None, start=0, **options):
    events = Events.empty() if events is None else events
    return pipeline.step(frame, events, state, t0_us=start, t1_us=start + STEP_US, **options)


def test_mask_and_confidence_have_the_frames_size(pipeline, frame):
    result = step(pipeline, frame, events=some_events())
    assert result.mask.shape == result.confidence.shape == (HEIGHT, WIDTH)
    assert result.mask.dtype == result.confidence.dtype == np.uint8
    assert result.mask.max() < len(pipeline.card.classes)
    assert result.state.size == (HEIGHT, WIDTH)
    assert set(result.spikes) == {"quarter", "eighth", "sixteenth"}
    assert all(0 <= rate <= 1 for rate in result.spikes.values())


def test_equal_state_and_input_give_equal_bits_and_the_state_is_not_touched(pipeline, frame):
    first = step(pipeline, frame, events=some_events())
    before = {name: tensor.copy() for name, tensor in first.state.tensors.items()}
    one, other = (step(pipeline, frame, first.state, some_events(), STEP_US) for _ in range(2))
    assert np.array_equal(one.mask, other.mask) and np.array_equal(one.confidence, other.confidence)
    assert all(np.array_equal(before[name], first.state.tensors[name]) for name in before)


def test_in_a_hurry_a_long_window_is_one_step_that_sees_the_events_of_its_end(pipeline, frame):
    before = step(pipeline, frame, events=some_events()).state
    window = {"t0_us": STEP_US, "t1_us": STEP_US + 120_000}
    calm = pipeline.step(frame, some_events(), before, **window)
    hurried = pipeline.step(frame, some_events(), before, **window, hurried=True)
    assert (calm.graph_steps, hurried.graph_steps) == (3, 1)
    events = some_events()
    end = events[events.t_us > STEP_US + 70_000]
    thinned = pipeline.step(frame, end, before, **window, hurried=True, restoration=False)
    whole = pipeline.step(frame, events, before, **window, hurried=True, restoration=False)
    assert np.array_equal(thinned.confidence, whole.confidence)
    short = {"t0_us": STEP_US, "t1_us": STEP_US + 50_000}
    one, other = (pipeline.step(frame, events, before, **short, hurried=hurry) for hurry in (False, True))
    assert np.array_equal(one.confidence, other.confidence)


def test_state_matters(pipeline, frame):
    first = step(pipeline, frame, events=some_events())
    carried = step(pipeline, None, first.state, some_events(), STEP_US)
    fresh = step(pipeline, None, None, some_events(), STEP_US, size=(HEIGHT, WIDTH))
    assert not np.array_equal(carried.confidence, fresh.confidence)


def test_events_that_are_missing_are_seen_as_none(pipeline, frame):
    missing = pipeline.step(frame, None, None, t0_us=0, t1_us=STEP_US)
    absent = step(pipeline, frame)
    used = step(pipeline, frame, events=some_events())
    assert np.array_equal(missing.confidence, absent.confidence)
    assert not np.array_equal(used.confidence, absent.confidence)


@pytest.mark.parametrize("sense", ["frames", "events"])
def test_a_model_of_one_sense_ignores_the_other(repository, tmp_path, frame, pipeline, sense):
    for path in (repository / "models").glob("halsie_scene*"):
        shutil.copy(path, tmp_path)
    card = tmp_path / "halsie_scene.yaml"
    card.write_text(card.read_text().replace("inputs: [frames, events]", f"inputs: [{sense}]"))
    alone = step(SegmentationPipeline(card), frame, events=some_events())
    if sense == "frames":
        expected = step(pipeline, frame)
    else:
        expected = step(pipeline, None, events=some_events(), size=(HEIGHT, WIDTH))
    both = step(pipeline, frame, events=some_events())
    assert np.array_equal(alone.confidence, expected.confidence)
    assert not np.array_equal(alone.confidence, both.confidence)


@pytest.mark.parametrize("restoration, missing", [(True, False), (False, False), (True, True)])
def test_a_frame_of_noise_is_restored_by_events_unless_told_otherwise(
    repository, pipeline, frame, restoration, missing
):
    first = step(pipeline, frame, events=some_events(300))
    assert first.frame_weight == 1
    events, window = None if missing else some_events(300), {"t0_us": STEP_US, "t1_us": 2 * STEP_US}
    second = pipeline.step(frame, events, first.state, restoration=restoration, **window)
    plain = SegmentationPipeline(repository / "models" / "halsie_scene.yaml", restoration=False)
    before = step(plain, frame, events=some_events(300))
    without = plain.step(frame, events, before.state, **window)
    assert without.frame_weight == 1 and before.state.restored is not None
    usual = restoration and not missing
    assert (second.frame_weight < 0.6) == usual
    assert np.array_equal(second.confidence, without.confidence) != usual
    assert step(pipeline, None, second.state, some_events(300), 2 * STEP_US).frame_weight is None


def test_warming_up_opens_the_graphs_for_the_size_and_changes_no_mask(repository, frame):
    cold, warm = (SegmentationPipeline(repository / "models" / "halsie_scene.yaml") for _ in range(2))
    warm.warm_up((HEIGHT, WIDTH))
    one, other = (step(pipeline, frame, events=some_events()) for pipeline in (cold, warm))
    assert np.array_equal(one.mask, other.mask) and np.array_equal(one.confidence, other.confidence)


def test_events_outside_the_window_are_ignored(pipeline, frame):
    events = some_events()
    all_of_them = step(pipeline, frame, events=events, start=STEP_US)
    inside = step(pipeline, frame, events=events.between(STEP_US, 2 * STEP_US), start=STEP_US)
    assert np.array_equal(all_of_them.confidence, inside.confidence)


def test_a_long_window_equals_its_parts_stepped_one_by_one(pipeline, frame):
    events = some_events()
    whole = pipeline.step(frame, events, None, t0_us=0, t1_us=120_000)
    assert whole.graph_steps == 3
    state = None
    for start in (0, 40_000, 80_000):
        last = start == 80_000
        part = step(pipeline, frame if last else None, state, events, start, size=(HEIGHT, WIDTH))
        state = part.state
    assert np.array_equal(whole.mask, part.mask) and np.array_equal(whole.confidence, part.confidence)


@pytest.mark.parametrize(("stop_us", "steps"), [(50_000, 1), (50_004, 1), (55_000, 1), (56_000, 2), (105_000, 2)])
def test_a_cameras_jitter_makes_no_further_step(pipeline, frame, stop_us, steps):
    assert pipeline.step(frame, some_events(), None, t0_us=0, t1_us=stop_us).graph_steps == steps


def test_a_window_of_minutes_is_bounded(pipeline, frame):
    result = pipeline.step(frame, Events.empty(), None, t0_us=0, t1_us=300_000_000)
    assert result.graph_steps == 21


def test_grey_frames_are_frames_of_three_equal_channels(pipeline, frame):
    grey = frame[:, :, 0]
    one, three = step(pipeline, grey), step(pipeline, np.repeat(grey[:, :, None], 3, 2))
    assert np.array_equal(one.confidence, three.confidence)


def test_sizes_may_change_between_streams(pipeline, frame):
    first = step(pipeline, frame)
    larger = step(pipeline, np.zeros((100, 200, 3), np.uint8))
    again = step(pipeline, frame)
    assert larger.mask.shape == (100, 200)
    assert np.array_equal(first.confidence, again.confidence)


def test_wrong_input_is_named(pipeline, frame):
    state = step(pipeline, frame).state
    with pytest.raises(ParameterError, match="give size"):
        step(pipeline, None)
    with pytest.raises(ParameterError, match="from 90x60 to 120x80"):
        step(pipeline, np.zeros((80, 120, 3), np.uint8), state)
    with pytest.raises(ParameterError, match=r"float64 of shape \(60, 90\)"):
        step(pipeline, np.zeros((HEIGHT, WIDTH)))
    with pytest.raises(ParameterError, match="window from 5 to 5 us is empty"):
        pipeline.step(frame, Events.empty(), None, t0_us=5, t1_us=5)


def test_a_damaged_or_foreign_model_is_refused(repository, tmp_path):
    for path in (repository / "models").glob("halsie_scene*"):
        shutil.copy(path, tmp_path)
    card = tmp_path / "halsie_scene.yaml"
    text = card.read_text()
    card.write_text(text.replace("task: segmentation", "task: action"))
    with pytest.raises(ModelError, match="choose a segmentation model"):
        SegmentationPipeline(card)
    card.write_text(text)
    (tmp_path / "halsie_scene_step.onnx").write_bytes(b"cut off")
    with pytest.raises(ModelError, match="sha256"):
        SegmentationPipeline(card)
