"""What is left out when decoding falls behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halsie_ros.video.backlog import Backlog
from halsie_ros.video.stream import PacketStream

STEP = 40_000_000


def played(packets, backlog, *, after):
    """Adds all packets while nothing is taken until `after` have come, then takes all; gives frames and the dropped."""
    stream, frames, dropped = PacketStream(), [], 0
    for number, packet in enumerate(packets):
        dropped += backlog.add(packet, 0.0)
        while number >= after and (item := backlog.take()) is not None:
            if item.gap:
                stream.gap()
            frames += stream.push(item.packet)
    return frames + stream.flush(), dropped


@pytest.mark.parametrize("name", ["h264", "h264_cavlc", "mpeg4", "hevc", "mpeg2", "vp9"])
def test_without_key_flags_it_goes_on_at_a_key_picture_and_nothing_is_untrusted(coded_stream, name):
    packets = [
        replace(p, keyframe=None, pts=None, stamp_ns=(n + 1) * STEP)
        for n, p in enumerate(coded_stream(name, length=120).packets)
    ]
    frames, dropped = played(packets, Backlog(), after=100)
    assert dropped > 20
    untrusted = [frame.reason for frame in frames if not frame.trusted]
    assert untrusted == [] or (name == "vp9" and len(untrusted) == 1 and untrusted[0].startswith("unsettled"))
    assert frames[0].keyframe and len(frames) == 120 - dropped


def test_where_no_key_picture_waits_all_is_left_out_until_one_comes(coded_stream):
    packets = [
        replace(p, pts=None, stamp_ns=(n + 1) * STEP)
        for n, p in enumerate(coded_stream("mpeg4", length=200, gop=100).packets)
    ]
    backlog = Backlog()
    frames, dropped = played(packets[1:], backlog, after=70)
    assert dropped == 99  # up to the second key picture
    assert len(frames) == 100 and all(frame.trusted for frame in frames)


def test_pieces_of_a_picture_count_as_one_and_its_parameter_sets_are_kept(coded_stream):
    whole = coded_stream("h264", length=120).packets
    pieces = []
    for number, packet in enumerate(whole):
        data = bytes(packet.data)
        at = [i for i in range(len(data) - 4) if data[i : i + 4] == b"\0\0\0\1"]
        for a, b in zip(at, [*at[1:], len(data)]):
            pieces.append(replace(packet, data=data[a:b], pts=None, keyframe=None, stamp_ns=(number + 1) * STEP))
    assert len(pieces) > 120
    frames, dropped = played(pieces, Backlog(), after=len(pieces) - 40)
    assert dropped > 0 and frames and all(frame.trusted for frame in frames)
    assert len({frame.stamp_ns for frame in frames}) == len(frames)
    few = Backlog()
    assert sum(few.add(replace(p, stamp_ns=STEP), 0.0) for p in whole[:59]) == 0


def test_what_has_waited_for_two_seconds_is_too_old_however_few_it_is(coded_stream):
    packets = coded_stream("h264").packets
    backlog = Backlog()
    assert sum(backlog.add(p, n * 0.15) for n, p in enumerate(packets[:14])) == 0
    assert backlog.add(packets[14], 2.1) == 12
    item = backlog.take()
    assert item.gap and item.packet is packets[12]


def test_a_stream_without_key_pictures_is_not_waited_for_for_ever(coded_stream):
    packet = coded_stream("mpeg4").packets[3]
    backlog = Backlog()
    for number in range(700):
        backlog.add(replace(packet, stamp_ns=number), 0.0)
    assert len(backlog) > 0


def test_what_waits_is_bounded_in_bytes_too(coded_stream):
    packets = coded_stream("mpeg4").packets
    large = replace(packets[1], data=bytes(packets[1].data) + bytes(8 * 2**20))
    backlog = Backlog()
    dropped = sum(backlog.add(replace(large, stamp_ns=n), 0.0) for n in range(12))
    assert dropped == 12 and len(backlog) == 0
