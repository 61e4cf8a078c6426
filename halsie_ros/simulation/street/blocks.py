"""The fixed part of the street, built block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halsie_ros.simulation.street.frontage import add_frontages
from halsie_ros.simulation.street.furniture import add_furniture, add_parked
from halsie_ros.simulation.street.ground import add_ground, add_markings
from halsie_ros.simulation.street.layout import Layout
from halsie_ros.simulation.street.path import BLOCK_M, StreetLine
from halsie_ros.simulation.street.raster import Polygons, Ribbons
from halsie_ros.simulation.street.site import Site


@dataclass(frozen=True)
class Block:
    """One built block: its surfaces, shadows (see ``Mesh.shadows``) and lamps ``(N, 3) float32``."""

    polygons: Polygons
    ribbons: Ribbons
    shadows: tuple[np.ndarray, np.ndarray]
    lamps: np.ndarray


def build_block(layout: Layout, line: StreetLine, sun: np.ndarray, sunny: bool, index: int) -> Block:
    """The block from ``index * BLOCK_M`` on: the same for the same street, whatever was built before.

    Args:
        layout: of the street.
        line: of the street.
        sun: direction towards the sun, (3,).
        sunny: whether things cast shadows.
        index: of the block, 0 or greater.
    """
    site = Site(layout, line, index * BLOCK_M, sun, sunny, index)
    add_ground(site)
    add_markings(site)
    for side in (-1, 1):
        add_frontages(site, side)
        add_furniture(site, side)
        add_parked(site, side)
    lamps = np.array(site.lamps, np.float32).reshape(-1, 3)
    return Block(site.mesh.polygons, site.mesh.ribbons, site.mesh.shadows, lamps)
