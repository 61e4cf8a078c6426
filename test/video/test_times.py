"""Times that senders write, and what is made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halsie_ros.video.stream import PacketStream

T0, STEP = 1_700_000_000_000_000_000, 40_000_000
ALL = ("h264", "h264_b", "mpeg4", "mpeg4_b", "hevc", "mpeg2", "vp9")


def frames_of(packets, stream):
    return [frame for packet in packets for frame in stream.push(packet)] + stream.flush()


def check(stream, packets, length=60):
    frames = frames_of(packets, stream)
    reasons = [frame.reason for frame in frames if not frame.trusted]
    assert [reason for reason in reasons if not reason.startswith("unsettled")] == [] and len(reasons) <= 2
    assert len(frames) == length
    stamps = [frame.stamp_ns for frame in frames]
    assert stamps == sorted(stamps)
    return frames


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("pts", [0, 7, 1 << 63, (1 << 64) - 1])
def test_pts_that_are_unset_or_constant_fall_back_on_stamps(coded_stream, name, pts):
    packets = [replace(p, pts=pts, stamp_ns=T0 + p.pts * STEP) for p in coded_stream(name).packets]
    frames = check(PacketStream(), packets)
    assert [frame.stamp_ns for frame in frames] == [T0 + n * STEP for n in range(60)]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("pts", [True, False])
def test_stamps_that_stay_zero_fall_back_on_times_of_arrival(coded_stream, name, pts):
    packets = [
        replace(p, pts=p.pts if pts else None, stamp_ns=0, received_ns=T0 + n * STEP + n % 3 * 1000)
        for n, p in enumerate(coded_stream(name).packets)
    ]
    stream = PacketStream()
    frames = check(stream, packets)
    assert frames[-1].stamp_ns >= T0 + 55 * STEP
    assert "header.stamp" in stream.notes["stamps"] and "arrival" in stream.notes["stamps"]


@pytest.mark.parametrize("name", ALL)
def test_stamps_in_whole_seconds_do_not_count_as_advancing(coded_stream, name):
    packets = [
        replace(p, pts=None, stamp_ns=(T0 + n * STEP) // 10**9 * 10**9, received_ns=T0 + n * STEP)
        for n, p in enumerate(coded_stream(name).packets)
    ]
    stream = PacketStream()
    frames = check(stream, packets)
    assert "stamps" in stream.notes
    assert len({frame.stamp_ns for frame in frames}) > 50


@pytest.mark.parametrize("name", ALL)
def test_without_any_time_thirty_pictures_a_second_are_assumed_and_said(coded_stream, name):
    packets = [replace(p, pts=None, stamp_ns=0) for p in coded_stream(name).packets]
    stream = PacketStream()
    frames = check(stream, packets)
    assert 1.8e9 < frames[-1].stamp_ns < 2.1e9
    assert "30 pictures a second" in stream.notes["stamps"]


@pytest.mark.parametrize("name", ["h264_b", "mpeg4_b", "hevc"])
def test_a_loss_shows_by_the_bitstream_where_times_tell_nothing(coded_stream, name):
    packets = [replace(p, pts=None, stamp_ns=0) for p in coded_stream(name).packets]
    del packets[13]
    frames = frames_of(packets, PacketStream())
    clean = frames_of(coded_stream(name).packets, PacketStream())
    lumas = [frame.luma for frame in clean]
    for frame in frames:
        if frame.trusted:
            assert any((frame.luma == luma).all() for luma in lumas)


@pytest.mark.parametrize("name", ["h264_b", "mpeg4_b"])
@pytest.mark.parametrize("pts", ["none", "sending", "true"])
def test_stamps_of_sending_are_given_out_in_the_order_of_showing(coded_stream, name, pts):
    packets = [
        replace(p, pts={"none": None, "sending": n, "true": p.pts}[pts], stamp_ns=T0 + n * STEP)
        for n, p in enumerate(coded_stream(name).packets)
    ]
    stream = PacketStream()
    frames = check(stream, packets)
    assert [frame.stamp_ns for frame in frames] == [T0 + n * STEP for n in range(60)]
    assert "order of showing" in stream.notes["sending"]
    assert "sending" not in [*(_notes(coded_stream(name).packets))]


def _notes(packets):
    stream = PacketStream()
    frames_of(packets, stream)
    return stream.notes


@pytest.mark.parametrize("name", ["h264", "hevc", "mpeg4"])
def test_one_stamp_far_in_the_future_costs_no_more_than_a_gop(coded_stream, name):
    packets = [replace(p, pts=None, stamp_ns=T0 + p.pts * STEP) for p in coded_stream(name).packets]
    for at in (5, 12, 17):
        odd = list(packets)
        odd[at] = replace(odd[at], stamp_ns=odd[at].stamp_ns + 3_600_000_000_000)
        frames = frames_of(odd, PacketStream())
        later = [frame for frame in frames if T0 + 36 * STEP <= frame.stamp_ns < T0 + 60 * STEP]
        assert len(later) == 24 and all(frame.trusted for frame in later)
