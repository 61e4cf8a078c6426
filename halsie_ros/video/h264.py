"""H.264: parameter sets and slice headers (ITU-T H.264, 7.3), and the picture sequence they tell.

Two counters show a loss without any help from the transport: frame_num (7.4.3: one up per reference picture) and the
picture order count (8.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from halsie_ros.video.bits import BitReader, BitstreamError, nal_units, rbsp
from halsie_ros.video.sequence import Sight

_SLICE, _PARTITION_A, _IDR, _SEI, _SPS, _PPS = 1, 2, 5, 6, 7, 8
_HEAD = 96  # bytes of a slice that surely hold its header
_CHROMA_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)


@dataclass(frozen=True)
class Sps:
    """The fields of a sequence parameter set that slice headers and limits need (7.3.2.1.1)."""

    width: int
    height: int
    separate_planes: bool
    chroma: bool
    frame_num_bits: int
    order_type: int
    order_bits: int
    delta_always_zero: bool
    references: int
    gaps_allowed: bool
    frames_only: bool


@dataclass(frozen=True)
class Pps:
    """The fields of a picture parameter set that slice headers need (7.3.2.2)."""

    sps: int
    cabac: bool
    order_present: bool
    active: tuple[int, int]
    weighted: bool
    weighted_b: int
    redundant: bool


@dataclass(frozen=True)
class Slice:
    """The head of a slice (7.3.3), up to the reference picture marking.

    `active` counts the pictures of list 0 that its blocks may refer to; `restarts` says that frame_num starts again
    after it (memory management operation 5).
    """

    first_block: int
    kind: str
    frame_num: int
    field: int
    order: int
    active: int
    reordered: bool
    restarts: bool


def parse_sps(data: bytes) -> tuple[int, Sps]:
    """Id and fields of a sequence parameter set, from its RBSP after the NAL header."""
    bits = BitReader(data)
    profile = bits.bits(8)
    bits.bits(16)
    number = _bounded(bits.ue(), 31, "sequence parameter set id")
    chroma_format, separate = 1, False
    if profile in _CHROMA_PROFILES:
        chroma_format = _bounded(bits.ue(), 3, "chroma_format_idc")
        separate = chroma_format == 3 and bits.flag()
        bits.ue()
        bits.ue()
        bits.flag()
        if bits.flag():
            for index in range(8 if chroma_format != 3 else 12):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_num_bits = _bounded(bits.ue(), 12, "log2_max_frame_num_minus4") + 4
    order_type = _bounded(bits.ue(), 2, "pic_order_cnt_type")
    order_bits, always_zero = 0, False
    if order_type == 0:
        order_bits = _bounded(bits.ue(), 12, "log2_max_pic_order_cnt_lsb_minus4") + 4
    elif order_type == 1:
        always_zero = bits.flag()
        bits.se()
        bits.se()
        for _ in range(_bounded(bits.ue(), 255, "num_ref_frames_in_pic_order_cnt_cycle")):
            bits.se()
    references = _bounded(bits.ue(), 16, "max_num_ref_frames")
    gaps = bits.flag()
    columns, rows = bits.ue() + 1, bits.ue() + 1
    frames_only = bits.flag()
    if not frames_only:
        bits.flag()
        rows *= 2
    bits.flag()
    width, height = columns * 16, rows * 16
    if bits.flag():
        step_x = 2 if chroma_format in (1, 2) else 1
        step_y = (2 if chroma_format == 1 else 1) * (1 if frames_only else 2)
        left, right, top, bottom = (bits.ue() for _ in range(4))
        width, height = width - step_x * (left + right), height - step_y * (top + bottom)
    return number, Sps(
        width, height, separate, chroma_format != 0 and not separate, frame_num_bits, order_type, order_bits,
        always_zero, references, gaps, frames_only,
    )  # fmt: skip


def parse_pps(data: bytes) -> tuple[int, Pps]:
    """Id and fields of a picture parameter set, from its RBSP after the NAL header."""
    bits = BitReader(data)
    number = _bounded(bits.ue(), 255, "picture parameter set id")
    sps = _bounded(bits.ue(), 31, "sequence parameter set id")
    cabac, order_present = bits.flag(), bits.flag()
    if bits.ue():
        raise BitstreamError("picture parameter set uses slice groups, which FFmpeg cannot decode: encode without FMO")
    active = _bounded(bits.ue(), 31, "num_ref_idx_l0") + 1, _bounded(bits.ue(), 31, "num_ref_idx_l1") + 1
    weighted, weighted_b = bits.flag(), bits.bits(2)
    for _ in range(3):
        bits.se()
    bits.bits(2)
    return number, Pps(sps, cabac, order_present, active, weighted, weighted_b, bits.flag())


def parse_slice(unit: bytes, all_sps: dict[int, Sps], all_pps: dict[int, Pps]) -> tuple[Slice, Sps]:
    """The head of a slice NAL unit (its header byte included).

    Raises:
        BitstreamError: a parameter set that it names has not been seen, or a field is out of range.
    """
    idr, reference = unit[0] & 31 == _IDR, unit[0] >> 5 & 3
    bits = BitReader(rbsp(unit[1:], _HEAD))
    first = bits.ue()
    slice_type = _bounded(bits.ue(), 9, "slice_type") % 5
    pps = all_pps.get(bits.ue())
    sps = all_sps.get(pps.sps) if pps else None
    if pps is None or sps is None:
        raise BitstreamError(
            "slice names a parameter set that has not come: wait for the next I-frame with SPS and PPS"
        )
    if sps.separate_planes:
        bits.bits(2)
    frame_num = bits.bits(sps.frame_num_bits)
    field = 0
    if not sps.frames_only and bits.flag():
        field = 1 + bits.bits(1)
    if idr:
        bits.ue()
    order = 0
    if sps.order_type == 0:
        order = bits.bits(sps.order_bits)
        if pps.order_present and not field:
            bits.se()
    elif sps.order_type == 1 and not sps.delta_always_zero:
        bits.se()
        if pps.order_present and not field:
            bits.se()
    if pps.redundant:
        bits.ue()
    kind = "PBIPI"[slice_type]
    active = (0, 0) if kind == "I" else pps.active
    if kind == "B":
        bits.flag()
    if kind != "I" and bits.flag():
        active = _bounded(bits.ue(), 31, "num_ref_idx_l0") + 1, bits.ue() + 1 if kind == "B" else 1
    reordered = _skip_reordering(bits, kind)
    if (pps.weighted and kind == "P") or (pps.weighted_b == 1 and kind == "B"):
        _skip_weights(bits, active[0], active[1] if kind == "B" else 0, sps.chroma)
    restarts = bool(reference) and not idr and _marking_restarts(bits)
    return Slice(first, kind, frame_num, field, order, active[0], reordered, restarts), sps


class H264Reader:
    """Follows frame_num and picture order count over the packets of one stream."""

    def __init__(self, extradata: bytes = b"") -> None:
        """`extradata`: avcC (length-prefixed packets) or Annex B parameter sets; empty for a live stream."""
        self._sps: dict[int, Sps] = {}
        self._pps: dict[int, Pps] = {}
        self._length_size = 0
        self.reset()
        if extradata[:1] == b"\1" and len(extradata) > 6:
            self._length_size = (extradata[4] & 3) + 1
            for unit in _avcc_units(extradata):
                self._take_set(unit, {})
        elif extradata:
            for unit in nal_units(extradata):
                self._take_set(unit, {})

    def reset(self) -> None:
        """Forgets the counters, not the parameter sets."""
        self._frame_num: int | None = None  # of the last reference picture
        self._field = 0  # parity of a first field that waits for its second
        self._order = 0  # unwrapped picture order count of the last reference picture
        self._order_step = 0  # its usual step between reference pictures, 0 while unknown
        self._uneven = False  # B-frames or unreferenced pictures lie between reference pictures

    def read(self, data: bytes) -> Sight:
        """What one packet says; raises BitstreamError when its headers cannot be read."""
        sets: dict[str, bytes] = {}
        sight: Sight | None = None
        kinds = set()
        recovery: int | None = None
        for unit in nal_units(data, self._length_size):
            kind = unit[0] & 31
            if unit[0] & 0x80:
                raise BitstreamError("NAL unit with its forbidden bit set: the packet is damaged")
            if kind in (_SPS, _PPS):
                self._take_set(unit, sets)
            elif kind == _SEI:
                recovery = _recovery_point(rbsp(unit[1:]), recovery)
            elif kind in (_SLICE, _PARTITION_A, _IDR):
                head, sps = parse_slice(unit, self._sps, self._pps)
                kinds.add(head.kind)
                sight = sight or self._continue(unit, head, sps)
                sight.several_references |= head.active > 1 or head.reordered
        if sight is None:
            if not sets:
                raise BitstreamError("packet holds no slice: the picture is missing")
            return Sight(kind="", sets=sets)
        sight.kind = "B" if "B" in kinds else "P" if "P" in kinds else "I"
        sight.sets = sets or None
        if sight.kind == "I" and recovery == 0:
            sight.starts = True
        elif recovery is not None and not sight.starts:
            sight.recovers_in = recovery
        return sight

    def _take_set(self, unit: bytes, sets: dict[str, bytes]) -> None:
        if unit[0] & 31 == _SPS:
            number, sps = parse_sps(rbsp(unit[1:]))
            self._sps[number] = sps
            sets[f"sps {number}"] = unit
        elif unit[0] & 31 == _PPS:
            number, pps = parse_pps(rbsp(unit[1:]))
            self._pps[number] = pps
            sets[f"pps {number}"] = unit

    def _continue(self, unit: bytes, head: Slice, sps: Sps) -> Sight:
        """Checks the picture's counters against the picture before it, and moves them on."""
        idr, reference = unit[0] & 31 == _IDR, bool(unit[0] >> 5 & 3)
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
            self._order, self._order_step = 0, 0
        elif self._frame_num is not None and not second_field and not sps.gaps_allowed:
            expected = (self._frame_num + 1) % wrap
            if head.frame_num != expected:
                sight.missing = f"reference picture: frame_num {head.frame_num} where {expected} was due"
        self._field = 0 if second_field else head.field
        if not idr and sps.order_type == 0 and reference and not second_field:
            self._check_order(head, sps, sight)
        if reference:
            self._frame_num = 0 if head.restarts else head.frame_num
            if head.restarts:
                self._order, self._order_step = 0, 0
        return sight

    def _check_order(self, head: Slice, sps: Sps, sight: Sight) -> None:
        # 8.2.1.1: the most significant part is the one that brings the picture nearest to the previous reference
        # picture.
        half = 1 << (sps.order_bits - 1)
        step = (head.order - self._order + half) % (2 * half) - half
        self._order += step
        if self._uneven or head.field:
            return
        # The first B-frames of a stream move the order on in the same way; time decides.
        sight.doubtful |= self._order_step not in (0, step)
        self._order_step = self._order_step or step


