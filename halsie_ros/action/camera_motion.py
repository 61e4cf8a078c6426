"""The camera's own motion, taken out of a grid of motion vectors.

A camera that pans, turns, rolls or comes nearer moves most of the picture alike: to first order by an affine map of the
place, six numbers. They are fitted robustly (the best of many maps through three cells each, then least squares over
the cells that agree), so that people who move do not count. A camera that stands still is the simpler explanation: it
is taken unless another map explains clearly more cells, and then nothing is changed, bit for bit.
"""

from __future__ import annotations

import numpy as np

from halsie_ros.kernels import njit

TOLERANCE = 0.06
"""A cell agrees with a map where its velocity differs by at most this, picture widths or heights per second (a quarter
of a pixel at 30 Hz and 224 pixels is 0.033)."""
RELATIVE = 0.08
"""... or by this share of the map's own velocity there (vectors of fast motion are coarse)."""
ADVANTAGE = 0.1
"""Share of all cells by which a moving camera must explain more than a still one."""
TRIALS = 48


def _triples(rows: int, columns: int) -> np.ndarray:
    """Cells through which maps are tried, ``(TRIALS, 3, 2)`` rows and columns, far apart; always the same ones."""
    random = np.random.default_rng(0)
    drawn = random.random((40 * TRIALS, 3, 2)) * [rows, columns]
    one, two = drawn[:, 1] - drawn[:, 0], drawn[:, 2] - drawn[:, 0]
    area = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) / (rows * columns)
    return drawn[np.argsort(-area, kind="stable")[: 4 * TRIALS : 4]].astype(np.int64)


def without_camera(field: np.ndarray, tolerance: float = TOLERANCE) -> tuple[np.ndarray, float, np.ndarray]:
    """Motion of things, without that of the camera.

    Args:
        field: ``(2, rows, columns) float32``: velocity (or displacement) x, y of each cell.
        tolerance: in the field's unit, see `TOLERANCE`.

    Returns:
        The field less the camera's motion (the very same where the camera stands still), the share of the cells that
        move with the camera, 0 to 1, and the camera's map ``(2, 3) float64``: velocity x and y at ``(1, u, v)`` with u,
        v from -1 to 1 over the picture's width and height; zeros where it stands still.
    """
    rows, columns = field.shape[1:]
    model = np.zeros((2, 3))
    still = int(((np.abs(field[0]) <= tolerance) & (np.abs(field[1]) <= tolerance)).sum())
    cells = rows * columns
    if still >= (1 - ADVANTAGE) * cells:  # nothing can explain clearly more
        return field, still / cells, model
    triples = _cached_triples(rows, columns)
    field = np.ascontiguousarray(field, np.float32)
    agreeing = _fit(field, triples, tolerance, RELATIVE, model)
    for _ in range(3):  # least squares over those that agree, as long as no fewer do
        normal, right = _sums(field, model, tolerance, RELATIVE)
        if abs(np.linalg.det(normal)) < 1e-6:
            break
        refined = np.ascontiguousarray(np.linalg.solve(normal, right).T)  # else kernels are compiled a second time
        count = _agreeing(field, refined, tolerance, RELATIVE)
        if count < agreeing:
            break
        agreeing, model = count, refined
    if agreeing < still + ADVANTAGE * cells:
        return field, still / cells, np.zeros((2, 3))
    u = np.linspace(-1, 1, columns, dtype=np.float64)
    v = np.linspace(-1, 1, rows, dtype=np.float64)[:, None]
    own = np.stack([m[0] + m[1] * u + m[2] * v for m in model])
    return (field - own).astype(np.float32), agreeing / cells, model


_TRIPLES: dict[tuple[int, int], np.ndarray] = {}


def _cached_triples(rows: int, columns: int) -> np.ndarray:
    if (rows, columns) not in _TRIPLES:
        _TRIPLES[rows, columns] = _triples(rows, columns)
    return _TRIPLES[rows, columns]


@njit(nogil=True)
def _fit(field: np.ndarray, triples: np.ndarray, tolerance: float, relative: float, model: np.ndarray) -> int:
    """Fills `model` with the map that most cells agree with; gives their number."""
    rows, columns = field.shape[1], field.shape[2]
    step_u, step_v = 2.0 / (columns - 1), 2.0 / (rows - 1)
    best = -1
    trial = np.zeros((2, 3))
    for index in range(len(triples)):
        r0, c0 = triples[index, 0, 0], triples[index, 0, 1]
        r1, c1 = triples[index, 1, 0], triples[index, 1, 1]
        r2, c2 = triples[index, 2, 0], triples[index, 2, 1]
        u0, v0 = -1 + c0 * step_u, -1 + r0 * step_v
        du1, dv1, du2, dv2 = (c1 - c0) * step_u, (r1 - r0) * step_v, (c2 - c0) * step_u, (r2 - r0) * step_v
        area = du1 * dv2 - du2 * dv1
        if abs(area) < 1e-9:
            continue
        for axis in range(2):
            d1 = field[axis, r1, c1] - field[axis, r0, c0]
            d2 = field[axis, r2, c2] - field[axis, r0, c0]
            trial[axis, 1] = (d1 * dv2 - d2 * dv1) / area
            trial[axis, 2] = (du1 * d2 - du2 * d1) / area
            trial[axis, 0] = field[axis, r0, c0] - trial[axis, 1] * u0 - trial[axis, 2] * v0
        count = _agreeing(field, trial, tolerance, relative)
        if count > best:
            best = count
            model[:] = trial
    return best


@njit(nogil=True)
def _apart(field: np.ndarray, model: np.ndarray, r: int, c: int, u: float, v: float, relative: float) -> float:
    """How far a cell is from a map, less what is granted to fast motion."""
    own_x = model[0, 0] + model[0, 1] * u + model[0, 2] * v
    own_y = model[1, 0] + model[1, 1] * u + model[1, 2] * v
    granted = relative * max(abs(own_x), abs(own_y))
    return max(abs(field[0, r, c] - own_x), abs(field[1, r, c] - own_y)) - granted


@njit(nogil=True)
def _agreeing(field: np.ndarray, model: np.ndarray, tolerance: float, relative: float) -> int:
    rows, columns = field.shape[1], field.shape[2]
    count = 0
    for r in range(rows):
        v = -1 + r * 2.0 / (rows - 1)
        for c in range(columns):
            if _apart(field, model, r, c, -1 + c * 2.0 / (columns - 1), v, relative) <= tolerance:
                count += 1
    return count


@njit(nogil=True)
def _sums(field: np.ndarray, model: np.ndarray, tolerance: float, relative: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the least squares over the agreeing cells: the normal matrix ``(3, 3)`` and the right side ``(3, 2)``."""
    rows, columns = field.shape[1], field.shape[2]
    normal, right, place = np.zeros((3, 3)), np.zeros((3, 2)), np.ones(3)
    for r in range(rows):
        place[2] = -1 + r * 2.0 / (rows - 1)
        for c in range(columns):
            place[1] = -1 + c * 2.0 / (columns - 1)
            if _apart(field, model, r, c, place[1], place[2], relative) > tolerance:
                continue
            for i in range(3):
                for j in range(3):
                    normal[i, j] += place[i] * place[j]
                for axis in range(2):
                    right[i, axis] += place[i] * field[axis, r, c]
    return normal, right
