"""The tally of an evaluation: figures of a few frames that can be counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from halsie_ros.classes import CAMVID_11, DSEC_11
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.result import WORST_FRAMES, CommonClasses, Tally, class_set_of, environment, summary
from halsie_ros.segmentation.pipeline import State, StepResult

LAYERS = ("quarter", "eighth", "sixteenth")


@pytest.fixture
def tally(pipeline):
    return Tally(pipeline.card, CommonClasses(pipeline.card, DSEC_11))


def rows(*counts):
    """A picture whose first `counts[i][1]` pixels after the others have the value `counts[i][0]`."""
    return np.concatenate([np.full(number, value, np.uint8) for value, number in counts])[None]


def window(spikes=0.0, steps=1, shape=(64, 96)):
    mask = np.zeros(shape, np.uint8)
    return StepResult(mask, mask, State(shape, {}), dict.fromkeys(LAYERS, spikes), steps)


def run(tally, **changes):
    given = {"t_us": 50_000, "ms": 10.0, "events": 1000, "frame": True, "window_us": 50_000}
    tally.step(window(changes.pop("spikes", 0.0), changes.pop("steps", 1)), **(given | changes))


def test_pixels_of_all_frames_are_counted_together_and_unlabelled_ones_not_at_all(tally):
    tally.score("a", 0, None, rows((5, 6), (4, 2)), rows((5, 8)))
    tally.score("b", 1, None, rows((5, 2), (4, 2)), rows((5, 2), (255, 2)))
    result = tally.result({"dataset": "x"})
    assert result["per_class"]["road"] == 8 / 10 and result["accuracy"] == 8 / 10 and result["frames"] == 2
    assert result["miou"] == tally.miou == 0.8
    assert np.sum(result["confusion"]) == 10
    assert [frame["miou"] for frame in result["per_frame"]] == [0.75, 1.0]
    assert result["per_class"]["person"] is None, "a class that no label has is no figure"


def test_an_id_that_is_no_class_counts_as_the_first_and_not_as_right(tally):
    tally.score("a", 0, None, rows((200, 4)), rows((5, 4)))
    assert tally.result({})["confusion"][5][0] == 4


def test_the_worst_frames_are_kept_as_pictures_worst_first(tally):
    for k in range(WORST_FRAMES + 4):
        tally.score(f"{k}", k, None, rows((5, k + 1), (4, 20 - k)), rows((5, 21)))
    assert [name for _, name, *_ in tally.pictures] == [str(k) for k in range(WORST_FRAMES)]
    tally.score("nothing known", 99, None, rows((5, 4)), rows((255, 4)))
    assert "nothing known" not in [name for _, name, *_ in tally.pictures]


def test_energy_counts_the_frame_once_and_spikes_and_events_per_step(tally):
    run(tally)
    run(tally, frame=False)
    run(tally, frame=False, steps=2, events=1000)
    run(tally, frame=False, events=2000)
    run(tally, frame=False, spikes=0.5)
    with_frame, alone, twice, more_events, spiking = tally.windows
    assert with_frame["macs"] > alone["macs"] and with_frame["accumulates"] == alone["accumulates"]
    assert twice["macs"] == pytest.approx(2 * alone["macs"])
    assert twice["accumulates"] == pytest.approx(alone["accumulates"]), "as many events, spread over two steps"
    assert more_events["accumulates"] == pytest.approx(2 * alone["accumulates"])
    assert spiking["accumulates"] > more_events["accumulates"]
    assert alone["energy_mj"] == pytest.approx((alone["macs"] * 4.6 + alone["accumulates"] * 0.9) * 1e-9)
    assert alone["reference_mj"] > alone["energy_mj"], "DDD17's pictures are larger than these"


def test_the_result_means_over_windows_and_takes_the_median_of_times(tally):
    for ms, spikes in ((1.0, 0.1), (2.0, 0.2), (90.0, 0.3)):
        run(tally, ms=ms, spikes=spikes)
    tally.score("a", 0, None, rows((5, 4)), rows((5, 4)))
    result = tally.result({})
    assert result["ms_per_step"] == 2.0
    assert result["spike_rates"] == pytest.approx(dict.fromkeys(LAYERS, 0.2))
    assert result["spike_rate"] == pytest.approx(0.2)
    assert result["energy_mj"] == pytest.approx(np.mean([entry["energy_mj"] for entry in tally.windows]))
    assert [step["ms"] for step in result["steps"]] == [1.0, 2.0, 90.0]


def test_without_a_step_there_are_no_costs_and_without_a_frame_no_result(tally):
    with pytest.raises(ParameterError, match="no labelled frame was met"):
        tally.result({})
    assert tally.miou is None
    tally.score("a", 0, None, rows((5, 4)), rows((5, 4)))
    result = tally.result({})
    assert result["ms_per_step"] is result["energy_mj"] is result["spike_rate"] is None
    about = {"dataset": "x", "split": "val", "inputs": "both", "degrade": "none"}
    lines = summary(tally.result(about))
    assert lines[0] == "halsie_scene on x val, 1 labelled frames, inputs both, degrade none"
    assert lines[1].startswith("mIoU 1.0000 (95 %: ") and not any("ms per step" in line for line in lines)


def test_classes_that_are_none_of_ours_cannot_be_scored(pipeline):
    assert class_set_of(CAMVID_11.names) is CAMVID_11 and class_set_of(("a", "b")) is None
    card = dataclasses.replace(pipeline.card, classes=("a", "b"))
    with pytest.raises(ParameterError, match=r"halsie_scene: its classes are none of .*dsec_11"):
        CommonClasses(card, DSEC_11)


def test_the_environment_names_what_a_time_depends_on():
    told = environment()
    assert told["onnxruntime"] and told["numpy"] == np.__version__ and "threads" in told["cpu"]
