"""Events: arrays, codecs, windows, grids and geometry. Knows numpy and numba, never rclpy."""

from halsie_ros.events.events import Events

__all__ = ["Events", "warm"]


def warm() -> None:
    """Loads the compiled kernels of the live path; see `warming.warm`."""
    from halsie_ros.events.warming import warm as load

    load()
