"""Residuals and accumulation against a slow reference, and what they mean on a moving texture."""

from __future__ import annotations

import numpy as np
import pytest

from halsie_ros.video.residual import Accumulator, residual, without_misfits
from halsie_ros.video.stream import PacketStream
from halsie_ros.video.vectors import CELL, MotionField


def random_field(rng: np.random.Generator, height: int, width: int, reach: float = 12) -> MotionField:
    rows, columns = -(-height // CELL), -(-width // CELL)
    vectors = np.round(rng.uniform(-reach, reach, (2, rows, columns)) * 4) / 4
    coded = rng.random((rows, columns)) > 0.2
    return MotionField((vectors * coded).astype(np.float32), coded)


def origin(field: MotionField, x: int, y: int, width: int, height: int) -> tuple[int, int]:
    dx, dy = field.vectors[:, y // CELL, x // CELL]
    from_x, from_y = x + int(np.floor(dx + 0.5)), y + int(np.floor(dy + 0.5))
    return min(max(from_x, 0), width - 1), min(max(from_y, 0), height - 1)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (27, 45)])
def test_accumulation_equals_the_slow_recursion_on_random_fields(height, width):
    rng = np.random.default_rng(height)
    pictures = rng.integers(0, 256, (5, height, width), dtype=np.uint8)
    accumulator = Accumulator(pictures[0])
    source = {(x, y): (x, y) for x in range(width) for y in range(height)}
    before = pictures[0]
    for picture in pictures[1:]:
        field = random_field(rng, height, width)
        source = {(x, y): source[origin(field, x, y, width, height)] for x, y in source}
        accumulated = accumulator.push(picture, field)
        plain = residual(picture, before, field)
        motion = accumulator.motion()
        for (x, y), (from_x, from_y) in source.items():
            assert tuple(motion[:, y, x]) == (x - from_x, y - from_y)
            assert accumulated[y, x] == int(picture[y, x]) - int(pictures[0][from_y, from_x])
            from_x, from_y = origin(field, x, y, width, height)
            assert plain[y, x] == int(picture[y, x]) - int(before[from_y, from_x])
        before = picture


@pytest.mark.parametrize("shift", [(2, 1), (-3, 2), (4, 0)])
def test_vectors_explain_a_texture_that_moves_by_whole_pixels(encode, shift):
    coarse = np.random.default_rng(3).integers(0, 256, (60, 75, 3)).astype(float)
    texture = np.kron(coarse, np.ones((4, 4, 1)))
    texture = (
        sum(np.roll(texture, (y, x), (0, 1)) for y in range(3) for x in range(3)) / 9
    )  # smooth enough to search in
    texture = texture.astype(np.uint8)
    tops = [60 + shift[1] * i for i in range(6)]
    lefts = [70 + shift[0] * i for i in range(6)]
    pictures = [np.ascontiguousarray(texture[top : top + 96, left : left + 128]) for top, left in zip(tops, lefts)]
    options = {"preset": "medium", "tune": "zerolatency", "x264-params": "ref=1:scenecut=0:weightp=0", "qp": "0"}
    stream = PacketStream()
    frames = [f for p in encode(pictures, "libx264", options, 12) for f in stream.push(p)]
    inner = np.s_[16:-16, 16:-16]  # at the border there is nothing to predict from
    for frame in frames[1:]:
        assert frame.vectors_use == "all"
        field = frame.motion
        zero = MotionField.still(frame.height, frame.width)
        turned = MotionField(np.ascontiguousarray(-field.vectors), field.coded)
        swapped = MotionField(np.ascontiguousarray(field.vectors[::-1]), field.coded)

        def energy(candidate, frame=frame):
            return float((residual(frame.luma, frame.reference_luma, candidate)[inner].astype(float) ** 2).sum())

        assert energy(field) <= 0.01 * energy(zero)
        assert energy(turned) > energy(field)
        assert energy(swapped) > energy(field)


def test_vectors_that_predict_worse_than_no_motion_are_dropped():
    luma = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    reference = luma.copy()
    reference[:8, 3:11] = luma[:8, :8]  # the upper left cell lies 3 to the right in the reference
    vectors = np.zeros((2, 2, 2), np.float32)
    vectors[0] = [[3, 0], [2, 0]]  # right, none, wrong, none
    field = without_misfits(MotionField(vectors, np.ones((2, 2), bool)), luma, reference)
    np.testing.assert_array_equal(field.vectors[0], [[3, 0], [0, 0]])
    np.testing.assert_array_equal(field.coded, [[True, True], [False, True]])


def test_with_several_references_the_residual_is_never_worse_than_the_difference(coded_stream):
    stream = PacketStream()
    checked = 0
    for packet in coded_stream("h264_b").packets:
        for frame in stream.push(packet):
            if frame.vectors_use == "checked":
                difference = np.abs(frame.luma.astype(int) - frame.reference_luma).sum()
                assert np.abs(frame.residual.astype(int)).sum() <= difference
                checked += 1
            elif frame.type == "B":
                assert frame.residual_kind == "difference"
    assert checked > 5


@pytest.mark.parametrize("name", ["hevc", "vp9"])
def test_codecs_without_vectors_fall_back_to_differences_and_say_so(coded_stream, name):
    stream = PacketStream()
    frames = [frame for packet in coded_stream(name).packets[:4] for frame in stream.push(packet)]
    assert [frame.residual_kind for frame in frames] == ["none", "difference", "difference", "difference"]
    assert not frames[1].motion.coded.any()
    np.testing.assert_array_equal(frames[1].residual, frames[1].luma.astype(np.int16) - frames[0].luma)
