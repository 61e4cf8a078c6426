"""H.264: the picture sequence that slice headers tell, and whether slices end where their data end.

Two counters show a loss without any help from the transport: frame_num (ITU-T H.264, 7.4.3: one up per reference
picture) and the picture order count (8.2.1.1).
"""

from __future__ import annotations

from halsie_ros.video.codecs.bits import SET, BitstreamError, nal_units, rbsp
from halsie_ros.video.codecs.framing import record_units
from halsie_ros.video.codecs.h264.ends import SlicesEnd
from halsie_ros.video.codecs.h264.headers import IDR, Pps, Slice, Sps, parse_pps, parse_slice, parse_sps, recovery_point
from halsie_ros.video.codecs.packet_header import Sight

_SLICE, _PARTITION_A, _SEI, _SPS, _PPS = 1, 2, 6, 7, 8


class H264Reader:
    """Follows frame_num and picture order count over the packets of one stream."""

    def __init__(self, extradata: bytes = b"") -> None:
        """`extradata`: avcC (length-prefixed packets) or Annex B parameter sets; empty for a live stream."""
        self._sps: dict[int, Sps] = {}
        self._pps: dict[int, Pps] = {}
        self._length_size = 0
        self._end = SlicesEnd()
        self.reset()
        if extradata[:1] == b"\1" and len(extradata) > 6:
            self._length_size = (extradata[4] & 3) + 1
            for unit in record_units(extradata, hevc=False)[0]:
                self._take_set(unit, {})
        elif extradata:
            for unit in nal_units(extradata):
                self._take_set(unit, {})

    def reset(self) -> None:
        """Forgets the counters, not the parameter sets."""
        self._frame_num: int | None = None  # of the last reference picture
        self._field = 0  # parity of a first field that waits for its second
        self._order = 0  # unwrapped picture order count of the last reference picture
        self._highest = 0  # of all pictures since the last IDR picture
        self._intra_order: int | None = None  # of the last I-picture that is no IDR picture
        self._after_intra = False  # the last reference picture was one
        self._order_step = 0  # its usual step between reference pictures, 0 while unknown
        self._uneven = False  # B-frames or unreferenced pictures lie between reference pictures

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        sets: dict[str, bytes] = {}
        sight: Sight | None = None
        kinds = set()
        recovery: int | None = None
        slices: list[tuple[bytes, Slice, Sps, Pps]] = []
        for unit in nal_units(data, self._length_size):
            kind = unit[0] & 31
            if unit[0] & 0x80:
                raise BitstreamError("NAL unit with its forbidden bit set: the packet is damaged")
            if kind in (_SPS, _PPS):
                self._take_set(unit, sets)
            elif kind == _SEI:
                recovery = recovery_point(rbsp(unit[1:], SET), recovery)
            elif kind in (_SLICE, _PARTITION_A, IDR):
                head, sps, pps = parse_slice(unit, self._sps, self._pps)
                kinds.add(head.kind)
                sight = sight or self._continue(unit, head, sps)
                sight.several_references |= head.active[0] > 1 or head.reordered
                slices.append((unit, head, sps, pps))
        if sight is None:
            return Sight(kind="", sets=sets or None)
        sight.kind = "B" if "B" in kinds else "P" if "P" in kinds else "I"
        sight.sets = sets or None
        sight.coded, sight.pieces = slices, len(slices)
        if sight.kind == "I" and recovery == 0:
            sight.starts = True
        elif recovery is not None and not sight.starts:
            sight.recovers_in = recovery
        return sight

    def ends(self, sight: Sight) -> bool | None:
        """Whether the slices of a picture end where their data end; None where that cannot be said."""
        return self._end.check(sight.coded) if sight.coded else None

    def _take_set(self, unit: bytes, sets: dict[str, bytes]) -> None:
        if unit[0] & 31 == _SPS:
            number, sps = parse_sps(rbsp(unit[1:], SET))
            self._sps[number] = sps
            sets[f"sps {number}"] = sps.essence
        elif unit[0] & 31 == _PPS:
            number, pps = parse_pps(rbsp(unit[1:], SET))
            self._pps[number] = pps
            sets[f"pps {number}"] = unit[1:SET].rstrip(b"\0")

    def _continue(self, unit: bytes, head: Slice, sps: Sps) -> Sight:
        """Checks the picture's counters against the picture before it, and moves them on."""
        idr, reference = unit[0] & 31 == IDR, bool(unit[0] >> 5 & 3)
        wrap = 1 << sps.frame_num_bits
        self._uneven |= head.kind == "B" or not reference
        sight = Sight(
            starts=idr or (head.kind == "I" and sps.references <= 1),
            reference=reference,
            counted=not sps.gaps_allowed,
            wrap=wrap,
            doubtful=head.frame_num in (0, 1) and not idr,  # as after an IDR picture, which may be what is lost
            size=(sps.width, sps.height),
        )
        second_field = bool(head.field and self._field and head.field != self._field)
        if head.first_block:
            sight.missing = "first slice of the picture"
        elif idr:
            self._restart_order()
        elif self._frame_num is not None and not second_field and not sps.gaps_allowed:
            expected = (self._frame_num + 1) % wrap
            if head.frame_num != expected:
                sight.missing = f"reference picture: frame_num {head.frame_num} where {expected} was due"
        self._field = 0 if second_field else head.field
        if sps.order_type == 0:
            order = self._order + _nearest(head.order - self._order, sps.order_bits)
            sight.earlier = order < self._highest
            self._highest = max(order, self._highest)
            sight.leads = self._intra_order is not None and order < self._intra_order
            if head.kind == "I" and not idr:
                self._intra_order = order
        else:
            sight.earlier = head.kind == "B" and sps.order_type == 1
            sight.leads = sight.earlier and self._after_intra
        self._after_intra = (head.kind == "I" and not idr) or (self._after_intra and not reference)
        if not idr and sps.order_type == 0 and reference and not second_field:
            self._check_order(head, sps, sight)
        if reference:
            self._frame_num = 0 if head.restarts else head.frame_num
            if head.restarts:
                self._restart_order()
        return sight

    def _restart_order(self) -> None:
        self._order, self._order_step, self._highest, self._intra_order = 0, 0, 0, None

    def _check_order(self, head: Slice, sps: Sps, sight: Sight) -> None:
        # 8.2.1.1: the most significant part is the one that brings the picture nearest to the previous reference
        # picture.
        step = _nearest(head.order - self._order, sps.order_bits)
        self._order += step
        if self._uneven or head.field:
            return
        # The first B-frames of a stream move the order on in the same way; time decides.
        sight.doubtful |= self._order_step not in (0, step)
        self._order_step = self._order_step or step


def _nearest(step: int, bits: int) -> int:
    """A step between counts of so many bits: the nearest of those that look alike."""
    half = 1 << (bits - 1)
    return (step + half) % (2 * half) - half
