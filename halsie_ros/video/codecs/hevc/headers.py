"""HEVC: parameter sets and slice segment headers, as far as the reading of coding units needs them.

Section numbers are ITU-T H.265's. Extensions are not read: streams that use those of its version 2 are of an unknown
kind here.
"""

from __future__ import annotations

from dataclasses import dataclass

from halsie_ros.video.codecs.bits import BitReader, BitstreamError

_MOST_SIDE = 16888  # samples: level 6.2, annex A.4.1
# A reference picture set: (distance in picture order count, used by this picture), earlier pictures, then later ones.
RefSet = tuple[list[tuple[int, bool]], list[tuple[int, bool]]]


@dataclass(frozen=True)
class Sps:
    """The fields of a sequence parameter set (7.3.2.2.1). Sizes ending in _log2 are logarithms of pixels."""

    width: int
    height: int
    coded_width: int
    coded_height: int
    chroma_format: int
    separate_planes: bool
    depths: tuple[int, int]
    order_bits: int
    min_block_log2: int
    tree_log2: int
    min_transform_log2: int
    max_transform_log2: int
    depth_inter: int
    depth_intra: int
    asymmetric: bool
    offsets: bool
    pcm: tuple[int, int, int, int] | None  # bits of luma and chroma, smallest and largest block
    ref_sets: list[RefSet]
    long_term: list[bool] | None
    temporal: bool
    essence: bytes = b""  # all that decoding depends on


@dataclass(frozen=True)
class Pps:
    """The fields of a picture parameter set (7.3.2.3.1)."""

    sps: int
    dependent: bool
    output_flag: bool
    extra_bits: int
    hides_signs: bool
    table_flag: bool
    active: tuple[int, int]
    qp: int
    transform_skip: bool
    qp_depth: int  # -1: no quantizer changes within a slice
    chroma_qp: bool
    weighted: bool
    weighted_b: bool
    bypass: bool
    tiles: bool
    synchronized: bool
    across_slices: bool
    deblocking_override: bool
    deblocking_off: bool
    lists_change: bool
    extension: bool


def parse_sps(data: bytes) -> tuple[int, Sps]:
    """Id and fields of a sequence parameter set, from its RBSP after the NAL header."""
    bits = BitReader(data)
    bits.bits(4)
    layers = bits.bits(3)
    bits.bits(1 + 88 + 8)  # nesting flag; general profile, constraint flags and level
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.bits(2 * (8 - layers))
    for profile, level in present:
        bits.bits(88 * profile + 8 * level)
    number, left = bits.ue(), bits.left
    chroma_format = bounded(bits.ue(), 3, "chroma_format_idc")
    separate = chroma_format == 3 and bits.flag()
    coded_width = bounded(bits.ue(), _MOST_SIDE, "pic_width_in_luma_samples")
    coded_height = bounded(bits.ue(), _MOST_SIDE, "pic_height_in_luma_samples")
    width, height = coded_width, coded_height
    if bits.flag():
        step_x, step_y = 2 if chroma_format in (1, 2) else 1, 2 if chroma_format == 1 else 1
        lost_left, lost_right, top, bottom = (bits.ue() for _ in range(4))
        width, height = width - step_x * (lost_left + lost_right), height - step_y * (top + bottom)
    depths = bounded(bits.ue(), 8, "bit_depth_luma") + 8, bounded(bits.ue(), 8, "bit_depth_chroma") + 8
    order_bits = bounded(bits.ue(), 12, "log2_max_pic_order_cnt_lsb") + 4
    for _ in range(layers + 1 if bits.flag() else 1):
        for _ in range(3):
            bits.ue()
    min_block = bounded(bits.ue(), 3, "log2_min_luma_coding_block_size") + 3
    tree = bounded(min_block + bits.ue(), 6, "CtbLog2SizeY")
    min_transform = bounded(bits.ue(), 3, "log2_min_luma_transform_block_size") + 2
    max_transform = bounded(min_transform + bits.ue(), 5, "MaxTbLog2SizeY")
    depth_inter = bounded(bits.ue(), 4, "max_transform_hierarchy_depth_inter")
    depth_intra = bounded(bits.ue(), 4, "max_transform_hierarchy_depth_intra")
    if bits.flag() and bits.flag():
        _skip_scaling_lists(bits)
    asymmetric, offsets = bits.flag(), bits.flag()
    pcm = None
    if bits.flag():
        luma, chroma = bits.bits(4) + 1, bits.bits(4) + 1
        smallest = bounded(bits.ue(), 2, "log2_min_pcm_luma_coding_block_size") + 3
        pcm = luma, chroma, smallest, smallest + bits.ue()
        bits.flag()
    ref_sets: list[RefSet] = []
    count = bounded(bits.ue(), 64, "num_short_term_ref_pic_sets")
    for index in range(count):
        ref_sets.append(ref_set(bits, index, ref_sets, in_slice=False))
    long_term: list[bool] | None = None
    if bits.flag():
        long_term = []
        for _ in range(bounded(bits.ue(), 32, "num_long_term_ref_pics_sps")):
            bits.bits(order_bits)
            long_term.append(bits.flag())
    temporal = bits.flag()
    bits.flag()
    return number, Sps(
        width, height, coded_width, coded_height, chroma_format, separate, depths, order_bits, min_block, tree,
        min_transform, max_transform, depth_inter, depth_intra, asymmetric, offsets, pcm, ref_sets, long_term,
        temporal, bits.since(left),
    )  # fmt: skip


