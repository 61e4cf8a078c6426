"""H.264: whether the slices of a picture end where their data end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from halsie_ros.video.codecs.bits import rbsp
from halsie_ros.video.codecs.cabac import padded
from halsie_ros.video.codecs.h264.elements import BIPREDICTED, INTRA, PREDICTED
from halsie_ros.video.codecs.h264.headers import Pps, Slice, Sps
from halsie_ros.video.codecs.h264.macroblocks import EXACT, read_slice
from halsie_ros.video.codecs.h264.motion import Grid
from halsie_ros.video.codecs.h264.tables import START

_KINDS = {"P": PREDICTED, "B": BIPREDICTED, "I": INTRA}


class SlicesEnd:
    """Reads pictures macroblock by macroblock, as far as their syntax is known here."""

    def __init__(self) -> None:
        self._grid = Grid.of(0)

    def check(self, slices: Sequence[tuple[bytes, Slice, Sps, Pps]]) -> bool | None:
        """Whether the slices of one picture, each (NAL unit, head, parameter sets), end as they must.

        Each must end with its data, and where the next one starts. None where this cannot be said: not coded
        arithmetically (FFmpeg checks those), fields, 4:2:2 and 4:4:4.
        """
        due = 0
        for number, (unit, head, sps, pps) in enumerate(slices):
            if not pps.cabac or head.field or sps.mixes_fields or sps.chroma_format > 1 or head.redundant:
                return None
            count = sps.columns * sps.rows
            if number == 0:
                if len(self._grid.slices) != count:
                    self._grid = Grid.of(count)
                self._grid.slices[:] = -1
            if head.first_block != due or not 0 <= head.qp + 6 * 8 <= 51 + 48:
                return False
            # Some files carry an end-of-sequence unit behind a start code, within the last unit's length.
            payload = rbsp(unit[1:].partition(b"\0\0\1")[0])
            end, due = read_slice(
                padded(payload), len(payload), head.data_at, contexts_at(head.table, head.qp), _KINDS[head.kind],
                head.first_block, number, sps.columns, head.active, pps.large, sps.infers_direct, sps.chroma,
                self._grid,
            )  # fmt: skip
            if end != EXACT:
                return False
        return due == count if slices else None


def contexts_at(table: int, qp: int) -> np.ndarray:
    """The contexts `(460,) uint8` at the start of a slice (ITU-T H.264, 9.3.1.1)."""
    slope, offset = START[table, :, 0].astype(np.int32), START[table, :, 1]
    state = np.clip((slope * min(max(qp, 0), 51) >> 4) + offset, 1, 126)
    result: np.ndarray = np.where(state < 64, 2 * (63 - state), 2 * (state - 64) + 1).astype(np.uint8)
    return result
