"""HEVC: the heads of slice segments, as far as the reading of coding units needs them (ITU-T H.265, 7.3.6)."""

from __future__ import annotations

from dataclasses import dataclass

from halsie_ros.video.codecs.bits import BitReader, BitstreamError, MissingSetsError, rbsp
from halsie_ros.video.codecs.hevc.headers import Pps, Sps, bounded, ref_set

_HEAD = 1024  # bytes of a slice segment that surely hold its header
_IDR = (19, 20)
_FIRST_IRAP, _LAST_IRAP = 16, 23


@dataclass(frozen=True)
class Segment:
    """The head of a slice segment (7.3.6.1); `data_at` is the byte of the RBSP after it, NAL header not counted."""

    address: int
    dependent: bool
    kind: str
    table: int  # initType: 0 to 2
    qp: int
    offsets: tuple[bool, bool]
    active: tuple[int, int]
    zero_l1: bool
    candidates: int
    data_at: int


def parse_segment(
    unit: bytes, all_sps: dict[int, Sps], all_pps: dict[int, Pps], before: Segment | None
) -> tuple[Segment, Sps, Pps]:
    """The head of a slice segment NAL unit (its two header bytes included), and its parameter sets.

    Args:
        before: the segment before in the picture, from which a dependent one takes its fields.

    Raises:
        BitstreamError: a parameter set that it names has not been seen, or a field is out of range.
    """
    nal = unit[0] >> 1 & 63
    head = rbsp(unit[2:], _HEAD)
    bits = BitReader(head)
    first = bits.flag()
    if _FIRST_IRAP <= nal <= _LAST_IRAP:
        bits.flag()
    pps = all_pps.get(bits.ue())
    sps = all_sps.get(pps.sps) if pps else None
    if pps is None or sps is None:
        raise MissingSetsError("slice names a parameter set that has not come: wait for the next I-frame with its sets")
    address, dependent = 0, False
    if not first:
        dependent = pps.dependent and bits.flag()
        blocks = -(-sps.coded_width >> sps.tree_log2) * -(-sps.coded_height >> sps.tree_log2)
        address = bounded(bits.bits((blocks - 1).bit_length()), blocks - 1, "slice_segment_address")
    if dependent:
        if before is None:
            raise BitstreamError("a dependent slice segment comes first: the one before it is missing")
        kind, table, qp, offsets = before.kind, before.table, before.qp, before.offsets
        active, zero_l1, candidates = before.active, before.zero_l1, before.candidates
    else:
        bits.bits(pps.extra_bits)
        kind = "BPI"[bounded(bits.ue(), 2, "slice_type")]
        bits.bits(int(pps.output_flag) + 2 * int(sps.separate_planes))
        used, temporal = 0, False
        if nal not in _IDR:
            used, temporal = _skip_references(bits, sps)
        chroma = sps.chroma_format != 0 and not sps.separate_planes
        offsets = (bits.flag(), chroma and bits.flag()) if sps.offsets else (False, False)
        active, zero_l1, table, candidates = (0, 0), False, 0, 0
        if kind != "I":
            active = pps.active[0], pps.active[1] if kind == "B" else 0
            if bits.flag():
                active = (
                    bounded(bits.ue(), 14, "num_ref_idx_l0") + 1,
                    bounded(bits.ue(), 14, "num_ref_idx_l1") + 1 if kind == "B" else 0,
                )
            if pps.lists_change and used > 1:
                for count in active if kind == "B" else active[:1]:
                    bits.bits(count * (used - 1).bit_length() if bits.flag() else 0)
            zero_l1 = kind == "B" and bits.flag()
            swapped = pps.table_flag and bits.flag()
            table = (2 if swapped else 1) if kind == "P" else (1 if swapped else 2)
            if temporal:
                from_first = kind == "P" or bits.flag()
                if active[0 if from_first else 1] > 1:
                    bits.ue()
            if (pps.weighted and kind == "P") or (pps.weighted_b and kind == "B"):
                _skip_weights(bits, active, chroma)
            candidates = 5 - bounded(bits.ue(), 4, "five_minus_max_num_merge_cand")
        qp = pps.qp + bits.se()
        if pps.chroma_qp:
            bits.se()
            bits.se()
        off = pps.deblocking_off
        if pps.deblocking_override and bits.flag():
            off = bits.flag()
            if not off:
                bits.se()
                bits.se()
        if pps.across_slices and (any(offsets) or not off):
            bits.flag()
    if pps.tiles or pps.synchronized:
        count = bounded(bits.ue(), 440 * 440, "num_entry_point_offsets")
        if count:
            bits.bits(count * (bounded(bits.ue(), 31, "offset_len_minus1") + 1))
    if pps.extension:
        bits.bits(8 * bounded(bits.ue(), 256, "slice_segment_header_extension_length"))
    if not bits.flag():
        raise BitstreamError("slice segment header does not end with its alignment bit: the packet is damaged")
    return (
        Segment(
            address, dependent, kind, table, qp, offsets, active, zero_l1, candidates, len(head) - bits.left // 8
        ),
        sps,
        pps,
    )  # fmt: skip