def parse_pps(data: bytes) -> tuple[int, Pps]:
    """Id and fields of a picture parameter set, from its RBSP after the NAL header."""
    bits = BitReader(data)
    number = bounded(bits.ue(), 63, "picture parameter set id")
    sps = bounded(bits.ue(), 15, "sequence parameter set id")
    dependent, output_flag, extra_bits = bits.flag(), bits.flag(), bits.bits(3)
    hides_signs, table_flag = bits.flag(), bits.flag()
    active = bounded(bits.ue(), 14, "num_ref_idx_l0") + 1, bounded(bits.ue(), 14, "num_ref_idx_l1") + 1
    qp = 26 + bits.se()
    bits.flag()
    transform_skip = bits.flag()
    qp_depth = bounded(bits.ue(), 3, "diff_cu_qp_delta_depth") if bits.flag() else -1
    bits.se()
    bits.se()
    chroma_qp, weighted, weighted_b, bypass = bits.flag(), bits.flag(), bits.flag(), bits.flag()
    tiles, synchronized = bits.flag(), bits.flag()
    if tiles:
        columns, rows = bounded(bits.ue(), 63, "tile columns"), bounded(bits.ue(), 63, "tile rows")
        for _ in range(0 if bits.flag() else columns + rows):
            bits.ue()
        bits.flag()
    across_slices = bits.flag()
    override, off = False, False
    if bits.flag():
        override, off = bits.flag(), bits.flag()
        if not off:
            bits.se()
            bits.se()
    if bits.flag():
        _skip_scaling_lists(bits)
    lists_change = bits.flag()
    bits.ue()
    return number, Pps(
        sps, dependent, output_flag, extra_bits, hides_signs, table_flag, active, qp, transform_skip, qp_depth,
        chroma_qp, weighted, weighted_b, bypass, tiles, synchronized, across_slices, override, off, lists_change,
        bits.flag(),
    )  # fmt: skip


def ref_set(bits: BitReader, index: int, known: list[RefSet], *, in_slice: bool) -> RefSet:
    """A short-term reference picture set (7.3.7, 7.4.8)."""
    if not (index and bits.flag()):
        earlier, later = bounded(bits.ue(), 16, "num_negative_pics"), bounded(bits.ue(), 16, "num_positive_pics")
        parts: RefSet = ([], [])
        for part, count, sign in ((parts[0], earlier, -1), (parts[1], later, 1)):
            distance = 0
            for _ in range(count):
                distance += sign * (bits.ue() + 1)
                part.append((distance, bits.flag()))
        return parts
    back = bits.ue() + 1 if in_slice else 1
    if back > index:
        raise BitstreamError(f"reference picture set {index} is predicted from {back} sets before: it is damaged")
    negative = bits.flag()
    shift = (bits.ue() + 1) * (-1 if negative else 1)
    before, after = known[index - back]
    old = [*before, *after, (0, False)]
    new = []
    for distance, _ in old:
        used = bits.flag()
        if used or bits.flag():
            new.append((distance + shift, used))
    return (
        sorted((entry for entry in new if entry[0] < 0), reverse=True),
        sorted(entry for entry in new if entry[0] > 0),
    )


def _skip_scaling_lists(bits: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.flag():
                bits.ue()
                continue
            for _ in range(min(64, 16 << 2 * size) + (size > 1)):
                bits.se()


def bounded(value: int, most: int, name: str) -> int:
    """The value itself; raises BitstreamError where it is above `most`."""
    if value > most:
        raise BitstreamError(f"HEVC header: {name} is {value}, at most {most} is allowed: the packet is damaged")
    return value
