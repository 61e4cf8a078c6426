"""The performing person's stream: decodable from every keyframe, labelled, the same for the same seed."""

from __future__ import annotations

import av

from halsie_ros.simulation.person.performance import GOP, HEIGHT, WIDTH, perform


def test_the_stream_decodes_to_every_frame_and_each_action_begins_with_a_keyframe():
    frames = list(perform(3, 2, ("clap", "bend")))
    assert [frame.action for frame in frames] == ["clap"] * 2 * GOP + ["bend"] * 2 * GOP
    assert [frame.pts for frame in frames if frame.keyframe] == [0, GOP, 2 * GOP, 3 * GOP]
    decoder = av.CodecContext.create("h264", "r")
    decoded = [picture for frame in frames for picture in decoder.decode(av.Packet(frame.data))]
    decoded += decoder.decode(None)
    assert len(decoded) == 4 * GOP and (decoded[0].width, decoded[0].height) == (WIDTH, HEIGHT)
    difference = decoded[0].to_ndarray(format="gray").astype(int) - decoded[2 * GOP].to_ndarray(format="gray")
    assert abs(difference).mean() > 10, "another person in another place"


def test_equal_seeds_give_equal_bytes_and_others_do_not():
    first, again, other = ([frame.data for frame in perform(seed, 1, ("sit",))] for seed in (1, 1, 2))
    assert first == again and first != other