def order_of(unit: bytes, all_sps: dict[int, Sps], all_pps: dict[int, Pps]) -> int | None:
    """Least significant bits of the picture order count of a slice segment; None for a dependent one.

    Raises:
        BitstreamError: as `parse_segment`.
    """
    nal = unit[0] >> 1 & 63
    bits = BitReader(rbsp(unit[2:], 32))
    first = bits.flag()
    if _FIRST_IRAP <= nal <= _LAST_IRAP:
        bits.flag()
    pps = all_pps.get(bits.ue())
    sps = all_sps.get(pps.sps) if pps else None
    if pps is None or sps is None:
        raise MissingSetsError("slice names a parameter set that has not come: wait for the next I-frame with its sets")
    if not first:
        dependent = pps.dependent and bits.flag()
        blocks = -(-sps.coded_width >> sps.tree_log2) * -(-sps.coded_height >> sps.tree_log2)
        bits.bits((blocks - 1).bit_length())
        if dependent:
            return None
    if nal in _IDR:
        return 0
    bits.bits(pps.extra_bits)
    bits.ue()
    bits.bits(int(pps.output_flag) + 2 * int(sps.separate_planes))
    return bits.bits(sps.order_bits)


def _skip_references(bits: BitReader, sps: Sps) -> tuple[int, bool]:
    """Picture order count and reference picture sets; gives the number of pictures used and whether motion is too."""
    bits.bits(sps.order_bits)
    if not bits.flag():
        chosen = ref_set(bits, len(sps.ref_sets), sps.ref_sets, in_slice=True)
    else:
        index = bits.bits((len(sps.ref_sets) - 1).bit_length()) if sps.ref_sets else 0
        if index >= len(sps.ref_sets):
            raise BitstreamError(f"slice names reference picture set {index} of {len(sps.ref_sets)}: it is damaged")
        chosen = sps.ref_sets[index]
    used = sum(flag for part in chosen for _, flag in part)
    if sps.long_term is not None:
        known = bounded(bits.ue(), 32, "num_long_term_sps") if sps.long_term else 0
        for index in range(known + bounded(bits.ue(), 32, "num_long_term_pics")):
            if index < known:
                which = bits.bits((len(sps.long_term) - 1).bit_length())
                used += which < len(sps.long_term) and sps.long_term[which]
            else:
                bits.bits(sps.order_bits)
                used += bits.flag()
            if bits.flag():
                bits.ue()
    return used, sps.temporal and bits.flag()


def _skip_weights(bits: BitReader, active: tuple[int, int], chroma: bool) -> None:
    bits.ue()
    if chroma:
        bits.se()
    for count in active:
        lumas = [bits.flag() for _ in range(count)]
        chromas = [chroma and bits.flag() for _ in range(count)]
        for has_luma, has_chroma in zip(lumas, chromas):
            for _ in range(2 * has_luma + 4 * has_chroma):
                bits.se()
