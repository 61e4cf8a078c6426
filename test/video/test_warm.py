"""What is compiled before the first packet."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from halsie_ros.action.pipeline import ActionPipeline
from halsie_ros.kernels import counting_compilation
from halsie_ros.video.packets import Packet
from halsie_ros.video.stream import PacketStream


def signatures() -> dict[str, int]:
    """How many kinds of arguments every kernel has been compiled or loaded for."""
    found = [o for o in gc.get_objects() if isinstance(o, Dispatcher) and o.__module__.startswith("halsie_ros.")]
    return {f"{kernel.__module__}.{kernel.__name__}": len(kernel.signatures) for kernel in found}


@pytest.fixture(scope="module")
def pipeline():
    pipeline = ActionPipeline("actions_mhad", min_segments=2)
    pipeline.warm_up()
    return pipeline


@pytest.mark.parametrize("name", ["h264", "h264_cavlc", "h264_b", "mpeg4", "mpeg4_b", "hevc", "mpeg2", "vp9"])
@pytest.mark.parametrize("size", [(112, 160), (122, 162), (96, 128)])
def test_a_stream_of_any_codec_and_width_compiles_nothing_more_after_warming(pipeline, coded_stream, name, size):
    before, state = signatures(), None
    stream = PacketStream()
    rows = set()
    for packet in coded_stream(name, size=size, length=26).packets:
        for frame in stream.push(packet):
            rows.add(frame.luma.flags.c_contiguous)
            _, state = pipeline.step(frame, state)
    assert stream.frames > 20 and rows == {True}
    assert signatures() == before


def test_the_warming_covers_several_references_and_hevc(pipeline):
    counts = signatures()
    for kernel in ("residual._drop_misfits", "codecs.hevc.units.read_segment", "codecs.h264.macroblocks.read_slice"):
        assert counts[f"halsie_ros.video.{kernel}"] == 1


def test_what_is_compiled_is_counted():
    import numba

    kernel = numba.njit(lambda x: x + 1)
    with counting_compilation() as first:
        kernel(np.float32(1))
    with counting_compilation() as second:
        kernel(np.float32(2))
    assert (first.compiled, second.compiled) == (1, 0)


def test_an_impatient_stream_decodes_unproven_until_its_kernel_is_compiled(coded_stream, monkeypatch):
    from halsie_ros.video.codecs import readiness

    compiled, began = threading.Event(), threading.Event()

    def compile_slowly():
        began.set()
        compiled.wait(30)

    monkeypatch.setitem(readiness._COMPILERS, "hevc", compile_slowly)
    monkeypatch.setattr(readiness, "_threads", {})
    packets = coded_stream("hevc").packets
    damaged = bytearray(packets[30].data)
    damaged[len(damaged) * 3 // 4 :: 3] = bytes(len(damaged[len(damaged) * 3 // 4 :: 3]))
    packets = [*packets[:30], Packet("hevc", bytes(damaged), packets[30].pts, packets[30].stamp_ns), *packets[31:]]
    stream = PacketStream(patient=False)
    frames = [frame for packet in packets[:20] for frame in stream.push(packet)]
    assert began.is_set() and len(frames) >= 19 and all(frame.trusted for frame in frames)
    compiled.set()
    readiness._threads["hevc"].join()
    frames = [frame for packet in packets[20:] for frame in stream.push(packet)]
    assert not all(frame.trusted for frame in frames[10:16])
