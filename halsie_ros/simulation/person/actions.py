"""What a procedural person does: eleven actions as keyframes of the body, and the joints that follow from them.

Axes of the person: x to its left, y up, z ahead; metres, for a person whose pelvis is at 0.89 m. A keyframe
places the pelvis, bends and turns the trunk, and places wrists and ankles; elbows and knees follow by two-bone inverse
kinematics. Names and numbers follow the actions of Berkeley MHAD as people there perform them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halsie_ros.errors import ParameterError

PELVIS_M = 0.89
JOINTS = (
    "pelvis", "neck", "head",
    "hip_left", "knee_left", "ankle_left", "toe_left", "hip_right", "knee_right", "ankle_right", "toe_right",
    "shoulder_left", "elbow_left", "wrist_left", "shoulder_right", "elbow_right", "wrist_right",
)  # fmt: skip
"""Order of the rows that ``joints`` returns."""
_THIGH_M, _SHANK_M, _UPPER_ARM_M, _FOREARM_M = 0.42, 0.41, 0.28, 0.26


@dataclass(frozen=True)
class Action:
    """A motion.

    Attributes:
        period_s: of one turn through the keyframes.
        loops: whether it goes round; otherwise it happens once and the last keyframe holds.
        keys: ``(K, 16)``: time as a share of the period; pelvis x, y, z off its rest; lean ahead and turn to the
            left in degrees; wrist left x, y, z and wrist right x, y, z from the pelvis; ankle aside, ankle up, and the
            two's z (ankles stay in the world while the pelvis moves).
    """

    period_s: float
    loops: bool
    keys: np.ndarray


_REST = (0.27, -0.05, 0.1)


def _key(
    time: float,
    left: tuple[float, float, float] = _REST,
    right: tuple[float, float, float] | None = None,
    *,
    pelvis: tuple[float, float, float] = (0.0, 0.0, 0.0),
    lean: float = 0.0,
    turn: float = 0.0,
    feet: tuple[float, float] = (0.13, 0.0),
    step: tuple[float, float] = (0.0, 0.0),
) -> list[float]:
    """One keyframe; the right wrist mirrors the left one unless told."""
    other = (-left[0], left[1], left[2]) if right is None else right
    return [time, *pelvis, lean, turn, *left, *other, *feet, *step]


def _seated(time: float) -> list[float]:
    return _key(time, (0.13, 0.08, 0.29), pelvis=(0.0, -0.38, -0.4), lean=4.0)


def _rising(time: float) -> list[float]:
    return _key(time, (0.11, -0.06, 0.29), pelvis=(0.0, -0.26, -0.31), lean=47.0)


_STANCE = (0.1, -0.12)

_ACTIONS: dict[str, tuple[float, bool, list[list[float]]]] = {
    "wave_two_hands": (1.45, True, [
        _key(0.0, (0.15, 0.95, 0.08)), _key(0.13, (0.44, 0.82, 0.15)), _key(0.25, (0.64, 0.5, 0.1)),
        _key(0.38, (0.56, 0.17, 0.02)), _key(0.5, (0.42, 0.03, -0.02)), _key(0.63, (0.6, 0.26, 0.01)),
        _key(0.75, (0.62, 0.6, 0.05)), _key(0.88, (0.4, 0.88, 0.08)),
    ]),
    "wave_one_hand": (1.2, True, [
        _key(0.0, _REST, (-0.18, 0.66, 0.15)), _key(0.25, _REST, (-0.42, 0.76, 0.14)),
        _key(0.5, _REST, (-0.6, 0.53, 0.07)), _key(0.75, _REST, (-0.43, 0.76, 0.13)),
    ]),
    "jumping_jacks": (1.07, True, [
        _key(0.0, (0.12, 0.98, 0.02), pelvis=(0, -0.09, 0), feet=(0.33, 0.0)),
        _key(0.25, (0.6, 0.55, 0.1), pelvis=(0, 0.1, 0), feet=(0.2, 0.08)),
        _key(0.5, (0.26, -0.04, 0.07), pelvis=(0, -0.09, 0), feet=(0.06, 0.0)),
        _key(0.75, (0.62, 0.45, 0.02), pelvis=(0, 0.1, 0), feet=(0.19, 0.08)),
    ]),
    "clap": (0.55, True, [
        _key(0.0, (0.02, 0.43, 0.27), (-0.01, 0.4, 0.26)), _key(0.5, (0.16, 0.43, 0.28), (-0.13, 0.4, 0.25)),
    ]),
    "bend": (2.6, True, [
        _key(0.0, (0.12, 1.0, 0.07), lean=-3), _key(0.12, (0.14, 0.95, 0.25), lean=8),
        _key(0.27, (0.15, 0.57, 0.72), pelvis=(0, -0.01, -0.13), lean=38),
        _key(0.38, (0.12, -0.05, 0.8), pelvis=(0, -0.02, -0.2), lean=66),
        _key(0.5, (0.08, -0.55, 0.5), pelvis=(0, -0.04, -0.24), lean=104),
        _key(0.6, (0.08, -0.57, 0.48), pelvis=(0, -0.04, -0.24), lean=106),
        _key(0.74, (0.12, -0.05, 0.8), pelvis=(0, -0.02, -0.2), lean=66),
        _key(0.86, (0.15, 0.6, 0.7), pelvis=(0, -0.01, -0.1), lean=34),
    ]),
    "punch": (1.15, True, [
        _key(0.0, (0.17, 0.24, 0.06), (0.08, 0.54, 0.53), pelvis=(-0.02, -0.002, 0), lean=6, turn=29, step=_STANCE),
        _key(0.1, (0.18, 0.24, 0.07), (0.08, 0.52, 0.52), pelvis=(-0.02, -0.003, 0), lean=6, turn=27, step=_STANCE),
        _key(0.27, (0.16, 0.33, 0.27), (-0.08, 0.37, 0.3), pelvis=(0.003, 0, 0.012), lean=4, turn=0, step=_STANCE),
        _key(0.5, (-0.05, 0.55, 0.54), (-0.17, 0.26, 0.04), pelvis=(0.02, 0, -0.01), lean=5, turn=-32, step=_STANCE),
        _key(0.6, (-0.03, 0.53, 0.52), (-0.18, 0.26, 0.05), pelvis=(0.02, 0.003, 0), lean=5, turn=-31, step=_STANCE),
        _key(0.78, (0.11, 0.36, 0.34), (-0.12, 0.34, 0.22), pelvis=(0, 0.002, 0.012), lean=4, turn=-5, step=_STANCE),
    ]),
    "jump": (0.72, True, [
        _key(0.0, (0.24, -0.05, 0.1), pelvis=(0, -0.15, 0), lean=22, feet=(0.11, 0.0)),
        _key(0.3, (0.12, 0.12, 0.24), pelvis=(0, 0.06, 0), lean=10, feet=(0.12, 0.04)),
        _key(0.52, (0.18, 0.16, 0.1), pelvis=(0, 0.2, 0), lean=6, feet=(0.14, 0.2)),
        _key(0.78, (0.25, 0.03, 0.02), pelvis=(0, 0.03, 0), lean=13, feet=(0.13, 0.05)),
    ]),
    "throw": (2.6, True, [
        _key(0.0, (0.24, -0.03, 0.1), (-0.23, -0.03, 0.14), turn=1),
        _key(0.12, (0.25, -0.03, 0.09), (-0.18, 0.0, 0.18), pelvis=(-0.03, 0, -0.01), turn=5),
        _key(0.19, (0.28, -0.02, 0.08), (-0.16, 0.08, 0.24), pelvis=(-0.03, 0, -0.02), turn=9),
        _key(0.25, (0.29, 0.0, 0.02), (-0.21, 0.26, 0.27), turn=11),
        _key(0.31, (0.29, 0.01, -0.05), (-0.23, 0.47, 0.29), pelvis=(0.05, 0, 0.01), turn=17),
        _key(0.375, (0.29, 0.02, -0.12), (-0.2, 0.61, 0.25), pelvis=(0.1, 0, 0.01), turn=33),
        _key(0.44, (0.3, 0.01, -0.16), (0.14, 0.74, 0.19), pelvis=(0.11, 0, 0.03), turn=51, step=(0.0, 0.03)),
        _key(0.5, (0.25, -0.03, -0.19), (0.42, 0.57, 0.07), pelvis=(0.1, 0, 0.04), turn=60, step=(0.0, 0.08)),
        _key(0.56, (0.16, -0.06, -0.19), (0.37, 0.26, 0.0), pelvis=(0.1, 0, 0.06), turn=66, step=(0.0, 0.14)),
        _key(0.625, (0.13, -0.06, -0.19), (0.23, 0.07, 0.11), pelvis=(0.1, 0, 0.07), turn=66, step=(0.0, 0.18)),
        _key(0.69, (0.17, -0.04, -0.19), (0.0, 0.01, 0.32), pelvis=(0.07, 0, 0.08), turn=58, step=(0.0, 0.17)),
        _key(0.75, (0.23, -0.02, -0.15), (-0.16, 0.02, 0.36), pelvis=(0.03, 0, 0.08), turn=45, step=(0.0, 0.12)),
        _key(0.88, (0.26, -0.02, 0.0), (-0.16, -0.03, 0.25), pelvis=(-0.03, 0, 0.04), turn=18, step=(0.0, 0.04)),
    ]),
    "sit": (2.5, False, [
        _key(0.0), _key(0.16), _key(0.3, (0.2, -0.02, 0.2), pelvis=(0.0, -0.08, -0.15), lean=24.0), _rising(0.45),
        _key(0.6, (0.14, 0.03, 0.29), pelvis=(0.0, -0.37, -0.39), lean=28.0), _seated(0.8), _seated(1.0),
    ]),
    "stand": (2.1, False, [
        _seated(0.0), _seated(0.18), _key(0.36, (0.12, 0.06, 0.29), pelvis=(0.0, -0.38, -0.39), lean=26.0),
        _rising(0.53), _key(0.7, (0.1, -0.08, 0.28), pelvis=(0.0, -0.07, -0.16), lean=36.0),
        _key(0.85, (0.15, -0.03, 0.24), pelvis=(0.0, -0.02, -0.06), lean=16.0), _key(1.0),
    ]),
    "sit_then_stand": (3.4, True, [
        _key(0.0), _key(0.1), _rising(0.25), _seated(0.38),
        _seated(0.55), _rising(0.72), _key(0.88),
    ]),
}  # fmt: skip

ACTIONS = {name: Action(period_s, loops, np.array(keys)) for name, (period_s, loops, keys) in _ACTIONS.items()}
"""All actions by name; the names are the classes of the recognition models."""


def find_action(name: str) -> Action:
    """The action of that name.

    Raises:
        ParameterError: an unknown name.
    """
    if name not in ACTIONS:
        raise ParameterError(f"action {name!r}: choose one of {', '.join(sorted(ACTIONS))}")
    return ACTIONS[name]


def body(action: Action, time: float) -> np.ndarray:
    """The keyframe row at ``time`` (in periods), between the keys by a monotone cubic; ``(15,)`` without the time.

    An action that happens once holds its first keyframe before 0 and its last after 1.
    """
    times, values = action.keys[:, 0], action.keys[:, 1:]
    number = len(times)
    if action.loops:
        time = time % 1.0
        index = int(np.searchsorted(times, time, "right")) - 1
        around = np.arange(index - 1, index + 3)
        knots = times[around % number] + around // number
        points = values[around % number]
    else:
        time = min(max(time, 0.0), 1.0)
        index = min(int(np.searchsorted(times, time, "right")) - 1, number - 2)
        around = np.clip(np.arange(index - 1, index + 3), 0, number - 1)
        knots = times[around] + np.array([-1e-3 * (index == 0), 0, 0, 1e-3 * (index == number - 2)])
        points = values[around]
    steps = np.diff(knots)
    slopes = np.diff(points, axis=0) / steps[:, None]
    # Fritsch and Carlson's harmonic mean: no overshoot, still at the turning points.
    tangents = np.where(
        slopes[:-1] * slopes[1:] > 0, 2 * slopes[:-1] * slopes[1:] / (slopes[:-1] + slopes[1:] + 1e-12), 0
    )
    share = (time - knots[1]) / steps[1]
    a, b = share * share * (3 - 2 * share), share * (1 - share) ** 2
    c = share * share * (share - 1)
    result: np.ndarray = points[1] * (1 - a) + points[2] * a + steps[1] * (tangents[0] * b + tangents[1] * c)
    return result


def _bend(
    start: np.ndarray, end: np.ndarray, first_m: float, second_m: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middle joint and reachable end of a limb of two bones that bends towards ``pole``."""
    reach = end - start
    distance = float(np.linalg.norm(reach))
    # Bones give by up to 4 %: a leg that is almost straight stays so, instead of throwing the knee out for a sway
    # of millimetres.
    give = min(max(distance / (0.995 * (first_m + second_m)), 0.96), 1.0)
    first_m, second_m = give * first_m, give * second_m
    longest = 0.995 * (first_m + second_m)
    if distance > longest:
        reach, distance = reach * (longest / distance), longest
    distance = max(distance, abs(first_m - second_m) + 1e-3)
    along = (first_m**2 - second_m**2 + distance**2) / (2 * distance)
    aside = np.sqrt(max(first_m**2 - along**2, 0.0))
    axis = reach / (np.linalg.norm(reach) + 1e-9)
    out = pole - axis * (pole @ axis)
    out = out / (np.linalg.norm(out) + 1e-9)
    return start + axis * along + out * aside, start + reach


