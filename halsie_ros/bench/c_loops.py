"""What a plain C programmer would write, compiled on the spot: the bar for our kernels."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SOURCE = r"""
#include <stdint.h>
#include <stddef.h>
#include <string.h>

/* Counts per bin and polarity, into a grid that is zeroed first. */
void counts(const uint16_t *x, const uint16_t *y, const int64_t *t, const uint8_t *p, size_t n,
            int64_t t0, int64_t bin_us, int bins, int height, int width, float *grid)
{
    const size_t plane = (size_t)height * width;
    memset(grid, 0, sizeof(float) * plane * 2 * bins);
    for (size_t i = 0; i < n; i++) {
        if (t[i] <= t0 || x[i] >= width || y[i] >= height) continue;
        int64_t bin = (t[i] - t0 - 1) / bin_us;
        if (bin > bins - 1) bin = bins - 1;
        grid[(size_t)(2 * bin + p[i]) * plane + (size_t)y[i] * width + x[i]] += 1.0f;
    }
}

/* EVT3 words to columns of events; triggers are skipped. Returns the number of events. */
size_t evt3(const uint16_t *words, size_t n, int64_t *state, int width, int height,
            uint16_t *x, uint16_t *y, int64_t *t, uint8_t *p)
{
    int64_t high = state[0], low = state[1];
    unsigned row = (unsigned)state[2], base = (unsigned)state[3], polarity = (unsigned)state[4];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned word = words[i], value = word & 0x7ff;
        switch (word >> 12) {
        case 0x2:
            if (value < (unsigned)width && row < (unsigned)height) {
                x[count] = value; y[count] = row; t[count] = high | low; p[count] = (word >> 11) & 1;
                count++;
            }
            break;
        case 0x0: row = value; break;
        case 0x6: low = word & 0xfff; break;
        case 0x8: {
            const int64_t step = word & 0xfff, last = (high >> 12) & 0xfff;
            if (step + 10 < last) high += 1 << 24;
            high = (high & ~(int64_t)0xffffff) | step << 12;
            break;
        }
        case 0x3: base = value; polarity = (word >> 11) & 1; break;
        case 0x4:
        case 0x5: {
            const unsigned size = word >> 12 == 4 ? 12 : 8;
            for (unsigned bit = 0; bit < size; bit++)
                if (word >> bit & 1 && base + bit < (unsigned)width && row < (unsigned)height) {
                    x[count] = base + bit; y[count] = row; t[count] = high | low; p[count] = polarity;
                    count++;
                }
            base += size;
            break;
        }
        default: break;
        }
    }
    state[0] = high; state[1] = low; state[2] = row; state[3] = base; state[4] = polarity;
    return count;
}
"""

COMPILER = "gcc"
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")


def build() -> ctypes.CDLL | None:
    """Compiles and loads the loops; None where there is no gcc."""
    compiler = shutil.which(COMPILER)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(prefix="halsie_bench_") as folder:
        source, library = Path(folder) / "loops.c", Path(folder) / "loops.so"
        source.write_text(SOURCE)
        subprocess.run([compiler, *FLAGS, str(source), "-o", str(library)], check=True, capture_output=True)
        return ctypes.CDLL(str(library))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """The address of a C-contiguous array; the caller keeps the array alive."""
    return ctypes.c_void_p(array.ctypes.data)