def _bounded(value: int, most: int, name: str) -> int:
    if value > most:
        raise BitstreamError(f"H.264 header: {name} is {value}, at most {most} is allowed: the packet is damaged")
    return value


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_reordering(bits: BitReader, kind: str) -> bool:
    reordered = False
    for _ in range({"I": 0, "P": 1, "B": 2}[kind]):
        if bits.flag():
            reordered = True
            for _ in range(66):
                if bits.ue() == 3:
                    break
                bits.ue()
    return reordered


def _skip_weights(bits: BitReader, first: int, second: int, chroma: bool) -> None:
    bits.ue()
    if chroma:
        bits.ue()
    for _ in range(first + second):
        if bits.flag():
            bits.se()
            bits.se()
        if chroma and bits.flag():
            for _ in range(4):
                bits.se()


def _marking_restarts(bits: BitReader) -> bool:
    """Whether adaptive reference picture marking (7.3.3.3) holds operation 5."""
    if not bits.flag():
        return False
    restarts = False
    for _ in range(66):
        operation = _bounded(bits.ue(), 6, "memory_management_control_operation")
        if operation == 0:
            break
        restarts |= operation == 5
        for _ in range({1: 1, 2: 1, 3: 2, 4: 1, 5: 0, 6: 1}[operation]):
            bits.ue()
    return restarts


def _recovery_point(payload: bytes, known: int | None) -> int | None:
    """recovery_frame_cnt of a recovery point message (annex D.1.8), else what was known."""
    at = 0
    while at + 2 <= len(payload) and payload[at:] != b"\x80":
        kind = size = 0
        while at < len(payload) and payload[at] == 255:
            kind, at = kind + 255, at + 1
        if at + 1 >= len(payload):
            break
        kind, at = kind + payload[at], at + 1
        while at < len(payload) and payload[at] == 255:
            size, at = size + 255, at + 1
        if at >= len(payload):
            break
        size, at = size + payload[at], at + 1
        if kind == 6:
            return BitReader(payload[at : at + size]).ue()
        at += size
    return known


def _avcc_units(extradata: bytes) -> list[bytes]:
    """Parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
    units, at = [], 5
    for mask in (31, 255):
        if at >= len(extradata):
            break
        count, at = extradata[at] & mask, at + 1
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            units.append(extradata[at + 2 : at + 2 + length])
            at += 2 + length
    return [unit for unit in units if unit]
