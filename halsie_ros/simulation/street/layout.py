"""What stays the same along one street."""

from __future__ import annotations

import numpy as np

from halsie_ros.simulation.street.textures import PLACES


class Layout:
    """What stays the same along a street: widths, materials, colours, how much of everything."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng([seed, 6])
        self.seed = seed
        self.road_m = random.uniform(2.9, 7.5)  # half width
        self.lanes = 2 if self.road_m > 6.0 else 1
        self.verge_m = random.uniform(0.8, 2.6) if random.random() < 0.55 else 0.0
        self.pavement_m = random.uniform(1.6, 4.5)
        self.parking = random.random() < 0.6 and self.road_m > 4.2
        self.road_tint = np.full(3, random.uniform(0.07, 0.22)) * random.uniform(0.92, 1.08, 3)
        self.pavement_tint = np.full(3, random.uniform(0.22, 0.5)) * random.uniform(0.88, 1.12, 3)
        self.kerb_tint = np.full(3, random.uniform(0.3, 0.6))
        self.grass_tint = np.array([0.28, 0.34, 0.2]) * random.uniform(0.6, 1.3, 3)
        self.leaf_tint = np.array([0.26, 0.34, 0.22]) * random.uniform(0.6, 1.4, 3)
        self.asphalt, self.slab = (int(random.choice(PLACES[name])) for name in ("asphalt", "slabs"))
        self.marking_tint = np.array([0.75, 0.75, 0.72]) if random.random() < 0.85 else np.array([0.75, 0.5, 0.05])
        self.dashed = random.random() < 0.8
        self.edge_lines = random.random() < 0.4
        self.lamp_every_m = random.uniform(22, 34)
        self.lamp_height_m = random.uniform(4.5, 8.5)
        self.lamp_tint = np.full(3, random.uniform(0.1, 0.45))
        self.tree_every_m = random.uniform(6, 16)
        self.tree_share = random.uniform(0.1, 0.95)
        self.conifers = random.random() < 0.15
        # Frontages: house row, detached house, wall, fence, hedge, side street or open green.
        self.frontage = random.dirichlet(np.array([3.0, 1.6, 1.0, 1.3, 1.0, 0.6]))
        self.setback_m = random.choice([0.0, random.uniform(1, 6)])
        self.storeys = random.uniform(1.6, 6.5)
        self.facades = random.choice(PLACES["facade"], 5, replace=False)
        self.walkers = random.uniform(0.2, 1.0)
        self.traffic = random.uniform(0.2, 1.0)

    @property
    def front_d_m(self) -> float:
        """Where the pavement ends."""
        return self.road_m + self.verge_m + self.pavement_m
