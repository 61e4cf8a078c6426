import numpy as np
import pytest

from halsie_ros.classes import DSEC_11
from halsie_ros.errors import ParameterError
from halsie_ros.evaluation.live import LiveScore

MS = 1_000_000


@pytest.fixture
def score(pipeline):
    return LiveScore(pipeline.card, DSEC_11)


def flat(value):
    return np.full((12, 16), value, np.uint8)


def test_latency_and_answers_are_matched_by_stamp(score):
    for k in range(4):
        score.image(k * 50 * MS, (1000 + k * 50) * MS, flat(0))
    for k in (0, 2):
        score.mask(k * 50 * MS, (1000 + k * 50 + 20 + k) * MS, flat(k))
        score.label(k * 50 * MS, flat(k))
    result = score.result({"dataset": "bag", "split": "x"})
    assert [entry["ms"] for entry in result["latency_ms"]] == [20, 22]
    assert result["latency_p50_ms"] == 21 and result["answered"] == 0.5
    assert result["drops"] == {"pictures without a mask": 2}
    assert result["frames"] == 2 and result["miou"] == 1


def test_the_senders_times_count_where_they_are_known(score):
    score.image(0, 1010 * MS, flat(0))
    score.mask(0, 1030 * MS, flat(3))
    score.label(0, flat(3))
    result = score.result({}, {0: 1000 * MS})
    assert result["latency_p50_ms"] == 30 and result["latency_from"] == "sender"
    assert score.result({})["latency_from"] == "arrival"


def test_a_mask_taken_up_before_its_picture_has_no_latency(score):
    score.mask(0, 1000 * MS, flat(3))
    score.image(0, 1001 * MS, flat(0))
    score.label(0, flat(3))
    result = score.result({})
    assert result["latency_ms"] == [] and result["latency_p50_ms"] is None and result["answered"] == 1


def test_a_label_may_come_first_or_last_and_without_a_mask_it_is_counted(score):
    score.label(0, flat(1))
    score.mask(0, 5 * MS, flat(1))
    score.mask(50 * MS, 55 * MS, flat(1))
    score.label(50 * MS, flat(2))
    score.label(100 * MS, flat(2))
    result = score.result({})
    assert result["frames"] == 2 and result["labels_without_mask"] == 1
    assert result["per_class"]["fence"] == 0 and result["per_class"]["building"] == 0.5


def test_masks_between_pictures_are_neither_timed_nor_missing(score):
    score.image(0, 1000 * MS, flat(0))
    score.mask(0, 1010 * MS, flat(0))
    score.mask(25 * MS, 1030 * MS, flat(0))
    score.label(0, flat(0))
    result = score.result({})
    assert result["answered"] == 1 and len(result["latency_ms"]) == 1


def test_diagnostics_give_losses_spikes_and_event_rate(score, pipeline):
    rates = {"spikes_quarter": "0.100", "spikes_eighth": "0.050", "spikes_sixteenth": "0.020"}
    score.status("segmentation", {**rates, "gap": "1", "masks": "40"})
    score.status("events", {"events_per_s": "2000000.000", "dropped_lost_event_message": "3", "messages": "70"})
    score.status("action", {"spikes_p_frame": "0.5"})  # of another network
    for k in range(3):
        score.image(k * 50 * MS, k * 50 * MS, flat(0))
        score.mask(k * 50 * MS, (k * 50 + 9) * MS, flat(0))
        score.label(k * 50 * MS, flat(0))
    result = score.result({})
    assert result["drops"] == {"events: dropped_lost_event_message": 3, "segmentation: gap": 1}
    assert [step["events"] for step in result["steps"]] == [100_000] * 3
    assert result["spike_rates"] == pytest.approx({"quarter": 0.1, "eighth": 0.05, "sixteenth": 0.02})
    assert result["accumulates"] > 0 and result["macs"] > 0


def test_nothing_scored_says_what_came(score):
    score.image(0, 0, flat(0))
    score.label(7, flat(0))
    with pytest.raises(ParameterError, match="1 images, 0 masks, 1 labels arrived"):
        score.result({})


def test_a_label_of_another_size_than_its_mask_is_counted_and_passed_over(score):
    for k, size in enumerate(((12, 16), (6, 8))):
        score.mask(k, k + 1, flat(3))
        score.label(k, np.full(size, 3, np.uint8))
    score.lost("bad messages on image")
    result = score.result({})
    assert result["frames"] == 1
    assert result["drops"] == {"bad messages on image": 1, "labels of another size than their masks": 1}
