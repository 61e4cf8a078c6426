"""The demo's account of the action labels, by hand-counted examples."""

from __future__ import annotations

from types import SimpleNamespace

from halsie_ros.demo.actions import actions_as_text, show_actions
from halsie_ros.demo.live import LiveRun

SECOND = 1_000_000_000


def live(*said):
    entries = [{"stamp_ns": round(t_s * SECOND), "arrived_ns": 0, "results": [(label, 0.9)]} for t_s, label in said]
    return LiveRun(log={"classifications": entries})


def test_only_labels_whose_whole_window_shows_one_action_are_judged(tmp_path):
    recording = SimpleNamespace(actions=[(0, "clap"), (5 * SECOND, "bend")], end_ns=10 * SECOND)
    said = live((1, "unknown"), (3.5, "clap"), (4, "bend"), (6, "clap"), (9, "bend"), (9.5, "bend"))
    figures = show_actions(recording, said, tmp_path / "actions.png")
    # Settled: 3.5 s right, 4 s wrong, 9 s and 9.5 s right. All: four of six are wrong or unknown but 3.5, 9, 9.5.
    assert figures["accuracy"] == 3 / 4 and figures["accuracy_all"] == 3 / 6 and figures["unknown"] == 1 / 6
    assert [row["said"] for row in figures["timeline"]] == [
        {"unknown": 1, "clap": 1, "bend": 1},
        {"clap": 1, "bend": 2},
    ]
    # "clap" is named after 3.5 s, "bend" 4 s after 5 s; clap, bend, clap, bend for two actions.
    assert figures["lag_s"] == (3.5 + 4) / 2 and figures["changes"] == 4 / 2
    assert (tmp_path / "actions.png").stat().st_size > 1000
    assert "75% right" in actions_as_text(figures) and "bend 2" in actions_as_text(figures)


def test_a_bag_without_truth_has_labels_but_no_accuracy(tmp_path):
    figures = show_actions(SimpleNamespace(actions=[], end_ns=0), live((1, "clap")), tmp_path / "actions.png")
    assert (figures["labels"], figures["accuracy"], figures["accuracy_all"]) == (1, None, None)
    assert (tmp_path / "actions.png").exists()


def test_silence_is_told_as_such(tmp_path):
    recording = SimpleNamespace(actions=[(0, "clap")], end_ns=SECOND)
    figures = show_actions(recording, live(), tmp_path / "actions.png")
    assert figures["labels"] == 0 and figures["accuracy"] is None and "said: nothing" in actions_as_text(figures)
