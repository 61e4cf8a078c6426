"""The action network's features."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.errors import VideoError
from halsie_ros.video.features import FeatureExtractor, FeatureFormat, stack
from halsie_ros.video.packets import Packet
from halsie_ros.video.residual import Accumulator
from halsie_ros.video.stream import PacketStream


def features_of(packets, form=None, stream=None):
    stream, extractor = stream or PacketStream(), FeatureExtractor(form)
    return [features for p in packets for f in stream.push(p) if (features := extractor.push(f)) is not None]


def test_shapes_follow_the_format(coded_stream):
    form = FeatureFormat(grid=(7, 10), residual_scale=2, image=(48, 64))
    features = features_of(coded_stream("h264").packets[:14], form)
    assert "".join(f.type for f in features) == "I" + 11 * "P" + "IP"
    assert [f.step for f in features] == [*range(12), 0, 1]
    assert features[0].image.shape == (3, 48, 64) and features[0].image.dtype == np.uint8
    assert features[1].image is None
    assert features[1].motion.shape == (2, 7, 10) and features[1].residual.shape == (14, 20)
    gop = stack(features[:12])
    assert gop.motion.shape == (11, 2, 7, 10) and gop.accumulated_residual.shape == (11, 14, 20)


def test_motion_is_a_fraction_of_the_picture_per_frame(encode, moving_scene):
    # The window moves 2 right and 1 down a frame, so content comes from 2 to the right and 1 below in the picture
    # before.
    options = {"preset": "medium", "tune": "zerolatency", "x264-params": "ref=1:scenecut=0"}
    pictures = [p[:, :160] for p in moving_scene(8, 112, 160, 4)]
    features = features_of(encode([np.ascontiguousarray(p) for p in pictures], "libx264", options, 12))
    for number, predicted in enumerate(features[1:], 1):
        dx, dy = np.median(predicted.motion, axis=(1, 2))
        assert dx * 160 == pytest.approx(2, abs=0.3)
        assert dy * 112 == pytest.approx(1, abs=0.3)
        far_x = np.median(predicted.accumulated_motion[0]) * 160
        assert far_x == pytest.approx(2 * number, abs=0.15 * 2 * number + 0.5)


def test_the_lattice_agrees_with_the_full_accumulation(coded_stream):
    form = FeatureFormat(grid=(7, 10), residual_scale=4)
    stream, extractor = PacketStream(), FeatureExtractor(form)
    accumulator = None
    for packet in coded_stream("h264").packets[:6]:
        for frame in stream.push(packet):
            features = extractor.push(frame)
            if accumulator is None:
                accumulator = Accumulator(frame.luma)
                continue
            full = np.abs(accumulator.push(frame.luma, frame.motion)).mean() / 255
            assert features.accumulated_residual.mean() == pytest.approx(full, rel=0.15)
            plain = np.abs(frame.residual).mean() / 255
            assert features.residual.mean() == pytest.approx(plain, rel=0.15)
            moved = -accumulator.motion().mean(axis=(1, 2)) / (160, 112)
            np.testing.assert_allclose(features.accumulated_motion.mean(axis=(1, 2)), moved, atol=0.004)


def test_untrusted_frames_give_nothing_until_the_next_intra_frame(coded_stream):
    packets = list(coded_stream("mpeg4").packets)
    features = features_of(packets[:4] + packets[5:16])
    assert [f.stamp_ns for f in features] == [0, 1, 2, 3, 12, 13, 14, 15]
    assert [f.gop for f in features] == [0] * 4 + [1] * 4


def test_an_endless_gop_is_cut(coded_stream):
    features = features_of(coded_stream("h264").packets[:11], FeatureFormat(max_steps=4))
    assert "".join(f.type for f in features) == "IPPPPIPPPPI"
    assert features[5].image is not None


def test_motion_across_b_frames_is_per_frame(coded_stream):
    features = features_of(coded_stream("mpeg4_b").packets)
    far = [f for f in features if f.type == "P"]
    dx = np.median([np.median(f.motion[0]) * 160 for f in far])
    assert dx == pytest.approx(2, abs=0.4)  # references are three frames apart


def test_codecs_without_vectors_say_that_nothing_is_compensated(coded_stream):
    features = features_of(coded_stream("hevc").packets[:4])
    assert [f.compensated for f in features] == [False] * 4
    assert not features[2].motion.any()
    assert features[2].residual.mean() > 0


def test_features_of_two_gops_are_not_stacked(coded_stream):
    features = features_of(coded_stream("mpeg4").packets[:14])
    with pytest.raises(VideoError, match="do not make one GOP"):
        stack(features)


def test_a_size_of_zero_is_refused():
    with pytest.raises(VideoError, match="grid is"):
        FeatureFormat(grid=(0, 3))


def test_a_change_of_size_starts_a_gop(coded_stream):
    small = coded_stream("h264", size=(96, 128), seed=7).packets
    tail = [Packet(p.codec, p.data, p.pts + 6, p.stamp_ns + 6) for p in small[:3]]
    features = features_of([*coded_stream("h264").packets[:6], *tail])
    assert "".join(f.type for f in features) == "IPPPPPIPP"
