"""What is compiled before the first packet."""

from __future__ import annotations

from halsie_ros.video.codecs.h264.macroblocks import read_slice
from halsie_ros.video.warm import warm


def test_a_stream_compiles_nothing_more_after_warming(coded_stream):
    from halsie_ros.video.stream import PacketStream

    warm()
    before = len(read_slice.signatures)
    stream = PacketStream()
    assert all(frame.trusted for packet in coded_stream("h264").packets[:14] for frame in stream.push(packet))
    assert len(read_slice.signatures) == before >= 1
