"""The event bench: rows with the case names of the design, and a path that keeps every event."""

from __future__ import annotations

import argparse

import pytest

from halsie_ros.bench import events


def once(*functions, **_):
    """Instead of the measure: each function runs once, the k-th takes k + 0.5 s."""
    for function in functions:
        function()
    return [index + 0.5 for index in range(len(functions))]


def test_rows_have_the_designs_case_names(monkeypatch):
    monkeypatch.setattr(events, "median_seconds", once)
    monkeypatch.setattr(events, "_packets", lambda rate, packet_us, packets: [])
    rows = {row.case: row for row in events.cases(argparse.Namespace(with_peers=False))}
    assert {"events/evt3", "events/eventarray_50k", "events/path_per_packet", "events/path_per_mevent"} <= set(rows)
    for row in rows.values():
        if row.peer is not None and row.unit == "ms":
            assert row.ratio == pytest.approx(row.peer_value / row.ours)


def test_every_event_of_the_path_comes_into_a_window():
    path = events.EventPath(packet_us=1000)
    for message in events._packets(1e5, 1000, 210):
        path.push(message)
    # 100,000 events a second are 5,000 in a window of 50 ms; the fifth frame still waits for the end of its window.
    assert path.steps == 4
    assert path.events == pytest.approx(20_000, rel=0.02)
    assert path._currents.any()
    assert path._synchronizer.late_events == 0 and not path._synchronizer.counts


def test_the_usual_way_reads_the_same_events():
    message = events.encode_event_array(
        events.moving_edge(100, 1000), width=640, height=480, stamp_ns=1, frame_id="camera"
    )
    name, peer = events._message_objects(message)
    if peer is None:
        pytest.skip("neither rclpy with dvs_msgs nor rosbags is here")
    assert peer().t_us.tolist() == events.moving_edge(100, 1000).t_us.tolist(), name
