"""Compiling what reads pictures to their end, beforehand or beside a stream that does not wait for it.

On a machine whose cache holds the kernels they are there within a second; else H.264's take some seconds, HEVC's some
twenty.
"""

from __future__ import annotations

import threading

import numpy as np

from halsie_ros.video.codecs.cabac import padded
from halsie_ros.video.codecs.h264.elements import INTRA
from halsie_ros.video.codecs.h264.ends import contexts_at
from halsie_ros.video.codecs.h264.macroblocks import read_slice
from halsie_ros.video.codecs.h264.motion import Grid
from halsie_ros.video.codecs.hevc.reader import HevcReader

# A grey ramp of 64 x 64 pixels as x265 codes it.
_HEVC = bytes.fromhex(
    "0000000140010c01ffff0408000003009fa800000300001eba0240000000014201010408000003009fa800000300001ea020810596eaaf2b9a"
    "020000030002000003003210000000014401c17181120000012801af0b60f53bb96198e59aed77cadade332f5ce0010c1a2db5bf8f2dbb0ecd"
    "89019c76003c807ca8cc1694"
)
_threads: dict[str, threading.Thread] = {}
_lock = threading.Lock()


def compile_h264() -> None:
    """Compiles or loads the reading of H.264 pictures to their end, by one macroblock of zeros."""
    data = bytes(8)
    read_slice(
        padded(data), len(data), 0, np.asarray(contexts_at(0, 26)), INTRA, 0, 0, 1, (0, 0), False, False, True,
        Grid.of(1),
    )  # fmt: skip


def compile_hevc() -> None:
    """The same for HEVC, by a small picture."""
    reader = HevcReader()
    reader.ends(reader.read(_HEVC))


_COMPILERS = {"h264": compile_h264, "hevc": compile_hevc}


def is_ready(codec: str) -> bool:
    """Whether pictures of a codec can be read to their end at once; if not, a thread sees to it from now on."""
    if codec not in _COMPILERS:
        return True
    with _lock:
        thread = _threads.get(codec)
        if thread is None:
            thread = _threads[codec] = threading.Thread(target=_COMPILERS[codec], name=f"compile {codec}", daemon=True)
            thread.start()
    return not thread.is_alive()
