"""Who moves where: streams of vehicles and walkers as closed-form functions of time, without end or clashes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halsie_ros.simulation.street.layout import Layout
from halsie_ros.simulation.street.path import CameraPath
from halsie_ros.simulation.street.site import KERB_M


@dataclass(frozen=True)
class Mover:
    """A vehicle or walker now: which one, where along and aside, its direction along the street (+1, -1, 0 across)."""

    number: int
    s_m: float
    d_m: float
    direction: int
    speed_m_s: float


class Stream:
    """Movers one behind the other at one speed, each with its own jitter in place."""

    def __init__(
        self, random: np.random.Generator, d_m: float, speed_m_s: float, gap_m: float, spread_d_m: float
    ) -> None:
        self._seed = int(random.integers(1 << 30))
        self._d_m = d_m
        self._speed_m_s = speed_m_s
        self._gap_m = gap_m
        self._spread_d_m = spread_d_m
        self._offset_m = random.uniform(0, gap_m)
        self._cache: dict[int, tuple[float, float, int]] = {}

    def movers(self, t_s: float, s0_m: float, s1_m: float) -> list[Mover]:
        """Everyone between ``s0_m`` and ``s1_m`` at ``t_s``."""
        base = self._offset_m + self._speed_m_s * t_s
        first, last = int(np.floor((s0_m - base) / self._gap_m)), int(np.ceil((s1_m - base) / self._gap_m))
        result = []
        for slot in range(first, last + 1):
            if slot not in self._cache:
                random = np.random.default_rng([self._seed, slot + (1 << 20)])
                self._cache[slot] = (
                    random.uniform(-0.3, 0.3),
                    random.normal(0, self._spread_d_m),
                    int(random.integers(1000)),
                )
            shift, aside, number = self._cache[slot]
            s = base + (slot + shift) * self._gap_m
            if s0_m <= s <= s1_m:
                direction = 0 if self._speed_m_s == 0 else int(np.sign(self._speed_m_s))
                result.append(Mover(number, s, self._d_m + aside, direction, self._speed_m_s))
        return result


class Traffic:
    """All that moves on a street."""

    def __init__(self, layout: Layout, path: CameraPath) -> None:
        random = np.random.default_rng([layout.seed, 9])
        self._path = path
        edge = layout.road_m - (2.0 if layout.parking else 0.3)
        lane = edge * (0.5 if layout.lanes == 1 else 0.27)
        oncoming = -random.uniform(4, 13)
        self._vehicles = [Stream(random, lane, oncoming, random.uniform(18, 60) / layout.traffic, 0.12)]
        if layout.lanes == 2:
            self._vehicles.append(
                Stream(random, edge * 0.77, oncoming * 0.8, random.uniform(25, 70) / layout.traffic, 0.12)
            )
            faster = path.speed_m_s * random.uniform(0.6, 1.6) + 0.5
            self._vehicles.append(Stream(random, -edge * 0.77, faster, random.uniform(25, 70) / layout.traffic, 0.12))
        self._leader = random.random() < 0.75
        self._lead_m = random.uniform(11, 30)
        self._lead_number = int(random.integers(1000))
        self._lead_d_m = -lane
        self._lead_wave = (random.uniform(0.5, 3.0), random.uniform(0.2, 0.8), random.uniform(0, 6.28))
        self._walkers = []
        middle = layout.road_m + layout.verge_m + 0.5 * layout.pavement_m
        for side in (-1, 1):
            for direction in (-1, 1, 0):
                gap = random.uniform(6, 20) / layout.walkers
                speed = direction * random.uniform(0.9, 1.7)
                self._walkers.append(
                    Stream(random, side * middle, speed, gap * (2 if direction == 0 else 1), 0.16 * layout.pavement_m)
                )
        self._crossings = random.uniform(0.3, 1.0) * layout.walkers
        self._seed = layout.seed
        self._road_m = layout.road_m

    def vehicles(self, t_s: float, far_m: float) -> list[Mover]:
        """Vehicles in sight, the leading one included."""
        here = self._path.s(t_s)
        result = [mover for stream in self._vehicles for mover in stream.movers(t_s, here - 12, here + far_m)]
        if self._leader:
            amplitude, w, phase = self._lead_wave
            ahead = self._lead_m + amplitude * np.sin(w * t_s + phase)
            result.append(Mover(self._lead_number, here + ahead, self._lead_d_m, 1, self._path.speed_m_s))
        return result

    def walkers(self, t_s: float, far_m: float) -> list[tuple[Mover, float]]:
        """Walkers in sight, each with the height of the ground below."""
        here = self._path.s(t_s)
        result = [(mover, KERB_M) for stream in self._walkers for mover in stream.movers(t_s, here - 6, here + far_m)]
        for place in range(int(here // 25), int((here + 60) // 25) + 1):  # one crossing may come every 25 m
            random = np.random.default_rng([self._seed, 10, max(place, 0)])
            if random.random() > self._crossings:
                continue
            s = place * 25 + random.uniform(0, 25)
            side = 1 if random.random() < 0.5 else -1
            speed, reach = random.uniform(1.0, 1.9), self._road_m + 2.5
            # The crossing is half done when the camera is still so far away (our choice: nobody is run over).
            start_s = self._when(s - random.uniform(12, 40)) - reach / speed
            along = speed * (t_s - start_s)
            if 0 < along < 2 * reach and s > here + 4:
                d = side * (reach - along)
                number = int(random.integers(1000))
                result.append((Mover(number, s, d, 0, -side * speed), 0.0 if abs(d) < self._road_m else KERB_M))
        return result

    def _when(self, s_m: float) -> float:
        """The time at which the camera passes ``s_m`` (bisection; before the start it extrapolates)."""
        start = self._path.s(0.0)
        if s_m <= start:
            return (s_m - start) / self._path.speed_m_s
        low, high = 0.0, 4.0 * (s_m - start) / self._path.speed_m_s + 1.0
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._path.s(middle) < s_m else (low, middle)
        return low
