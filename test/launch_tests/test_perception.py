"""Recorded drives through the graph, started by launch and by the executables alone."""

from halsie_ros.bags.recording import Recording


def test_a_dsec_drive_is_answered_frame_by_frame_and_resembles_the_truth(graph, scenarios, record_property):
    run = scenarios.every_frame_is_answered("dsec", (480, 640), rate=0.25)
    record_property("latency_p95_ms", run.latency_p95_ms())
    record_property("miou", scenarios.masks_resemble_the_truth("dsec", run, floor=0.12))


def test_an_mvsec_drive_of_another_size_and_event_type_follows_on_the_same_topics(graph, scenarios, record_property):
    run = scenarios.every_frame_is_answered("mvsec", (260, 346), rate=0.5)
    record_property("latency_p95_ms", run.latency_p95_ms())


def test_a_bag_that_loops_leaves_no_frame_unanswered(graph, scenarios):
    scenarios.a_loop_leaves_no_frame_unanswered("mvsec")


def test_the_graph_ends_cleanly(graph):
    assert graph.stop() == 0
    assert not any(word in graph.output for word in ("Traceback", "has died", "escalating")), graph.output


def test_a_graph_that_starts_late_joins_the_bag_that_plays(start_words, bench, bags):
    player = bench.replay(bags["mvsec"], "--loop", "--rate", 0.5)
    graph = bench.start(*start_words())
    stamps = Recording(bags["mvsec"]).frame_stamps()
    with bench.recorder() as run:
        run.wait_for(len(stamps))
    assert player.stop() == 0 and graph.stop() == 0
    assert sorted(run.masks) == stamps


def test_a_wrong_parameter_ends_the_start_with_our_line(start_words, bench):
    graph = bench.start(*start_words(mask_rate_hz=-5.0))
    graph.popen.wait(60)
    assert "perception: parameter mask_rate_hz is -5.0: give a value from 0 to 1000" in graph.output
    assert "Traceback" not in graph.output
