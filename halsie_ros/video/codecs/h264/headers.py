"""H.264: the fields of parameter sets and slice headers that are needed here (ITU-T H.264, 7.3)."""

from __future__ import annotations

from dataclasses import dataclass

from halsie_ros.video.codecs.bits import BitReader, BitstreamError, MissingSetsError, rbsp

IDR = 5
_MOST_SIDE = 1054  # macroblocks less one: level 6.2, annex A.3.1
_HEAD = 224  # bytes of a slice that surely hold its header
_CHROMA_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)


@dataclass(frozen=True)
class Sps:
    """The fields of a sequence parameter set that slice headers and limits need (7.3.2.1.1)."""

    width: int
    height: int
    columns: int  # of macroblocks
    rows: int
    chroma_format: int
    separate_planes: bool
    frame_num_bits: int
    order_type: int
    order_bits: int
    delta_always_zero: bool
    references: int
    gaps_allowed: bool
    frames_only: bool
    mixes_fields: bool
    infers_direct: bool
    essence: bytes = b""  # all that decoding depends on

    @property
    def chroma(self) -> bool:
        """Chroma is coded along with luma."""
        return self.chroma_format != 0 and not self.separate_planes


@dataclass(frozen=True)
class Pps:
    """The fields of a picture parameter set that slice headers need (7.3.2.2)."""

    sps: int
    cabac: bool
    order_present: bool
    active: tuple[int, int]
    weighted: bool
    weighted_b: int
    qp: int
    deblocking: bool
    redundant: bool
    large: bool  # 8 x 8 transforms may occur


@dataclass(frozen=True)
class Slice:
    """The head of a slice (7.3.3).

    Attributes:
        first_block: number of its first macroblock.
        kind: "I", "P" or "B".
        frame_num, order: the two counters.
        field: 0 for a frame, 1 for a top, 2 for a bottom field.
        redundant: a second coding of what came already.
        active: pictures that its blocks may refer to, per list.
        reordered: the reference lists are not in their usual order.
        restarts: frame_num starts again after it (memory management operation 5).
        table: of start values for arithmetic coding, 0 to 3.
        qp: where quantization starts.
        data_at: byte of the RBSP, after the NAL header, where arithmetic-coded macroblocks start.
    """

    first_block: int
    kind: str
    frame_num: int
    field: int
    order: int
    redundant: bool
    active: tuple[int, int]
    reordered: bool
    restarts: bool
    table: int
    qp: int
    data_at: int


def parse_sps(data: bytes) -> tuple[int, Sps]:
    """Id and fields of a sequence parameter set, from its RBSP after the NAL header."""
    bits = BitReader(data)
    profile = bits.bits(8)
    bits.bits(16)
    number = _bounded(bits.ue(), 31, "sequence parameter set id")
    left = bits.left
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
    columns = _bounded(bits.ue(), _MOST_SIDE, "pic_width_in_mbs_minus1") + 1
    rows = _bounded(bits.ue(), _MOST_SIDE, "pic_height_in_map_units_minus1") + 1
    frames_only = bits.flag()
    mixes_fields = not frames_only and bits.flag()
    rows *= 1 if frames_only else 2
    infers_direct = bits.flag()
    width, height = columns * 16, rows * 16
    if bits.flag():
        step_x = 2 if chroma_format in (1, 2) else 1
        step_y = (2 if chroma_format == 1 else 1) * (1 if frames_only else 2)
        lost_left, lost_right, top, bottom = (bits.ue() for _ in range(4))
        width, height = width - step_x * (lost_left + lost_right), height - step_y * (top + bottom)
    return number, Sps(
        width, height, columns, rows, chroma_format, separate, frame_num_bits, order_type, order_bits, always_zero,
        references, gaps, frames_only, mixes_fields, infers_direct,
        bits.since(left) + bytes([profile in _CHROMA_PROFILES]),
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
    qp = 26 + bits.se()
    bits.se()
    bits.se()
    deblocking, _, redundant = bits.flag(), bits.flag(), bits.flag()
    # more_rbsp_data (7.2): something is left before the stop bit
    large = bits.left > 1 + bits.trailing_zeros() and bits.flag()
    return number, Pps(sps, cabac, order_present, active, weighted, weighted_b, qp, deblocking, redundant, large)


def parse_slice(unit: bytes, all_sps: dict[int, Sps], all_pps: dict[int, Pps]) -> tuple[Slice, Sps, Pps]:
    """The head of a slice NAL unit (its header byte included), and its parameter sets.

    Raises:
        BitstreamError: a parameter set that it names has not been seen, or a field is out of range.
    """
    idr, reference = unit[0] & 31 == IDR, unit[0] >> 5 & 3
    head = rbsp(unit[1:], _HEAD)
    bits = BitReader(head)
    first = bits.ue()
    slice_type = _bounded(bits.ue(), 9, "slice_type") % 5
    pps = all_pps.get(bits.ue())
    sps = all_sps.get(pps.sps) if pps else None
    if pps is None or sps is None:
        raise MissingSetsError(
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
    redundant = pps.redundant and bits.ue() > 0
    kind = "PBIPI"[slice_type]
    active = (0, 0) if kind == "I" else (pps.active[0], pps.active[1] if kind == "B" else 0)
    if kind == "B":
        bits.flag()
    if kind != "I" and bits.flag():
        active = (
            _bounded(bits.ue(), 31, "num_ref_idx_l0") + 1,
            _bounded(bits.ue(), 31, "num_ref_idx_l1") + 1 if kind == "B" else 0,
        )
    reordered = _skip_reordering(bits, kind)
    if (pps.weighted and kind == "P") or (pps.weighted_b == 1 and kind == "B"):
        _skip_weights(bits, *active, sps.chroma)
    restarts = False
    if reference and idr:
        bits.bits(2)
    elif reference:
        restarts = _marking_restarts(bits)
    table = 1 + _bounded(bits.ue(), 2, "cabac_init_idc") if pps.cabac and kind != "I" else 0
    qp = pps.qp + bits.se()
    if slice_type > 2:  # SP and SI
        bits.bits(int(slice_type == 3))
        bits.se()
    if pps.deblocking and bits.ue() != 1:
        bits.se()
        bits.se()
    data_at = len(head) - bits.left // 8
    return (
        Slice(first, kind, frame_num, field, order, redundant, active, reordered, restarts, table, qp, data_at),
        sps,
        pps,
    )


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


def recovery_point(payload: bytes, known: int | None) -> int | None:
    """recovery_frame_cnt of a recovery point message (annex D.1.8), else what was known."""
    at = 0
    while at + 2 <= len(payload):
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
