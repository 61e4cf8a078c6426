"""The fault suite: no bad picture is trusted, and hardly a good one is not."""

from __future__ import annotations

import pytest

from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream

STREAMS = ("h264", "h264_cavlc", "h264_b", "mpeg4", "mpeg4_b", "mpeg2")  # three codecs
FAULTS = (
    "lost", "lost_many", "lost_often", "lost_intra", "damaged", "damaged_run", "damaged_intra", "flipped_bit",
    "truncated", "duplicate", "reordered", "joined", "time_reset", "time_reset_after_loss", "empty",
    "no_parameter_sets", "other_size", "other_codec",
)  # fmt: skip
SEEDS = (0, 1)
OF_TRANSPORT = tuple(f for f in FAULTS if not f.startswith(("damaged", "flipped", "truncated")))


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_bad_picture_is_trusted(judged, name, fault):
    # 6 streams x 18 faults x 2 seeds = 216 cases.
    for seed in SEEDS:
        verdict = judged(name, fault, seed)
        assert verdict.undetected == [], f"seed {seed}"


def test_good_pictures_outside_the_damage_stay_trusted(judged):
    good = distrusted = 0
    for name in STREAMS:
        for fault in FAULTS:
            verdict = judged(name, fault, 0)
            good += verdict.good_outside
            distrusted += len(verdict.distrusted_outside)
    assert good > 4000
    assert distrusted <= 0.02 * good


def test_the_faults_do_make_bad_pictures(judged):
    assert sum(judged(name, fault, 0).bad > 0 for name in STREAMS for fault in FAULTS) > 40


@pytest.mark.parametrize("name", ["hevc", "vp9"])
@pytest.mark.parametrize("fault", OF_TRANSPORT)
def test_codecs_without_counters_notice_every_fault_of_the_transport(judged, name, fault):
    assert judged(name, fault, 0).undetected == []


@pytest.mark.parametrize("name", [*STREAMS, "hevc", "vp9"])
def test_a_clean_stream_is_trusted_throughout(coded_stream, name):
    clean = coded_stream(name)
    stream = PacketStream()
    frames = [frame for packet in clean.packets for frame in stream.push(packet)] + stream.flush()
    assert len(frames) == len(clean.packets)
    assert [frame.reason for frame in frames if not frame.trusted] == []
    assert [frame.stamp_ns for frame in frames] == sorted(clean.lumas)


@pytest.mark.parametrize("name", [*STREAMS, "hevc", "vp9"])
@pytest.mark.parametrize("first", [1, 7, 14])
def test_a_stream_joined_in_a_gop_is_trusted_from_the_next_intra_frame_on(coded_stream, name, first):
    clean = coded_stream(name)
    stream = PacketStream()
    frames = [frame for packet in clean.packets[first:] for frame in stream.push(packet)] + stream.flush()
    start = min(n for n, kind in clean.types.items() if kind == "I" and n > first)
    assert [f.stamp_ns for f in frames if f.trusted] == list(range(start, 60))


def test_a_loss_is_counted_and_the_stream_recovers_at_the_next_intra_frame(coded_stream):
    packets = list(coded_stream("h264").packets)
    stream = PacketStream()
    frames = [frame for packet in packets[:5] + packets[6:] for frame in stream.push(packet)]
    untrusted = [frame.stamp_ns for frame in frames if not frame.trusted]
    assert untrusted == list(range(6, 12))
    assert stream.counts["lost"] == 1
    assert stream.trusted
    assert "frame_num" in next(frame.reason for frame in frames if not frame.trusted)


def test_a_lost_unreferenced_picture_breaks_nothing(coded_stream):
    packets = list(coded_stream("mpeg4_b").packets)
    stream = PacketStream()
    damaged = [p if i != 2 else Packet(p.codec, p.data[:20], p.pts, p.stamp_ns) for i, p in enumerate(packets)]
    frames = [frame for packet in damaged for frame in stream.push(packet)] + stream.flush()
    assert [frame.stamp_ns for frame in frames if not frame.trusted] == [damaged[2].stamp_ns]


def test_duplicates_empty_messages_and_stragglers_are_counted(coded_stream):
    packets = list(coded_stream("mpeg4").packets)
    stream = PacketStream()
    order = [
        packets[0],
        packets[1],
        packets[1],
        Packet("mpeg4", b"", 9, 9),
        packets[2],
        packets[3],
        packets[12],
        packets[11],
    ]
    for packet in order:
        stream.push(packet)
    assert (stream.counts["duplicate"], stream.counts["empty"], stream.counts["late"]) == (1, 1, 1)
    assert stream.trusted  # the straggler after the I-frame was dropped


def test_parameter_sets_that_change_at_the_same_size_must_come_twice(coded_stream, encode, moving_scene):
    packets = list(coded_stream("h264").packets)
    options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "ref=2:cabac=0:scenecut=0"}
    others = encode(moving_scene(36, 112, 160, 1), "libx264", options, 12)
    stream = PacketStream()
    tail = [Packet("h264", p.data, p.pts + 12, p.stamp_ns + 12) for p in others]
    frames = [frame for packet in packets[:12] + tail for frame in stream.push(packet)]
    assert [frame.stamp_ns for frame in frames if not frame.trusted] == list(range(12, 24))
    assert stream.counts["parameters_changed"] == 1


def test_a_stream_without_intra_frames_stays_untrusted_and_says_so(coded_stream):
    packets = coded_stream("mpeg4").packets
    stream = PacketStream()
    stream.push(packets[0])
    for index in range(700):
        stream.push(Packet("mpeg4", packets[2 + index % 9].data, 2 + index, index))
    assert stream.broken_by.startswith("lost")
    assert stream.counts["endless_gop"] == 1


def test_an_intra_refresh_stream_is_trusted_again_when_the_refresh_is_complete(encode, moving_scene):
    options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "intra-refresh=1:ref=1:keyint=20"}
    packets = encode(moving_scene(80, 112, 160, 1), "libx264", options, 20)
    stream = PacketStream()
    frames = [frame for packet in packets[:5] + packets[6:] for frame in stream.push(packet)]
    trusted = [frame.stamp_ns for frame in frames if frame.trusted]
    assert max(trusted) == 79
    assert 6 not in trusted


def test_this_module_lists_every_fault_of_the_suite(fault_names):
    assert fault_names == FAULTS
