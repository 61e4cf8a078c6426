"""HEVC: where the contexts of arithmetic coding start (ITU-T H.265, tables 9-5 to 9-37), and scans (6.5.3 to 6.5.5)."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

_N = 154  # the neutral value, also of contexts that a kind of slice has no use for

# Name, start values for initType 0 (I-slices), 1 and 2.
_START: tuple[tuple[str, tuple[list[int], list[int], list[int]]], ...] = (
    ("merges_offsets", ([153], [153], [153])),
    ("offsets_kind", ([200], [185], [160])),
    ("bypass", ([_N], [_N], [_N])),
    ("split", ([139, 141, 157], [107, 139, 126], [107, 139, 126])),
    ("skip", ([_N, _N, _N], [197, 185, 201], [197, 185, 201])),
    ("mode", ([_N], [149], [134])),
    ("parts", ([184, _N, _N, _N], [154, 139, _N, _N], [154, 139, _N, _N])),
    ("intra_luma", ([184], [154], [183])),
    ("intra_chroma", ([63], [152], [152])),
    ("merge", ([_N], [110], [154])),
    ("merge_index", ([_N], [122], [137])),
    ("direction", ([_N] * 5, [95, 79, 63, 31, 31], [95, 79, 63, 31, 31])),
    ("reference", ([_N, _N], [153, 153], [153, 153])),
    ("difference", ([_N, _N], [140, 198], [169, 198])),
    ("predictor", ([_N], [168], [168])),
    ("has_residual", ([_N], [79], [79])),
    ("split_transform", ([153, 138, 138], [124, 138, 94], [224, 167, 122])),
    ("coded_luma", ([111, 141], [153, 111], [153, 111])),
    ("coded_chroma", ([94, 138, 182, 154, 154], [149, 107, 167, 154, 154], [149, 92, 167, 154, 154])),
    ("qp", ([154, 154], [154, 154], [154, 154])),
    ("transform_skip", ([139, 139], [139, 139], [139, 139])),
    ("last_x", (
        [110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63],
        [125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108],
        [125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93],
    )),
    ("last_y", (
        [110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63],
        [125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108],
        [125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93],
    )),
    ("group", ([91, 171, 134, 141], [121, 140, 61, 154], [121, 140, 61, 154])),
    ("significant", (
        [
            111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125,
            107, 125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111,
        ],
        [
            155, 154, 139, 153, 139, 123, 123, 63, 153, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154,
            166, 183, 140, 136, 153, 154, 170, 153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140,
        ],
        [
            170, 154, 139, 153, 139, 123, 123, 63, 124, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154,
            166, 183, 140, 136, 153, 154, 170, 153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140,
        ],
    )),
    ("above_one", (
        [
            140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227,
            122, 197,
        ],
        [
            154, 196, 196, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 137, 169, 194, 166, 167, 154,
            167, 137, 182,
        ],
        [
            154, 196, 167, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 122, 169, 208, 166, 167, 154,
            152, 167, 182,
        ],
    )),
    ("above_two", ([138, 153, 136, 167, 152, 152], [107, 167, 91, 122, 107, 167], [107, 167, 91, 107, 107, 167])),
)  # fmt: skip

START = np.array([[value for _name, kinds in _START for value in kinds[kind]] for kind in range(3)], np.uint8)
AT = dict(
    zip((name for name, _kinds in _START), accumulate((len(kinds[0]) for _name, kinds in _START), initial=0))
)  # fmt: skip


def contexts_at(table: int, qp: int) -> np.ndarray:
    """The contexts `(N,) uint8` at the start of a slice (9.3.2.2)."""
    value = START[table].astype(np.int32)
    slope, offset = (value >> 4) * 5 - 45, ((value & 15) << 3) - 16
    state = np.clip((slope * min(max(qp, 0), 51) >> 4) + offset, 1, 126)
    result: np.ndarray = np.where(state < 64, 2 * (63 - state), 2 * (state - 64) + 1).astype(np.uint8)
    return result


def _scan(size: int, order: int) -> list[tuple[int, int]]:
    """Places (x, y) of a square block: 0 up-right diagonals, 1 rows, 2 columns."""
    if order == 1:
        return [(x, y) for y in range(size) for x in range(size)]
    if order == 2:
        return [(x, y) for x in range(size) for y in range(size)]
    return [(x, total - x) for total in range(2 * size - 1) for x in range(size) if 0 <= total - x < size]


def _scans() -> tuple[np.ndarray, np.ndarray]:
    """x, y by [order, log2 of the size, place], and the place by [order, log2 of the size, y * 8 + x]."""
    places, inverse = np.zeros((3, 4, 64, 2), np.int64), np.zeros((3, 4, 64), np.int64)
    for order in range(3):
        for log2 in range(4):
            for place, (x, y) in enumerate(_scan(1 << log2, order)):
                places[order, log2, place] = x, y
                inverse[order, log2, y * 8 + x] = place
    return places, inverse


SCAN, PLACE = _scans()
