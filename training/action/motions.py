"""Motions of a skeleton that show none of the classes: people who walk, turn, carry, fall, crouch or stand.

Made from a recorded person's standing pose, so that limbs have true lengths; gaits and falls are procedural (joint
angles that go with the phase of the step, a body that tips over its feet), which is our choice. Joints are those of
Berkeley MHAD's 16 in mm, y up, at `RATE_HZ`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RATE_HZ = 30
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 9, 13, 14)
"""The joint that each joint hangs on; 0 is the pelvis, 1 to 4 one leg, 5 to 8 the other, 9 the neck, then the arms."""
_LEGS, _ARMS = ((1, 2, 3, 4), (5, 6, 7, 8)), ((10, 11, 12), (13, 14, 15))


class Body:
    """A standing pose, turned to face z, as bones that angles move.

    Args:
        pose_mm: ``(16, 3)`` of a person who stands upright.
    """

    def __init__(self, pose_mm: np.ndarray) -> None:
        pose = pose_mm.astype(np.float64) - pose_mm[0]
        hips = pose[5] - pose[1]
        angle = np.arctan2(hips[2], hips[0])
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        pose = pose @ turn.T
        toes = pose[4] + pose[8] - pose[3] - pose[7]
        if toes[2] < 0:  # the hips' line does not tell front from back, the feet do
            pose = pose * [-1, 1, -1]
        self.bones = pose - pose[[max(parent, 0) for parent in PARENTS]]
        self.leg_mm = -float(min(pose[3, 1], pose[7, 1]))

    def pose(self, pitch: dict[int, float], roll: dict[int, float] | None = None) -> np.ndarray:
        """Joints ``(16, 3)`` about the pelvis.

        Args:
            pitch: by joint, how far the bone that ends there swings forward, radians; children swing along.
            roll: by joint, how far it swings to the side.
        """
        joints, along = np.zeros((16, 3)), [np.eye(3)] * 16
        for joint, parent in enumerate(PARENTS):
            if parent < 0:
                continue
            along[joint] = along[parent] @ _about_x(pitch.get(joint, 0.0))
            if roll and joint in roll:
                along[joint] = along[joint] @ _about_z(roll[joint])
            joints[joint] = joints[parent] + along[joint] @ self.bones[joint]
        return joints


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(-angle), np.sin(-angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _about_y(angle: np.ndarray) -> np.ndarray:
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([np.stack([c, zero, s], -1), np.stack([zero, one, zero], -1), np.stack([-s, zero, c], -1)], -2)


def _grounded(joints: np.ndarray) -> np.ndarray:
    """Every pose on the floor: its lowest joint at y = 0."""
    joints[..., 1] -= joints[..., 1].min(1, keepdims=True)
    return joints


def _smooth(random: np.random.Generator, frames: int, seconds: float, sigma: float) -> np.ndarray:
    """A value that wanders: noise ``(frames,)`` smoothed over `seconds`."""
    width = max(1, int(seconds * RATE_HZ))
    noise = np.convolve(random.normal(0, 1, frames + 4 * width), np.hanning(2 * width + 3)[1:-1], "same")
    noise = noise[2 * width : 2 * width + frames]
    return sigma * noise / max(float(noise.std()), 1e-6)


def gait(body: Body, frames: int, random: np.random.Generator, *, jog: float = 0.0, carry: bool = False) -> np.ndarray:
    """Walking (jog 0) to jogging (1) in a curve, or on the spot; with `carry` the hands hold something in front."""
    steps_hz = random.uniform(0.7, 1.05) + jog * random.uniform(0.4, 0.7)
    phase = 2 * np.pi * (random.random() + np.cumsum(steps_hz * (1 + _smooth(random, frames, 0.8, 0.06))) / RATE_HZ)
    stride, lift = random.uniform(0.3, 0.55) + 0.15 * jog, random.uniform(0.5, 0.9) + 0.7 * jog
    swing, elbow = random.uniform(0.15, 0.6) + 0.2 * jog, random.uniform(0.1, 0.5) + 1.1 * jog
    lean, hold = random.uniform(-0.02, 0.12) + 0.1 * jog, random.uniform(1.0, 1.7)
    joints = np.empty((frames, 16, 3))
    for t, angle in enumerate(phase):
        pitch = {9: lean}
        for side, (hip, knee, ankle, _) in enumerate(_LEGS):
            at = angle + np.pi * side
            pitch[knee] = stride * np.sin(at)
            pitch[ankle] = -lift * max(0.0, np.cos(at)) - 0.08
            pitch[hip] = 0.0
        for side, (_, upper, hand) in enumerate(_ARMS):
            if carry:
                pitch[upper], pitch[hand] = 0.35 + 0.03 * np.sin(2 * angle), hold
            else:
                pitch[upper], pitch[hand] = -swing * np.sin(angle + np.pi * side), elbow
        joints[t] = body.pose(pitch)
    joints = _grounded(joints)
    joints[..., 1] += jog * 60 * np.abs(np.sin(phase))[:, None]
    heading = np.cumsum(_smooth(random, frames, 1.0, random.choice([0.0, 0.004, 0.015])))
    heading = heading + random.uniform(0, 2 * np.pi)
    speed = random.choice([0.0, 1.0, 1.0]) * 2.2 * stride * steps_hz * body.leg_mm / RATE_HZ
    return _led(joints, heading, speed)


def _led(joints: np.ndarray, heading: np.ndarray, speed_mm: float | np.ndarray) -> np.ndarray:
    """Poses turned by `heading (T,)` radians about y and moved ahead by `speed_mm` a frame."""
    turned = np.einsum("tij,tkj->tki", _about_y(heading), joints)
    ahead = np.stack([np.sin(heading), np.zeros_like(heading), np.cos(heading)], -1)
    result: np.ndarray = turned + np.cumsum(ahead * np.reshape(speed_mm, (-1, 1)), 0)[:, None]
    return result


def idle(body: Body, frames: int, random: np.random.Generator, *, turns: bool = False) -> np.ndarray:
    """Standing or sitting about, hands at rest, at a book or at the ear; with `turns` the person turns round."""
    sits = random.random() < 0.35
    thigh, shank = (1.45, -1.4) if sits else (0.0, 0.0)
    ways = ((0.0, 0.1), (0.5, 1.5), (0.3, 2.2), (-0.1, 0.3))
    arms = [ways[int(random.integers(len(ways)))] for _ in _ARMS]
    if random.random() < 0.5:
        arms[1] = arms[0]
    wander = [_smooth(random, frames, 0.7, random.choice([0.01, 0.05, 0.12])) for _ in range(6)]
    lean = random.uniform(-0.05, 0.25)
    joints = np.empty((frames, 16, 3))
    for t in range(frames):
        pitch = {9: lean + 0.5 * wander[0][t], 2: thigh, 6: thigh, 3: shank, 7: shank}
        for side, (_, upper, hand) in enumerate(_ARMS):
            pitch[upper] = arms[side][0] + wander[1 + side][t]
            pitch[hand] = arms[side][1] + wander[3 + side][t]
        joints[t] = body.pose(pitch, {9: 0.3 * wander[5][t]})
    joints = _grounded(joints)
    heading = np.full(frames, random.uniform(0, 2 * np.pi))
    if turns:
        begin, length = random.uniform(0, 0.5), random.uniform(0.25, 0.7)
        share = np.clip((np.linspace(0, 1, frames) - begin) / length, 0, 1)
        heading = heading + random.choice([-1, 1]) * random.uniform(1.0, 6.3) * share * share * (3 - 2 * share)
    return _led(joints, heading, 0.0)


def fall(body: Body, frames: int, random: np.random.Generator) -> np.ndarray:
    """Standing or walking, then tipping over to any side, then lying; sometimes read backwards, as getting up."""
    before = gait(body, frames, random) if random.random() < 0.5 else idle(body, frames, random)
    begin = int(random.uniform(0.0, 0.6) * frames)
    seconds = random.uniform(0.5, 1.3)
    share = np.clip((np.arange(frames) - begin) / (seconds * RATE_HZ), 0, 1)
    tipped = share**1.8 * random.uniform(1.3, 1.65)
    axis_way = random.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(axis_way), 0, np.sin(axis_way)])
    crumple = random.uniform(0.0, 0.5) * np.sin(np.pi * share)
    held = np.concatenate([before[: begin + 1], np.repeat(before[begin : begin + 1], frames, 0)])[:frames]
    foot = held[:, [3, 7]].mean(1, keepdims=True) * [1, 0, 1]
    relative = held - foot
    relative[..., 1] *= (1 - crumple)[:, None]
    cosine, sine = np.cos(tipped)[:, None, None], np.sin(tipped)[:, None, None]
    fallen = relative * cosine + np.cross(axis, relative) * sine + axis * (relative @ axis)[..., None] * (1 - cosine)
    fallen[..., 1] = np.maximum(fallen[..., 1], 60.0)
    flail = np.stack([_smooth(random, frames, 0.3, 60.0) for _ in range(12)], -1).reshape(frames, 4, 3)
    fallen[:, [11, 12, 14, 15]] += flail * np.sin(np.pi * share)[:, None, None]
    result = fallen + foot
    found: np.ndarray = result[::-1] if random.random() < 0.15 else result
    return found


def crouch(body: Body, frames: int, random: np.random.Generator) -> np.ndarray:
    """Squats, lunges and reaches to the side or up: what legs and one arm do outside the classes."""
    period = random.uniform(1.4, 3.0) * RATE_HZ
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(frames) / period + random.random()))
    lunges, deep = random.random() < 0.4, random.uniform(0.7, 1.3)
    reach = random.uniform(0.5, 2.6) * (random.random() < 0.6)
    arms = random.uniform(0.0, 1.5)
    joints = np.empty((frames, 16, 3))
    for t, w in enumerate(wave):
        low = deep * w * (not reach)
        pitch = {9: 0.4 * low, 2: low, 3: -1.5 * low, 6: low, 7: -1.5 * low}
        if lunges:
            pitch |= {2: 1.1 * low, 3: -1.1 * low, 6: -0.5 * low, 7: -0.8 * low}
        pitch |= {11: arms * w * (not reach), 14: reach * w + arms * w * (not reach)}
        joints[t] = body.pose(pitch, {14: 0.4 * w if reach else 0.0})
    return _led(_grounded(joints), np.full(frames, random.uniform(0, 2 * np.pi)), 0.0)


KINDS: dict[str, Callable[[Body, int, np.random.Generator], np.ndarray]] = {
    "walk": lambda body, frames, random: gait(body, frames, random, jog=max(0.0, random.normal(-0.2, 0.5))),
    "carry": lambda body, frames, random: gait(body, frames, random, carry=True),
    "stand": idle,
    "turn": lambda body, frames, random: idle(body, frames, random, turns=True),
    "fall": fall,
    "crouch": crouch,
}
"""Motions without a label by name: body, frames, generator -> joints ``(T, 16, 3)`` mm."""