def joints(row: np.ndarray) -> np.ndarray:
    """The joints of a keyframe row from ``body``: ``(17, 3)``, as ``JOINTS`` orders them, the ground at y = 0."""
    pelvis = np.array([0.0, PELVIS_M, 0.0]) + row[0:3]
    lean, turn = np.radians(row[3]), np.radians(row[4])
    up = np.array([0.0, np.cos(lean), np.sin(lean)])
    left = np.array([np.cos(turn), 0.0, -np.sin(turn)])
    ahead = np.cross(left, up)
    neck = pelvis + 0.52 * up
    result = [pelvis, neck, neck + 0.2 * up + 0.02 * ahead]
    spread, lift, *steps = row[11:15]
    across = np.array([np.cos(0.6 * turn), 0.0, -np.sin(0.6 * turn)])  # the hips follow the shoulders by about so much
    for side, step in zip((1, -1), steps):
        hip = pelvis + side * 0.075 * across
        knee, ankle = _bend(
            hip, np.array([side * spread, 0.07 + lift, step]), _THIGH_M, _SHANK_M, np.array([0.1 * side, 0.1, 1.0])
        )
        toes = side * 0.03 * across + 0.15 * np.array([np.sin(0.6 * turn), 0.0, np.cos(0.6 * turn)])
        result += [hip, knee, ankle, ankle + toes - np.array([0.0, 0.04, 0.0])]
    for side, wrist in ((1, row[5:8]), (-1, row[8:11])):
        shoulder = neck + side * 0.15 * left - 0.05 * up
        reach = pelvis + wrist - shoulder
        shoulder = shoulder + 0.05 * reach / (np.linalg.norm(reach) + 1e-9)  # the shoulder follows the hand
        pole = np.array([0.6 * side, -0.6, -0.5])
        elbow, hand = _bend(shoulder, pelvis + wrist, _UPPER_ARM_M, _FOREARM_M, pole)
        result += [shoulder, elbow, hand]
    return np.array(result)
