"""Reading one block of HEVC coefficients (ITU-T H.265, 7.3.8.11, contexts of 9.3.4.2.4 to 9.3.4.2.7)."""

# numba tells apart what numpy's type hints do not
# mypy: disable-error-code="assignment,arg-type"

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit
from halsie_ros.video.codecs.cabac import decide, flip
from halsie_ros.video.codecs.hevc.tables import AT, PLACE, SCAN

_SKIP, _LAST_X, _LAST_Y = AT["transform_skip"], AT["last_x"], AT["last_y"]
_GROUP, _SIGNIFICANT, _ABOVE_ONE, _ABOVE_TWO = AT["group"], AT["significant"], AT["above_one"], AT["above_two"]
_LONGEST = 12_288  # bytes that 1024 coefficients may take at most
_OF_4X4 = np.array([0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8], np.int64)


def _by_neighbours() -> np.ndarray:
    """sigCtx by [coded groups right and below, y * 4 + x] (9-46 to 9-49)."""
    table = np.zeros((4, 16), np.int64)
    for y in range(4):
        for x in range(4):
            table[0, y * 4 + x] = 2 if x + y == 0 else 1 if x + y < 3 else 0
            table[1, y * 4 + x] = 2 if y == 0 else 1 if y == 1 else 0
            table[2, y * 4 + x] = 2 if x == 0 else 1 if x == 1 else 0
            table[3, y * 4 + x] = 2
    return table


_BY_NEIGHBOURS = _by_neighbours()


@njit()
def read_block(
    engine: np.ndarray, data: np.ndarray, contexts: np.ndarray, log2: int, plane: int, order: int, may_skip: bool,
    hides_signs: bool,
) -> bool:  # fmt: skip
    """Reads a block of 2^log2 squared coefficients; False where a value is illegal.

    Args:
        plane: 0 luma, 1 chroma.
        order: scan: 0 diagonal, 1 rows, 2 columns.
        may_skip: transform_skip_flag may be there.
        hides_signs: sign_data_hiding_enabled_flag, and the block is not coded losslessly.
    """
    if engine[3] > len(data) - _LONGEST:
        return False
    width, value, due, at = engine[0], engine[1], engine[2], engine[3]
    bit = np.int64(0)
    if may_skip and log2 == 2:
        bit, width, value, due, at = decide(data, contexts, _SKIP + plane, width, value, due, at)
    base = 15 if plane else 3 * (log2 - 2) + ((log2 - 1) >> 2)
    shift = log2 - 2 if plane else (log2 + 1) >> 2
    most = (log2 << 1) - 1
    last_x, last_y = 0, 0
    bit = np.int64(1)
    while bit and last_x < most:
        bit, width, value, due, at = decide(data, contexts, _LAST_X + base + (last_x >> shift), width, value, due, at)
        last_x += bit
    bit = np.int64(1)
    while bit and last_y < most:
        bit, width, value, due, at = decide(data, contexts, _LAST_Y + base + (last_y >> shift), width, value, due, at)
        last_y += bit
    if last_x > 3:
        suffix, count = np.int64(0), (last_x >> 1) - 1
        for _ in range(count):
            bit, width, value, due, at = flip(data, width, value, due, at)
            suffix = suffix << 1 | bit
        last_x = (1 << count) * (2 + (last_x & 1)) + suffix
    if last_y > 3:
        suffix, count = np.int64(0), (last_y >> 1) - 1
        for _ in range(count):
            bit, width, value, due, at = flip(data, width, value, due, at)
            suffix = suffix << 1 | bit
        last_y = (1 << count) * (2 + (last_y & 1)) + suffix
    if order == 2:
        last_x, last_y = last_y, last_x
    if last_x >> log2 or last_y >> log2:
        return False
    groups = np.zeros(100, np.uint8)  # coded ones, a row of 10 with a border
    significant = np.empty(16, np.int64)  # places, in the order that they come
    newest = PLACE[order, log2 - 2, (last_y >> 2) * 8 + (last_x >> 2)]
    before = np.int64(1)  # greater1Ctx after the group before
    for group in range(newest, -1, -1):
        group_x, group_y = SCAN[order, log2 - 2, group, 0], SCAN[order, log2 - 2, group, 1]
        corner = group_y * 10 + group_x
        around = np.int64(groups[corner + 1]) | np.int64(groups[corner + 10]) << 1
        count, place, inferred = 0, np.int64(15), False
        if group == newest:
            place = PLACE[order, 2, (last_y & 3) * 8 + (last_x & 3)]
            significant[0] = place
            count = 1
            place -= 1
        elif group:
            index = _GROUP + 2 * plane + (around != 0)
            bit, width, value, due, at = decide(data, contexts, index, width, value, due, at)
            if not bit:
                continue
            inferred = True
        groups[corner] = 1
        while place >= 0:
            if place == 0 and inferred and count == 0:
                significant[0] = 0
                count = 1
                break
            x, y = SCAN[order, 2, place, 0], SCAN[order, 2, place, 1]
            if log2 == 2:
                context = _OF_4X4[y * 4 + x]
            elif place == 0 and group == 0:
                context = np.int64(0)
            else:
                context = _BY_NEIGHBOURS[around, y * 4 + x]
                if plane:
                    context += 9 if log2 == 3 else 12
                else:
                    context += (3 if group else 0) + ((9 if order == 0 else 15) if log2 == 3 else 21)
            index = _SIGNIFICANT + 27 * plane + context
            bit, width, value, due, at = decide(data, contexts, index, width, value, due, at)
            if bit:
                significant[count] = place
                count += 1
            place -= 1
        if count == 0:
            continue
        which = 2 if group and not plane else 0
        if group != newest and before == 0:
            which += 1
        state, second, ones = np.int64(1), -1, np.int64(0)
        for number in range(min(count, 8)):
            index = _ABOVE_ONE + 16 * plane + which * 4 + state
            bit, width, value, due, at = decide(data, contexts, index, width, value, due, at)
            if bit:
                ones |= 1 << number
                state = np.int64(0)
                if second < 0:
                    second = number
            elif 0 < state < 3:
                state += 1
        before = state
        above_two = np.int64(0)
        if second >= 0:
            index = _ABOVE_TWO + 4 * plane + which
            above_two, width, value, due, at = decide(data, contexts, index, width, value, due, at)
        signs = count
        if hides_signs and significant[0] - significant[count - 1] > 3:
            signs -= 1
        for _ in range(signs):
            bit, width, value, due, at = flip(data, width, value, due, at)
        rice = 0
        for number in range(count):
            level, limit = np.int64(1), 1
            if number < 8:
                level += ones >> number & 1
                limit = 2
                if number == second:
                    level += above_two
                    limit = 3
            if level != limit:
                continue
            prefix = 0
            bit = np.int64(1)
            while bit and prefix < 33:
                bit, width, value, due, at = flip(data, width, value, due, at)
                prefix += bit
            if prefix > 32:
                return False
            more = np.int64(0)
            for _ in range(rice if prefix <= 3 else prefix - 3 + rice):
                bit, width, value, due, at = flip(data, width, value, due, at)
                more = more << 1 | bit
            level += more + ((prefix if prefix <= 3 else (1 << (prefix - 3)) + 2) << rice)
            if level > 3 * (1 << rice):
                rice = min(rice + 1, 4)
    engine[0] = width
    engine[1] = value
    engine[2] = due
    engine[3] = at
    return True
