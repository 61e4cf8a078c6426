"""Where the street runs and how the camera moves along it: smooth, closed-form functions of place and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK_M = 40.0
"""The street is built in blocks of this length, each an arc of a circle."""


class StreetLine:
    """The middle of the street, as long as anyone asks for."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng([seed, 3])
        self._random = random
        self._bend = random.uniform(0.0, 0.008)
        self._curvature: list[float] = []
        self._starts = [(0.0, 0.0, 0.0)]

    def _reach(self, block: int) -> None:
        while len(self._starts) <= block:
            x, y, heading = self._starts[-1]
            curvature = float(np.clip(self._random.normal(0, self._bend), -0.012, 0.012))
            if abs(curvature) < 1e-5:
                curvature = 1e-5
            turned = heading + curvature * BLOCK_M
            self._curvature.append(curvature)
            self._starts.append(
                (
                    x + (np.sin(turned) - np.sin(heading)) / curvature,
                    y - (np.cos(turned) - np.cos(heading)) / curvature,
                    turned,
                )
            )

    def heading(self, s: float) -> float:
        """Direction of the street at ``s`` metres, radians from the x axis."""
        block = max(int(s // BLOCK_M), 0)
        self._reach(block + 1)
        return self._starts[block][2] + self._curvature[block] * (s - block * BLOCK_M)

    def at(self, s: float, d: float) -> np.ndarray:
        """(x, y) of the point ``s`` metres along and ``d`` metres left of the middle."""
        block = max(int(s // BLOCK_M), 0)
        self._reach(block + 1)
        x, y, start = self._starts[block]
        curvature = self._curvature[block]
        heading = start + curvature * (s - block * BLOCK_M)
        return np.array(
            [
                x + (np.sin(heading) - np.sin(start)) / curvature - d * np.sin(heading),
                y - (np.cos(heading) - np.cos(start)) / curvature + d * np.cos(heading),
            ]
        )


@dataclass(frozen=True)
class Pose:
    """A camera's place and view: x, y, z in metres, yaw, pitch (up), roll in radians."""

    position: np.ndarray
    yaw: float
    pitch: float
    roll: float

    def axes(self) -> np.ndarray:
        """Rows: the directions right, down and forward, ``(3, 3)``."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([cy * cp, sy * cp, sp])
        right = np.array([sy, -cy, 0.0])
        down = np.cross(forward, right)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        return np.stack([right * cr + down * sr, down * cr - right * sr, forward])


class CameraPath:
    """Forward motion with changing speed, sway, and turns of the head; a car's height or a low drone's."""

    def __init__(self, seed: int, line: StreetLine, lane_m: float) -> None:
        random = np.random.default_rng([seed, 4])
        self._line = line
        drone = random.random() < 0.3
        self.fov_rad = np.radians(random.uniform(58, 92))
        self.speed_m_s = random.uniform(1.5, 6) if drone else random.uniform(2.5, 13)
        self._start_m = BLOCK_M * 1.2 + random.uniform(0, BLOCK_M)
        self._height_m = random.uniform(2.5, 6.5) if drone else random.uniform(1.1, 2.1)
        self._lane_m = random.uniform(-1.2, 1.2) * lane_m if drone else -lane_m + random.uniform(-0.5, 0.5)
        self._pitch = np.radians(random.uniform(-16, -3) if drone else random.uniform(-5, 3))
        self._look = np.radians(random.normal(0, 8 if drone else 3))
        sway = 1.0 if drone else 0.35

        def wave(amplitude: float, slowest_hz: float, fastest_hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            hz = random.uniform(slowest_hz, fastest_hz, 3)
            return amplitude * random.normal(0, 0.6, 3), 2 * np.pi * hz, random.uniform(0, 2 * np.pi, 3)

        self._speed = wave(0.25 * self.speed_m_s, 0.05, 0.25)
        self._side = wave(0.8 * sway, 0.08, 0.4)
        self._bob = wave(0.3 if drone else 0.02, 0.2, 1.6)
        self._turn = wave(np.radians(random.uniform(2, 9)), 0.08, 0.5)
        self._nod = wave(np.radians(random.uniform(0.3, 1.8)), 0.3, 2.0)
        self._tilt = wave(np.radians(2.5 if drone else 0.6), 0.2, 1.0)

    def _s(self, t_s: float) -> float:
        amplitude, w, phase = self._speed
        amplitude = amplitude * min(1.0, 0.85 * self.speed_m_s / (np.abs(amplitude).sum() + 1e-9))  # never backwards
        return (
            self._start_m
            + self.speed_m_s * t_s
            - float(np.sum(amplitude / w * (np.cos(w * t_s + phase) - np.cos(phase))))
        )

    def s(self, t_s: float) -> float:
        """Metres along the street at ``t_s``; never decreases."""
        return self._s(t_s)

    def pose(self, t_s: float) -> Pose:
        """The camera at ``t_s``."""

        def at(wave: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
            amplitude, w, phase = wave
            return float(np.sum(amplitude * np.sin(w * t_s + phase)))

        s = self._s(t_s)
        x, y = self._line.at(s, self._lane_m + at(self._side))
        ahead = 0.5 * (self._line.heading(s) + self._line.heading(s + 8))
        return Pose(
            np.array([x, y, self._height_m + at(self._bob)]),
            ahead + self._look + at(self._turn),
            self._pitch + at(self._nod),
            at(self._tilt),
        )
