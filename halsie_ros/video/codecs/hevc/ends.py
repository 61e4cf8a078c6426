"""HEVC: whether the slice segments of a picture end where their data end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from halsie_ros.video.codecs.bits import SET, BitstreamError, rbsp
from halsie_ros.video.codecs.cabac import padded
from halsie_ros.video.codecs.hevc.elements import BIPREDICTED, INTRA, NEVER, PREDICTED, Form, Grid
from halsie_ros.video.codecs.hevc.headers import Pps, Sps, parse_pps, parse_sps
from halsie_ros.video.codecs.hevc.slices import Segment, parse_segment
from halsie_ros.video.codecs.hevc.tables import contexts_at
from halsie_ros.video.codecs.hevc.units import EXACT, read_segment

_SPS, _PPS = 33, 34
_KINDS = {"P": PREDICTED, "B": BIPREDICTED, "I": INTRA}


class SegmentsEnd:
    """Knows the parameter sets, and reads pictures unit by unit, as far as their syntax is known here."""

    def __init__(self) -> None:
        self._sps: dict[int, Sps] = {}
        self._pps: dict[int, Pps] = {}
        self._form: tuple[int, int, int] | None = None

    def take_set(self, unit: bytes) -> tuple[str, bytes] | None:
        """Keeps a parameter set; one that cannot be read makes its pictures unreadable, no more.

        Gives its name, and what decoding depends on of it.
        """
        kind = unit[0] >> 1 & 63
        try:
            if kind == _SPS:
                number, sps = parse_sps(rbsp(unit[2:], SET))
                self._sps[number] = sps
                return f"sps {number}", sps.essence
            elif kind == _PPS:
                number, pps = parse_pps(rbsp(unit[2:], SET))
                self._pps[number] = pps
                return f"pps {number}", unit[2:SET].rstrip(b"\0")
        except BitstreamError:
            (self._sps if kind == _SPS else self._pps).clear()
            return f"unread {kind}", unit[:SET]
        return None

    @property
    def sets(self) -> tuple[dict[int, Sps], dict[int, Pps]]:
        """The parameter sets as they are now: of their own, however they change later."""
        return dict(self._sps), dict(self._pps)

    def check(self, units: Sequence[bytes], all_sps: dict[int, Sps], all_pps: dict[int, Pps]) -> bool | None:
        """Whether the slice segments of one picture end as they must.

        Each must end with its data, and where the next one starts. None where this cannot be said: tiles, separate
        colour planes, unknown parameter sets.
        """
        due, slice_address = 0, 0
        before: Segment | None = None
        contexts = of_row = np.empty(0, np.uint8)
        for number, unit in enumerate(units):
            if not all_sps or not all_pps:
                return None
            try:
                head, sps, pps = parse_segment(unit, all_sps, all_pps, before)
            except BitstreamError:
                return False
            if pps.tiles or sps.separate_planes:
                return None
            if number == 0:
                size = sps.coded_width, sps.coded_height, sps.tree_log2
                if self._form != size:
                    self._form, self._grid = size, Grid.of(*size)
                self._grid.slices[:] = -1
            if head.address != due:
                return False
            fresh = contexts_at(head.table, head.qp)
            if not head.dependent:
                contexts, of_row, slice_address = fresh.copy(), fresh.copy(), head.address
            # Some files carry an end-of-sequence unit behind a start code, within the last unit's length.
            payload = rbsp(unit[2:].partition(b"\0\0\1")[0])
            end, due = read_segment(
                padded(payload), len(payload), head.data_at, contexts, fresh, of_row, _form_of(head, sps, pps),
                self._grid, head.address, slice_address,
            )  # fmt: skip
            if end != EXACT:
                return False
            before = head
        return due == len(self._grid.slices) if units else None


def _form_of(head: Segment, sps: Sps, pps: Pps) -> Form:
    pcm = sps.pcm or (0, 0, NEVER, 0)
    return Form(
        sps.coded_width, sps.coded_height, sps.tree_log2, sps.min_block_log2, sps.min_transform_log2,
        sps.max_transform_log2, sps.depth_inter, sps.depth_intra, sps.chroma_format, sps.asymmetric, pcm[2], pcm[3],
        pcm[0], pcm[1], *sps.depths, pps.bypass, pps.hides_signs, pps.transform_skip,
        sps.tree_log2 - pps.qp_depth if pps.qp_depth >= 0 else NEVER, pps.synchronized, _KINDS[head.kind],
        *head.offsets, *head.active, head.zero_l1, head.candidates,
    )  # fmt: skip
