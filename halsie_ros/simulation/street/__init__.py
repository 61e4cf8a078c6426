"""The procedural street: layout, meshes, textures, light, traffic."""

from halsie_ros.simulation.street.scene import StreetScene, training_seed

__all__ = ["StreetScene", "training_seed"]
